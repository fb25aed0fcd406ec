package model

import (
	"time"

	"github.com/rentroll/rentroll/quota"
)

// RotateKey describes a rotation. Ref names the new key.
type RotateKey struct {
	Ref     Ref `json:"-"`
	Tenant  Ref
	Key     Ref
	Overlap time.Duration
	Once    string `json:"-"`
}

// RotateKey replaces a key. The old one stays good for the overlap and does not count until its successor is rotated or
// revoked itself.
func (w *World) RotateKey(by Ref, now time.Time, p RotateKey) (*KeyView, *Refusal) {
	if bad := w.may(by, now, p.Tenant, "key:manage"); bad != nil {
		return nil, bad
	}
	if p.Overlap < 0 || p.Overlap > 30*24*time.Hour {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "api_key.rotate", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		return w.replayKey(p.Tenant, ref, now), nil
	}
	t, old := w.tenants[p.Tenant], w.keys[p.Key]
	if t == nil || old == nil || old.Tenant != p.Tenant {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if bad := t.mustBeActive(); bad != nil {
		return nil, bad
	}
	last, before := w.keys[old.RotatedTo], w.keys[old.from]
	if !old.rotatable(last, now) {
		return nil, refuse(InvalidTransition)
	}
	next := &key{KeyView: old.KeyView, family: old.family, from: old.Ref}
	next.Ref, next.Created, next.Status, next.RotatedTo, next.Revoked, next.Reason = p.Ref, now, KeyActive, 0, nil, ""
	if last != nil {
		next.Expires = last.Expires // the old one's is the end of an overlap
	}
	if by != Program && by != p.Key && !w.keys[by].covers(next) {
		return nil, refuse(Forbidden)
	}
	crowded := before != nil && before.beside(now)
	if crowded {
		if _, bad := w.room(t, quota.APIKeys, t.use(quota.APIKeys, now), 1, now); bad != nil {
			return nil, bad
		}
		before.uncounted = false
	}
	t.changed(now)
	if last != nil && last.state(now) == KeyActive {
		last.revoke("Replaced: the key before it was rotated again", now)
		t.log("api_key.revoke")
	}
	old.giveWay(next, p.Overlap, now)
	t.keys = append(t.keys, next)
	w.keys[p.Ref] = next
	t.log("api_key.rotate")
	t.log("api_key.create")
	w.remember(scope, p, p.Ref)
	return next.view(now), nil
}

// rotatable reports whether a key may be rotated: while it is active, and to replace a successor that nobody got.
func (k *key) rotatable(last *key, now time.Time) bool {
	switch {
	case last == nil:
		return k.state(now) == KeyActive
	case last.RotatedTo != 0:
		return false
	case last.state(now) == KeyActive:
		return !last.used
	default:
		return k.state(now) == KeyActive
	}
}

// giveWay leaves a key good for the overlap beside its successor.
func (k *key) giveWay(next *key, overlap time.Duration, now time.Time) {
	k.RotatedTo = next.Ref
	switch {
	case k.state(now) != KeyActive:
	case overlap == 0:
		k.revoke("Rotated", now)
	default:
		k.uncounted, k.Expires = true, new(now.Add(overlap))
		if next.Expires != nil && next.Expires.Before(*k.Expires) {
			k.Expires = next.Expires
		}
	}
}

// beside reports whether a key is good beside its successor and does not count.
func (k *key) beside(now time.Time) bool { return k.uncounted && k.state(now) == KeyActive }

func (k *key) revoke(reason string, now time.Time) {
	k.Status, k.Revoked, k.Reason = KeyRevoked, &now, reason
}

// kin returns the keys of a family, whose counters are one.
func (t *tenant) kin(family Ref) map[Ref]bool {
	out := map[Ref]bool{}
	for _, k := range t.keys {
		if k.family == family {
			out[k.Ref] = true
		}
	}
	return out
}
