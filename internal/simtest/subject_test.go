package simtest_test

import (
	"errors"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/quota"
)

// TestGroupsOfSubjects: the first run of a group is the first that its tenant has open, and the rows of the others' subjects
// are made beside it: each run is there once, and every slot is held once.
func TestGroupsOfSubjects(t *testing.T) {
	onEveryStore(t, func(t *testing.T, r *rig) {
		t.Helper()
		ctx := t.Context()
		acme := r.tenant("acme", quota.Limits{quota.ForSubjects(quota.ConcurrentRuns): quota.Of(2)})
		group := rentroll.CreateRunsParams{TenantID: acme}
		for _, subject := range []string{"", "ada", "bob", "ada", ""} {
			group.Runs = append(group.Runs, rentroll.CreateRunParams{WorkerID: "builder", Task: "t", Subject: subject})
		}
		admitted, err := r.CreateRuns(ctx, group)
		if err != nil || len(admitted.Items) != len(group.Runs) {
			t.Fatalf("%+v, %v", admitted, err)
		}
		stored, err := r.ListRuns(ctx, rentroll.ListRunsParams{TenantID: acme})
		if err != nil || len(stored.Items) != len(group.Runs) {
			t.Errorf("%d runs were admitted, and %d are stored, %v", len(group.Runs), len(stored.Items), err)
		}
		if err := simtest.Reconciled(ctx, r.Engine); err != nil {
			t.Error(err)
		}
		var denied *rentroll.QuotaExceededError
		group.Runs = []rentroll.CreateRunParams{{WorkerID: "builder", Task: "t"}, {WorkerID: "builder", Task: "t", Subject: "ada"}}
		if _, err := r.any().CreateRuns(ctx, group); !errors.As(err, &denied) || denied.Scope != rentroll.ScopeSubject || denied.Limit != 2 || denied.Current != 2 {
			t.Errorf("a third run of one subject at once: %v", err)
		}
	})
}
