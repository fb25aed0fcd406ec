package rentroll

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRateLimit lets requests come at any pace: in no stretch of time are more let through than a minute's worth and what
// the pace gives for that stretch, a refusal changes nothing, and who waits as long as it says is let through.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Int64Range(1, 100).Draw(t, "share")
		g := &gcra{}
		now := time.Duration(0)
		var passed []time.Duration
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now += time.Duration(rapid.Int64Range(0, int64(2*rateWindow)/share).Draw(t, "pause"))
			before := g.tat.Load()
			remaining, reset, retry := g.take(share, now)
			switch {
			case reset < 0 || remaining < 0 || remaining >= share || retry < 0:
				t.Fatalf("%d remain, reset in %s, retry in %s", remaining, reset, retry)
			case retry == 0:
				passed = append(passed, now)
				continue
			case remaining != 0 || g.tat.Load() != before:
				t.Fatal("a refusal changed something")
			}
			copied := &gcra{}
			copied.tat.Store(before)
			if _, _, again := copied.take(share, now+retry); again != 0 {
				t.Fatalf("after the %s that it was to wait it is refused for %s more", retry, again)
			}
		}
		for i := range passed {
			for j := i; j < len(passed); j++ {
				most := share + int64(float64(passed[j]-passed[i])/float64(rateWindow)*float64(share)) + 1
				if n := int64(j - i + 1); n > most {
					t.Fatalf("%d of %d a minute were let through within %s", n, share, passed[j]-passed[i])
				}
			}
		}
	})
}

// TestRateLimitOfAny: the largest limit that can be set is one.
func TestRateLimitOfAny(t *testing.T) {
	t.Parallel()
	g := &gcra{}
	for range 3 {
		if remaining, _, retry := g.take(1_000_000_000_000, time.Hour); retry != 0 || remaining == 0 {
			t.Errorf("%d remain, retry in %s", remaining, retry)
		}
	}
}
