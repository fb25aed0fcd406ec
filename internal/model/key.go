package model

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// The states of a key.
const (
	KeyActive  = "active"
	KeyRevoked = "revoked"
	KeyExpired = "expired"
)

// KeyView is an API key.
type KeyView struct {
	Ref            Ref        `json:"ref"`
	Tenant         Ref        `json:"tenant"`
	Name           string     `json:"name"`
	User           Ref        `json:"user"`
	Permissions    []string   `json:"permissions"`
	AllowedWorkers []string   `json:"allowed_workers"`
	RPM            *int64     `json:"rpm"`
	MaxRuns        *int64     `json:"max_runs"`
	MaxTokens      *int64     `json:"max_tokens"`
	Expires        *time.Time `json:"expires"`
	Status         string     `json:"status"`
	Created        time.Time  `json:"created"`
	Revoked        *time.Time `json:"revoked"`
	Reason         string     `json:"reason"`
	RotatedTo      Ref        `json:"rotated_to"`
	Replayed       bool       `json:"replayed"`
}

type key struct {
	KeyView

	family    Ref  // the first key of its chain of rotations
	from      Ref  // the key that it replaced
	uncounted bool // while it is good beside its successor
	used      bool
}

// state is active only while the key has not expired.
func (k *key) state(now time.Time) string {
	if k.Status == KeyActive && k.Expires != nil && !now.Before(*k.Expires) {
		return KeyExpired
	}
	return k.Status
}

func (k *key) view(now time.Time) *KeyView {
	v := k.KeyView
	v.Status = k.state(now)
	return &v
}

func (k *key) runs(worker string) bool {
	return k.AllowedWorkers == nil || slices.Contains(k.AllowedWorkers, worker)
}

// permissions are all there are; a list may also have "area:*", "read:*" and "*".
var permissions = strings.Fields(`tenant:read quota:read plan:read run:create run:read run:update usage:read usage:write
	usage:correct denial:read key:read key:manage key:verify member:read member:manage worker:read worker:manage
	audit:read webhook:read webhook:manage`)

// expand returns what a list of permissions allows; ok is false where an entry is
// unknown or doubled, or there is none.
func expand(list []string) (allowed map[string]bool, ok bool) {
	allowed = map[string]bool{}
	for i, entry := range list {
		if slices.Contains(list[:i], entry) {
			return nil, false
		}
		found := false
		for _, p := range permissions {
			area, action, _ := strings.Cut(p, ":")
			if entry == p || entry == "*" || entry == area+":*" || entry == "read:*" && action == "read" {
				allowed[p], found = true, true
			}
		}
		if !found {
			return nil, false
		}
	}
	return allowed, len(list) > 0
}

// dead reports whether the keys of a tenant are good for nothing any more.
func (t *tenant) dead(now time.Time) bool {
	return t.status == Archived || t.status == Terminated && !now.Before(t.since.Add(24*time.Hour))
}

// authenticate lets a key in.
func (w *World) authenticate(by Ref, now time.Time) (*key, *Refusal) {
	k := w.keys[by]
	if k == nil {
		return nil, refuse(Unauthenticated)
	}
	t := w.tenants[k.Tenant]
	now = t.clock(now)
	if k.state(now) != KeyActive || t.dead(now) {
		return nil, refuse(Unauthenticated)
	}
	k.used = true
	return k, nil
}

// operator checks that the caller stands above tenants.
func (w *World) operator(by Ref, now time.Time) *Refusal {
	if by == Program {
		return nil
	}
	if _, bad := w.authenticate(by, now); bad != nil {
		return bad
	}
	return refuse(Forbidden)
}

// may checks an operation on one tenant. Other tenants do not exist for a key. Keys of
// a suspended tenant read, and finish what runs; those of a terminated one only complete.
func (w *World) may(by Ref, now time.Time, id Ref, permission string) *Refusal {
	if by == Program {
		return nil
	}
	k, bad := w.authenticate(by, now)
	if bad != nil {
		return bad
	}
	if k.Tenant != id {
		return refuse(NotFound)
	}
	if allowed, _ := expand(k.Permissions); !allowed[permission] {
		return refuse(Forbidden)
	}
	switch w.tenants[id].status {
	case Suspended:
		if !strings.HasSuffix(permission, ":read") && !slices.Contains([]string{"run:update", "usage:write", "usage:correct"}, permission) {
			return refuse(TenantSuspended)
		}
	case Terminated:
		if permission != "run:update" {
			return refuse(TenantTerminated)
		}
	}
	return nil
}

// mayOnlyComplete refuses to a key what its permission to complete does not include
// once the tenant is terminated.
func (w *World) mayOnlyComplete(by, id Ref) *Refusal {
	if by != Program && w.tenants[id].status == Terminated {
		return refuse(TenantTerminated)
	}
	return nil
}

// mayBegin refuses to the keys of a suspended tenant, too, what begins something.
func (w *World) mayBegin(by, id Ref) *Refusal {
	if by != Program && w.tenants[id].status == Suspended {
		return refuse(TenantSuspended)
	}
	return w.mayOnlyComplete(by, id)
}

// CreateKey describes a new key.
type CreateKey struct {
	Ref            Ref `json:"-"`
	Tenant         Ref
	Name           string
	User           Ref
	Permissions    []string
	AllowedWorkers []string
	Days           int
	RPM            *int64
	MaxRuns        *int64
	MaxTokens      *int64
	Once           string `json:"-"`
}

func (p *CreateKey) valid() bool {
	if _, ok := expand(p.Permissions); !ok {
		return false
	}
	if p.AllowedWorkers != nil && len(p.AllowedWorkers) == 0 || slices.ContainsFunc(p.AllowedWorkers, func(s string) bool {
		return !workerPattern.MatchString(s)
	}) {
		return false
	}
	for _, limit := range []*int64{p.MaxRuns, p.MaxTokens} {
		if limit != nil && !amounts(*limit) {
			return false
		}
	}
	return p.Name != "" && len(p.Name) <= 100 && p.Days >= 0 && p.Days <= 3650 && (p.RPM == nil || *p.RPM >= 1 && *p.RPM <= 1_000_000)
}

// CreateKey makes a key.
func (w *World) CreateKey(by Ref, now time.Time, p CreateKey) (*KeyView, *Refusal) {
	if bad := w.may(by, now, p.Tenant, "key:manage"); bad != nil {
		return nil, bad
	}
	if p.Permissions == nil {
		p.Permissions = []string{"run:*", "read:*"}
	}
	if !p.valid() {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "api_key.create", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		return w.replayKey(p.Tenant, ref, now), nil
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if bad := t.mustBeActive(); bad != nil {
		return nil, bad
	}
	k := &key{family: p.Ref, KeyView: KeyView{
		Ref: p.Ref, Tenant: p.Tenant, Name: p.Name, User: p.User, Permissions: p.Permissions, AllowedWorkers: p.AllowedWorkers,
		RPM: p.RPM, MaxRuns: p.MaxRuns, MaxTokens: p.MaxTokens, Status: KeyActive, Created: now,
	}}
	if p.Days > 0 {
		k.Expires = new(now.Add(time.Duration(p.Days) * 24 * time.Hour))
	}
	if by != Program && !w.keys[by].covers(k) {
		return nil, refuse(Forbidden)
	}
	if p.User != 0 && w.users[p.User] == nil {
		return nil, refuse(ValidationFailed)
	}
	if _, bad := w.room(t, quota.APIKeys, t.use(quota.APIKeys, now), 1, now); bad != nil {
		return nil, bad
	}
	t.changed(now)
	t.keys = append(t.keys, k)
	w.keys[p.Ref] = k
	t.log("api_key.create")
	w.remember(scope, p, p.Ref)
	return k.view(now), nil
}

// covers reports whether a child has no permission that the key lacks, and every
// restriction that it has, as tight or tighter.
func (k *key) covers(child *key) bool {
	has, _ := expand(k.Permissions)
	wants, _ := expand(child.Permissions)
	for p := range maps.Keys(wants) {
		if !has[p] {
			return false
		}
	}
	if k.AllowedWorkers != nil {
		if child.AllowedWorkers == nil {
			return false
		}
		for _, name := range child.AllowedWorkers {
			if !k.runs(name) {
				return false
			}
		}
	}
	if k.Expires != nil && (child.Expires == nil || child.Expires.After(*k.Expires)) {
		return false
	}
	within := func(of, own *int64) bool { return of == nil || own != nil && *own <= *of }
	return within(k.RPM, child.RPM) && within(k.MaxRuns, child.MaxRuns) && within(k.MaxTokens, child.MaxTokens)
}

// RevokeKey ends a key.
func (w *World) RevokeKey(by Ref, now time.Time, id, which Ref, reason string) (*KeyView, *Refusal) {
	if bad := w.may(by, now, id, "key:manage"); bad != nil {
		return nil, bad
	}
	t, k := w.tenants[id], w.keys[which]
	if t == nil || k == nil || k.Tenant != id {
		return nil, refuse(NotFound)
	}
	if reason == "" {
		reason = "Manual revocation"
	}
	now = t.clock(now)
	if k.Status != KeyRevoked {
		if before := w.keys[k.from]; before != nil && before.RotatedTo == which {
			before.uncounted = false
		}
		k.revoke(reason, now)
		t.changed(now)
		t.log("api_key.revoke")
	}
	return k.view(now), nil
}

// GetKey returns a key.
func (w *World) GetKey(by Ref, now time.Time, id, which Ref) (*KeyView, *Refusal) {
	if bad := w.may(by, now, id, "key:read"); bad != nil {
		return nil, bad
	}
	k := w.keys[which]
	if k == nil || k.Tenant != id {
		return nil, refuse(NotFound)
	}
	return k.view(w.tenants[id].clock(now)), nil
}

// ListKeys returns the keys of a tenant, oldest first: all, or the active ones.
func (w *World) ListKeys(id Ref, now time.Time, all bool) []*KeyView {
	out := []*KeyView{}
	for _, k := range w.tenants[id].keys {
		if v := k.view(w.tenants[id].clock(now)); all || v.Status == KeyActive {
			out = append(out, v)
		}
	}
	return out
}

// VerifyView is the answer about a secret.
type VerifyView struct {
	Valid  bool   `json:"valid"`
	Code   string `json:"code"`
	Tenant Ref    `json:"tenant"`
	Status string `json:"status"`
	Key    Ref    `json:"key"`
	Plan   string `json:"plan"`
}

// Verify says whether the secret of a key is good, and for what.
func (w *World) Verify(by Ref, now time.Time, which Ref, permission, workerID string) (*VerifyView, *Refusal) {
	if by != Program {
		k := w.keys[by]
		if k == nil {
			return nil, refuse(Unauthenticated)
		}
		if bad := w.may(by, now, k.Tenant, "key:verify"); bad != nil {
			return nil, bad
		}
	}
	if _, known := expand([]string{permission}); permission != "" && !known || workerID != "" && !workerPattern.MatchString(workerID) {
		return nil, refuse(ValidationFailed)
	}
	k := w.keys[which]
	if k == nil || by != Program && w.keys[by].Tenant != k.Tenant {
		return &VerifyView{Code: NotFound}, nil
	}
	t := w.tenants[k.Tenant]
	v := &VerifyView{Tenant: t.ref, Status: t.status, Key: k.Ref, Plan: t.plan}
	v.Code = k.verdict(t, t.clock(now), permission, workerID)
	v.Valid = v.Code == ""
	k.used = k.used || v.Valid
	return v, nil
}

// verdict is the first reason against a key.
func (k *key) verdict(t *tenant, now time.Time, permission, workerID string) string {
	if bad := t.mustBeActive(); bad != nil {
		return bad.Code
	}
	if state := k.state(now); state != KeyActive {
		return state
	}
	if permission != "" {
		has, _ := expand(k.Permissions)
		wants, _ := expand([]string{permission})
		for p := range wants {
			if !has[p] {
				return "insufficient_permissions"
			}
		}
	}
	if workerID != "" && !k.runs(workerID) {
		return WorkerNotAllowed
	}
	return ""
}

// replayKey answers again with a key that was made before.
func (w *World) replayKey(id, ref Ref, now time.Time) *KeyView {
	v := w.keys[ref].view(w.tenants[id].clock(now))
	v.Replayed = true
	return v
}
