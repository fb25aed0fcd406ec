package sqlstore_test

import (
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// lent is a store that several engines use one after the other, and none of them closes.
type lent struct{ rentroll.Store }

// Close leaves the store open.
func (lent) Close() error { return nil }

// TestGraceFromBefore: accounts from before their grace was kept have that of the first server that keeps it, whatever later
// ones are told, until a month begins.
func TestGraceFromBefore(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		now := time.Now()
		start := func(grace time.Duration) *rentroll.Engine {
			e, err := rentroll.New(lent{w.store}, &rentroll.Options{Now: func() time.Time { return now }, StatementGrace: grace, SweepInterval: -1})
			if err != nil {
				w.Fatal(err)
			}
			return e
		}
		stop := func(e *rentroll.Engine) {
			if err := e.Close(); err != nil {
				w.Error(err)
			}
		}
		list := func(e *rentroll.Engine) []rentroll.StatementPeriod {
			periods, err := e.ListStatements(w.Context(), w.tenant)
			if err != nil {
				w.Fatal(err)
			}
			return periods
		}
		w.sql("UPDATE accounts SET statement_grace = 0")
		first := start(time.Hour)
		end := list(first)[0].End
		stop(first)
		now = end.Add(2 * time.Hour)
		second := start(30 * 24 * time.Hour)
		defer stop(second)
		for _, written := range []bool{false, true} {
			if written {
				w.rename(second, "Acme again")
			}
			periods := list(second)
			if over := periods[1]; !over.Final || !over.FinalAt.Equal(end.Add(time.Hour)) {
				w.Errorf("written %t: the month from before is final at %s, want an hour after %s", written, over.FinalAt, end)
			}
			if at := periods[0].FinalAt; written && !at.Equal(periods[0].End.Add(30*24*time.Hour)) {
				w.Errorf("the month that began since is final at %s", at)
			}
		}
	})
}
