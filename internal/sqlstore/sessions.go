package sqlstore

import "github.com/rentroll/rentroll"

var sessions = prepare(table[[32]byte, rentroll.Session]{
	name:    "sessions",
	columns: columns("hash:bytes key_hash:bytes tenant_id:id api_key_id:id operator_key_id:id created_at seen_at expires_at ends_at"),
	keys:    1,
	bindKey: bindHash,
	bind: func(a Args, r *rentroll.Session) {
		bindHash(a, r.Hash)
		bindHash(a, r.KeyHash)
		bindNullID(a, r.TenantID)
		bindNullID(a, r.APIKeyID)
		bindNullID(a, r.OperatorKeyID)
		bindTime(a, r.CreatedAt)
		bindTime(a, r.SeenAt)
		bindTime(a, r.ExpiresAt)
		bindTime(a, r.EndsAt)
	},
	scan: func(row Row) ([32]byte, *rentroll.Session, error) {
		r := &rentroll.Session{Hash: scanHash(row), KeyHash: scanHash(row), TenantID: row.ID(), APIKeyID: row.ID(), OperatorKeyID: row.ID()}
		r.CreatedAt = scanTime(row)
		r.SeenAt = scanTime(row)
		r.ExpiresAt = scanTime(row)
		r.EndsAt = scanTime(row)
		return r.Hash, r, nil
	},
})

var expiredSessions = sessions.query("WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2")

// askSessions loads sessions that have expired.
func askSessions(b *rentroll.Batch, requests []*Request) []*Request {
	for at, answer := range b.ExpiredSessions {
		if answer != nil {
			continue
		}
		expired := [][32]byte{}
		b.ExpiredSessions[at] = &expired
		requests = append(requests, &Request{
			Stmt: expiredSessions, Rows: 1,
			Bind: func(_ int, a Args) {
				bindTime(a, at)
				a.Int(rentroll.MaxOverdue)
			},
			Scan: sessions.found(func(hash [32]byte, s *rentroll.Session) {
				expired = append(expired, hash)
				b.Sessions.Found(hash, s)
			}),
		})
	}
	return requests
}
