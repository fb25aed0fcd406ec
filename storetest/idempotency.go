package storetest

import "github.com/rentroll/rentroll"

func onceRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.OnceRef, rentroll.OnceRecord] {
	return &b.Once
}

func fullOnce(s *scene) *rentroll.OnceRecord {
	return &rentroll.OnceRecord{
		OnceRef:     rentroll.OnceRef{TenantID: newID[rentroll.TenantID](s), Operation: "run.create", Key: "a key ~!"},
		Fingerprint: s.hash(), Result: newID[rentroll.RunID](s).String(), CreatedAt: after(1),
	}
}

var onceRecords = noun[rentroll.OnceRef, rentroll.OnceRecord]{
	rows: onceRows,
	key:  func(r *rentroll.OnceRecord) rentroll.OnceRef { return r.OnceRef },
	full: fullOnce,
	bare: func(s *scene) *rentroll.OnceRecord {
		r := fullOnce(s)
		r.Result = ""
		return r
	},
	edit: func(r *rentroll.OnceRecord) { r.Result, r.Fingerprint = "rdv", [32]byte{7} },
}

func onceTests() []test {
	return append(onceRecords.tests(), test{"ScopesAreApart", onceScopes})
}

// onceScopes: a key is used once per tenant and operation; the parts do not run into each other.
func onceScopes(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	refs := []rentroll.OnceRef{
		{TenantID: tenant, Operation: "run.create", Key: "k"},
		{TenantID: other, Operation: "run.create", Key: "k"},
		{TenantID: rentroll.PlatformID, Operation: "run.create", Key: "k"},
		{TenantID: tenant, Operation: "run.complete", Key: "k"},
		{TenantID: tenant, Operation: "run.create", Key: "kk"},
		{TenantID: tenant, Operation: "run.createk", Key: ""},
		{TenantID: tenant, Operation: "", Key: "run.createk"},
	}
	for _, ref := range refs {
		onceRecords.isGone(s, ref)
		r := fullOnce(s)
		r.OnceRef = ref
		onceRecords.put(s, r)
		onceRecords.is(s, r)
	}
}
