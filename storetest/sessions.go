package storetest

import (
	"time"

	"github.com/rentroll/rentroll"
)

var sessions = noun[[32]byte, rentroll.Session]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[[32]byte, rentroll.Session] { return &b.Sessions },
	key:  func(r *rentroll.Session) [32]byte { return r.Hash },
	full: func(s *scene) *rentroll.Session {
		return &rentroll.Session{
			Hash: s.hash(), KeyHash: s.hash(), TenantID: newID[rentroll.TenantID](s), APIKeyID: newID[rentroll.KeyID](s),
			OperatorKeyID: newID[rentroll.OperatorKeyID](s), CreatedAt: after(1), SeenAt: after(2), ExpiresAt: after(3), EndsAt: after(4),
		}
	},
	bare: func(s *scene) *rentroll.Session { return &rentroll.Session{Hash: s.hash(), KeyHash: s.hash()} },
	edit: func(r *rentroll.Session) { r.SeenAt, r.ExpiresAt = after(5), after(6) },
}

func sessionTests() []test {
	return append(sessions.tests(), test{"Expired", expiredSessions})
}

// expiredSessions are asked for by a time, and their rows come with the answer.
func expiredSessions(s *scene) {
	var hashes [][32]byte
	for i := range 4 {
		row := sessions.full(s)
		row.ExpiresAt = after(10 * (4 - i)) // the last is the first to expire
		sessions.put(s, row)
		hashes = append(hashes, row.Hash)
	}
	asked := func(at time.Time) [][32]byte {
		b := s.load(func(b *rentroll.Batch) { b.ExpiredSessions = map[time.Time]*[][32]byte{at: nil} })
		found := *b.ExpiredSessions[at]
		for _, hash := range found {
			if b.Sessions.Get(hash) == nil {
				s.Error("a session that has expired was not loaded")
			}
		}
		return found
	}
	same(s, "before any", asked(after(9)), [][32]byte{})
	same(s, "at the second", asked(after(20)), [][32]byte{hashes[3], hashes[2]})
	same(s, "behind all", asked(after(100)), [][32]byte{hashes[3], hashes[2], hashes[1], hashes[0]})
}
