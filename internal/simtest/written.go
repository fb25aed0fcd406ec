package simtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

// written is a store that remembers the denials which were counted in it. The engine that writes them closes it with the last
// of them, so that they can't be read from it.
type written struct {
	rentroll.Store

	mu     sync.Mutex
	counts map[rentroll.DenialCount]int64
}

// WriteStatistics writes what is counted off the path of admissions.
func (w *written) WriteStatistics(ctx context.Context, s *rentroll.Statistics) error {
	if err := w.Store.WriteStatistics(ctx, s); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = make(map[rentroll.DenialCount]int64)
	}
	for c, n := range s.Counts {
		w.counts[c] += n
	}
	return nil
}

// denied returns how many denials an engine has counted until it was closed.
func (s *side) denied() facts {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	out := map[model.Denials]int64{}
	for c, n := range s.kept.counts {
		out[model.Denials{Tenant: s.ref(c.TenantID), Minute: c.Minute.UTC(), Code: string(c.Code), Quota: c.Quota}] += n
	}
	return denialFacts(out)
}

func denialFacts(counts map[model.Denials]int64) facts {
	f := facts{}
	for d, n := range counts {
		f[fmt.Sprint(d)] = n
	}
	return f
}
