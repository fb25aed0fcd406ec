package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// The everyday chaos.
const (
	everyday = 7 * time.Second
	servers  = 2
	callers  = 8
)

// TestChaos lets callers work on a platform that is being broken, for as long as CHAOS_DURATION says ("3m"; some seconds
// without it) and by the seed in CHAOS_SEED (a new one without it), and then asks whether every promise was kept.
func TestChaos(t *testing.T) {
	t.Parallel()
	duration, n := everyday, servers
	if given := os.Getenv("CHAOS_DURATION"); given != "" {
		var err error
		if duration, err = time.ParseDuration(given); err != nil {
			t.Fatalf("CHAOS_DURATION: %v", err)
		}
		n = servers + 1
	}
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("CHAOS_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("CHAOS_SEED: %v", err)
		}
	}
	t.Logf("CHAOS_SEED=%d, for %s with %d servers and %d callers", seed, duration, n, callers)

	p := newPlatform(t, n)
	w := found(p)
	w.begin(seed, callers)
	tr := &trouble{platform: p, rng: rand.New(rand.NewPCG(seed, 0)), done: make(map[string]int)}
	tr.make(t.Context(), duration)
	t.Logf("done: %s", tr)
	w.end()
	p.quiet(t.Context())
	w.settle(t.Context())
	repeated := w.repeat(t.Context())
	w.audit(t.Context())
	w.report(repeated)
}

// report says what came of it, and what was wrong with the answers.
func (w *work) report(repeated int) {
	w.t.Helper()
	answered, unsure := 0, 0
	refused := make(map[rentroll.Code]int)
	for _, j := range w.jobs {
		if j.run != nil {
			answered++
		} else {
			refused[j.refused]++
		}
		if j.unsure {
			unsure++
		}
	}
	w.t.Logf("%d runs asked for: %d admitted, refused %v; %d had a call without an answer before; %d repeated in the end; %d events, %d keys",
		len(w.jobs), answered, refused, unsure, repeated, len(w.events), len(w.keys))
	var calls []string
	for _, what := range slices.Sorted(maps.Keys(w.told)) {
		calls = append(calls, fmt.Sprintf("%s: %d", what, w.told[what]))
	}
	w.t.Logf("calls: %s", strings.Join(calls, ", "))
	for _, s := range w.servers {
		s.mu.Lock()
		for _, said := range s.failed {
			w.t.Logf("%s could not start at first: %s", s.name, said)
		}
		s.mu.Unlock()
	}
	for what, err := range w.wrong {
		w.t.Errorf("a caller was told %s: %v", what, err)
	}
	if answered < 20 {
		w.t.Errorf("only %d runs were admitted: nothing was tested", answered)
	}
}
