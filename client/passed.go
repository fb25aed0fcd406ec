package client

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
)

// passed remembers keys that passed, and from where, for a while. It holds hashes: a dump of the process shows no keys of callers who have
// been answered. The zero duration remembers nothing.
type passed struct {
	keep time.Duration
	most int

	mu   sync.Mutex
	keys map[[sha256.Size]byte]*rentroll.Verification
}

func newPassed(keep time.Duration, most int) *passed {
	return &passed{keep: keep, most: most, keys: map[[sha256.Size]byte]*rentroll.Verification{}}
}

// passage names a key that came from an address.
func passage(secret string, from netip.Addr) [sha256.Size]byte {
	return sha256.Sum256([]byte(from.String() + " " + secret))
}

// get returns what is remembered of a key, nil for nothing.
func (p *passed) get(secret string, from netip.Addr) *rentroll.Verification {
	if p.keep <= 0 {
		return nil
	}
	hash := passage(secret, from)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[hash]
}

// put remembers a key until its time is over, if there is room.
func (p *passed) put(secret string, from netip.Addr, v *rentroll.Verification) {
	if p.keep <= 0 {
		return
	}
	hash := passage(secret, from)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.keys[hash]; there || len(p.keys) >= p.most {
		return
	}
	p.keys[hash] = v
	time.AfterFunc(p.keep, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.keys, hash)
	})
}
