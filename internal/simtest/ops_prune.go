package simtest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

// prune deletes what is old, as the engine does by itself from time to time.
func prune() op {
	return op{
		"Prune", model.Program, nil,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.Prune(now, keep), nil
		},
		func(ctx context.Context, _ *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			pruned, err := e.Prune(ctx)
			return model.PruneView{
				Runs: pruned[rentroll.PruneRuns], Marks: pruned[rentroll.PruneMarks], Once: pruned[rentroll.PruneOnce], Subjects: pruned[rentroll.PruneSubjects],
			}, err
		},
	}
}
