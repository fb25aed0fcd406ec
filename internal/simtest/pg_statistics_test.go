package simtest_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
)

// TestLostStatistics counts the uses of a key while the outcome of what is written stays unknown for a while: whether it
// had happened or not, each use counts once.
func TestLostStatistics(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simtest.Fault{"and it had happened": simtest.LostAfter, "and it had not": simtest.LostBefore, "unreachable": simtest.Down} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := openServers(t)
			var left atomic.Int64
			left.Store(3)
			engine, err := rentroll.New(&simtest.Faults{Store: open(), OnStatistics: func() simtest.Fault {
				if left.Add(-1) >= 0 {
					return fault
				}
				return simtest.None
			}}, &rentroll.Options{StatisticsInterval: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			tenant, err := engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "T", Slug: "t"})
			if err != nil {
				t.Fatal(err)
			}
			secret, key, err := engine.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "k"})
			if err != nil {
				t.Fatal(err)
			}
			uses := int64(0)
			for ; uses < 5 || left.Load() >= 0 && uses < 100_000; uses++ { // so that some come behind each lost write
				if _, err := engine.Authenticate(t.Context(), secret); err != nil {
					t.Fatal(err)
				}
			}
			if err := engine.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := rentroll.New(open(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			got, err := again.GetAPIKey(t.Context(), tenant.ID, key.ID)
			if err != nil || got.TotalRequests != uses {
				t.Errorf("%d uses are counted, want %d, %v", got.TotalRequests, uses, err)
			}
		})
	}
}
