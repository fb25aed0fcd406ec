package simtest_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// eachDatabase runs a test on what opens an empty database again and again.
func eachDatabase(t *testing.T, test func(t *testing.T, open func() rentroll.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "rentroll.db")
		test(t, func() rentroll.Store { return openFile(t, path) })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, openServers(t))
	})
}

const (
	short = time.Hour
	usual = 72 * time.Hour
	long  = 30 * 24 * time.Hour
)

// TestStatementsKeepTheirGrace: however the grace is changed between a month's end and the next time that its tenant is
// written, every period's statement stays as final as it was said to be, and so does what stands on it.
func TestStatementsKeepTheirGrace(t *testing.T) {
	t.Parallel()
	march := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC) // its end
	for name, graces := range map[string][2]time.Duration{"longer": {usual, long}, "shorter": {long, short}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, open func() rentroll.Store) {
				t.Helper()
				was, is := graces[0], graces[1]
				clock := noon // in March
				start := func(grace time.Duration) *rig {
					r := newRig(t, open(), rentroll.Options{StatementGrace: grace})
					r.clock.Set(clock)
					return r
				}
				record := func(r *rig, acme rentroll.TenantID, id string, at time.Time) {
					_, err := r.RecordUsage(t.Context(), rentroll.RecordUsageParams{TenantID: acme, UsageParams: rentroll.UsageParams{
						Meter: "pages", Amount: 5, EventID: id, Time: at,
					}})
					if err != nil {
						t.Fatal(err)
					}
				}
				statement := func(r *rig, acme rentroll.TenantID, period string) *rentroll.Statement {
					s, err := r.GetStatement(t.Context(), acme, period)
					if err != nil {
						t.Fatal(err)
					}
					return s
				}
				r := start(was)
				acme := r.tenant("acme", nil)
				record(r, acme, "one", noon)
				clock = march.Add(usual + 48*time.Hour)
				r.clock.Set(clock)
				first := statement(r, acme, "2026-03-01")
				if first.Final != (was == usual) || !first.FinalAt.Equal(march.Add(was)) || len(first.Lines) != 1 {
					t.Fatalf("the statement is %+v", first)
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}

				r = start(is)
				if again := statement(r, acme, "2026-03-01"); !reflect.DeepEqual(again, first) {
					t.Errorf("with another grace the statement is %+v, was %+v", again, first)
				}
				if april := statement(r, acme, "2026-04-01"); !april.FinalAt.Equal(april.End.Add(was)) {
					t.Errorf("a month that nobody has seen begin is final at %s", april.FinalAt)
				}
				record(r, acme, "two", noon.Add(time.Second)) // writes down that March is over
				again := statement(r, acme, "2026-03-01")
				if again.Final != first.Final || !again.FinalAt.Equal(first.FinalAt) {
					t.Errorf("written down, it is final at %s, was at %s", again.FinalAt, first.FinalAt)
				}
				if first.Final && !reflect.DeepEqual(again, first) {
					t.Errorf("a final statement is %+v, was %+v", again, first)
				}
				if !first.Final && again.Lines[0].Quantity != 10 {
					t.Errorf("what came in time is not on it: %+v", again)
				}
				april := statement(r, acme, "2026-04-01")
				if !april.FinalAt.Equal(april.End.Add(is)) || len(april.Adjustments) != 1 && first.Final {
					t.Errorf("the month that began under the new grace: %+v", april)
				}
				clock = april.End.Add(time.Minute)
				r.clock.Set(clock)
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				r = start(was) // and back
				if back := statement(r, acme, "2026-04-01"); !back.FinalAt.Equal(april.FinalAt) {
					t.Errorf("with the first grace again April is final at %s, was at %s", back.FinalAt, april.FinalAt)
				}
				list, err := r.ListStatements(t.Context(), acme)
				if err != nil || len(list) != 3 || !list[0].FinalAt.Equal(list[0].End.Add(is)) || !list[2].FinalAt.Equal(first.FinalAt) {
					t.Errorf("the list is %+v, %v", list, err)
				}
				r.checkRows(acme)
			})
		})
	}
}

// TestServersOfSeveralGraces: two servers of one database that know different graces say the same of every statement.
func TestServersOfSeveralGraces(t *testing.T) {
	t.Parallel()
	open := openServers(t)
	r := newRig(t, open(), rentroll.Options{StatementGrace: short})
	other := r.start(open(), rentroll.Options{StatementGrace: long})
	acme := r.tenant("acme", nil)
	said := map[string]time.Time{} // when a month that is over is final
	for month := range 4 {
		r.clock.Set(noon.AddDate(0, month, 0))
		before, err := other.ListStatements(t.Context(), acme)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range before[1:] {
			said[p.Period] = p.FinalAt
		}
		if month != 2 { // in which nobody writes
			if _, err := r.any().RecordUsage(t.Context(), rentroll.RecordUsageParams{TenantID: acme, UsageParams: rentroll.UsageParams{Meter: "pages", Amount: 1}}); err != nil {
				t.Fatal(err)
			}
		}
		one, err := r.ListStatements(t.Context(), acme)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := other.ListStatements(t.Context(), acme); err != nil || !reflect.DeepEqual(one, two) {
			t.Errorf("month %d: one says %+v, the other %+v, %v", month, one, two, err)
		}
		for _, p := range one[1:] {
			if !p.FinalAt.Equal(said[p.Period]) {
				t.Errorf("month %d: %s is final at %s, was at %s", month, p.Period, p.FinalAt, said[p.Period])
			}
		}
	}
}
