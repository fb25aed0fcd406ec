package rentroll

import (
	"testing"
	"time"
)

// TestRotationCheck goes through what may have become of a key and its successor.
func TestRotationCheck(t *testing.T) {
	t.Parallel()
	past, future := noon.Add(-time.Second), noon.Add(time.Hour)
	active, revoked, over := &APIKey{Status: KeyActive}, &APIKey{Status: KeyRevoked}, &APIKey{Status: KeyActive, ExpiresAt: &past}
	overlapping := &APIKey{Status: KeyActive, ExpiresAt: &future, InOverlap: true}
	rotated := func(k APIKey) *APIKey { k.RotatedTo = KeyID{9}; return &k }
	for _, c := range []struct {
		name    string
		r       rotation
		refused bool
	}{
		{"active", rotation{old: active}, false},
		{"revoked", rotation{old: revoked}, true},
		{"expired", rotation{old: over}, true},
		{"marked as expired", rotation{old: &APIKey{Status: KeyExpired}}, true},
		{"in overlap, the successor lost", rotation{old: overlapping, last: active}, false},
		{"ended, the successor lost", rotation{old: revoked, last: active}, false},
		{"overlap over, the successor lost", rotation{old: over, last: active}, false},
		{"in overlap, the successor in use", rotation{old: overlapping, last: active, used: true}, true},
		{"in overlap, the successor revoked", rotation{old: overlapping, last: revoked}, false},
		{"in overlap, the successor used and revoked", rotation{old: overlapping, last: revoked, used: true}, false},
		{"ended, the successor revoked", rotation{old: revoked, last: revoked}, true},
		{"in overlap, the successor rotated", rotation{old: overlapping, last: rotated(*overlapping)}, true},
		{"in overlap, the successor rotated and revoked", rotation{old: overlapping, last: rotated(*revoked)}, true},
	} {
		want := Code("")
		if c.refused {
			want = CodeInvalidTransition
		}
		if err := c.r.check(noon); CodeOf(err) != want {
			t.Errorf("%s: got %v, want code %q", c.name, err, want)
		}
	}
}

// TestRotationEnds says until when the old key and its successor are good.
func TestRotationEnds(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) *time.Time { return new(noon.Add(d)) }
	never := (*time.Time)(nil)
	for _, c := range []struct {
		name      string
		old, last *time.Time // expiries; last only where rotated
		rotated   bool
		overlap   time.Duration
		wantOld   *time.Time
		wantNext  *time.Time
	}{
		{"a key for ever", never, nil, false, time.Hour, in(time.Hour), never},
		{"a key for long", in(100 * day), nil, false, time.Hour, in(time.Hour), in(100 * day)},
		{"a key for less than the overlap", in(time.Minute), nil, false, time.Hour, in(time.Minute), in(time.Minute)},
		{"again, a key for ever", in(time.Hour), never, true, 2 * time.Hour, in(2 * time.Hour), never},
		{"again, a key for long", in(time.Hour), in(100 * day), true, time.Minute, in(time.Minute), in(100 * day)},
		{"again, a key for little longer", in(time.Hour), in(90 * time.Minute), true, 2 * time.Hour, in(90 * time.Minute), in(90 * time.Minute)},
	} {
		r := rotation{old: &APIKey{ID: KeyID{1}, Family: KeyID{7}, Status: KeyActive, ExpiresAt: c.old, InOverlap: c.rotated}}
		if c.rotated {
			r.last = &APIKey{Status: KeyActive, ExpiresAt: c.last}
		}
		next := r.successor(noon)
		next.ID = KeyID{2}
		old := r.ending(next, c.overlap, noon)
		if !sameInstant(next.ExpiresAt, c.wantNext) || !sameInstant(old.ExpiresAt, c.wantOld) {
			t.Errorf("%s: until %v and %v, want %v and %v", c.name, old.ExpiresAt, next.ExpiresAt, c.wantOld, c.wantNext)
		}
		if next.Family != r.old.Family || next.RotatedFrom != r.old.ID || old.RotatedTo != next.ID || !old.InOverlap || next.InOverlap {
			t.Errorf("%s: old %+v, next %+v", c.name, old, next)
		}
	}
}

func sameInstant(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// TestRotationAtOnce: without an overlap the old key is revoked, and one that has ended stays as it ended.
func TestRotationAtOnce(t *testing.T) {
	t.Parallel()
	r := rotation{old: &APIKey{ID: KeyID{1}, Status: KeyActive}}
	next := r.successor(noon)
	if old := r.ending(next, 0, noon); old.Status != KeyRevoked || old.RevokedReason != rotatedReason || old.InOverlap || old.ExpiresAt != nil {
		t.Errorf("the old key is %+v", old)
	}
	earlier := noon.Add(-time.Hour)
	r.old = &APIKey{ID: KeyID{1}, Status: KeyRevoked, RevokedAt: &earlier, RevokedReason: "leaked"}
	for _, overlap := range []time.Duration{0, time.Hour} {
		if old := r.ending(next, overlap, noon); old.Status != KeyRevoked || old.RevokedReason != "leaked" || *old.RevokedAt != earlier || old.InOverlap {
			t.Errorf("the revoked key is %+v", old)
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	for k, want := range map[*APIKey]bool{
		nil:                                   false,
		{Status: KeyActive}:                   false,
		{Status: KeyActive, InOverlap: true}:  true,
		{Status: KeyRevoked, InOverlap: true}: false,
		{Status: KeyActive, InOverlap: true, ExpiresAt: &noon}: false,
	} {
		if k.overlaps(noon) != want {
			t.Errorf("%+v overlaps: %t, want %t", k, !want, want)
		}
	}
}
