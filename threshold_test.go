package rentroll

import (
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// TestBandsAgreeWithTelling: while the comparisons of the hot path say that there is nothing to do, there is nothing, and
// where they say that there is, something is told or armed.
func TestBandsAgreeWithTelling(t *testing.T) {
	t.Parallel()
	soft := func(n int64) quota.Limit { return quota.Limit{Max: n, Mode: quota.Soft} }
	for _, limit := range []quota.Limit{quota.Of(0), quota.Of(1), quota.Of(3), quota.Of(10), soft(0), soft(1), soft(10), quota.NoLimit()} {
		for _, thresholds := range [][]int{nil, {}, {50}, {1, 80, 100, 150}, {200}} {
			plan := &Plan{Limits: quota.Limits{quota.RunsPerDay: limit, quota.ConcurrentRuns: limit}, Thresholds: thresholds}
			a := testAccount()
			for _, used := range []int64{0, 1, 2, 3, 5, 8, 9, 10, 11, 15, 20, 21, 12, 10, 9, 4, 0, 10} {
				a.RunsToday, a.ConcurrentRuns = used, used
				before := a.Marks
				quiet := a.watch(plan, noon).quiet(a)
				told := a.tell(plan, noon)
				if quiet != (len(told) == 0 && a.Marks == before) {
					t.Fatalf("limit %+v, thresholds %v, used %d, marks %v: quiet is %t, and %d were told", limit, thresholds, used, before, quiet, len(told))
				}
				if again := a.tell(plan, noon); len(again) != 0 {
					t.Fatalf("limit %+v, thresholds %v, used %d: told twice: %+v", limit, thresholds, used, again)
				}
			}
		}
	}
}

// TestThresholdsAreToldOnce follows one quota up, down and over the ends of its period.
func TestThresholdsAreToldOnce(t *testing.T) {
	t.Parallel()
	a := testAccount()
	plan := testPlan(quota.Limits{quota.RunsPerDay: quota.Of(10), quota.ConcurrentRuns: quota.Of(10), quota.Workers: quota.Of(10)})
	step := func(what string, used int64, want ...int) {
		t.Helper()
		a.RunsToday, a.ConcurrentRuns, a.Workers = used, used, used
		got := map[quota.Name][]int{}
		for _, p := range a.tell(plan, noon) {
			got[p.definition.Name] = append(got[p.definition.Name], p.percent)
		}
		for i, name := range []quota.Name{quota.RunsPerDay, quota.ConcurrentRuns, quota.Workers} {
			if len(got[name]) != want[i] {
				t.Errorf("%s: of %s told %v, want %d", what, name, got[name], want[i])
			}
		}
	}
	step("below", 7, 0, 0, 0)
	step("at 80 %", 8, 1, 1, 1)
	step("still there", 9, 0, 0, 0)
	step("at the limit", 10, 1, 1, 1)
	step("given up", 5, 0, 0, 0)
	step("taken again", 10, 2, 0, 2) // counters fall only where use is taken back
	plan = testPlan(quota.Limits{quota.RunsPerDay: quota.Of(20), quota.ConcurrentRuns: quota.Of(20), quota.Workers: quota.Of(20)})
	step("the limit raised", 10, 0, 0, 0)
	step("80 % of the new limit", 16, 1, 0, 1)
	a.roll(a.Day.End)
	step("the next day", 16, 1, 1, 0)
	a.Marks.begin(quota.Month)
	step("the next month", 16, 0, 0, 0)
}

func TestThresholdAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit   int64
		percent int
		want    int64
	}{{100, 80, 80}, {5, 80, 4}, {3, 80, 3}, {1, 1, 1}, {0, 100, 1}, {quota.MaxLimit, 200, 2 * quota.MaxLimit}} {
		if got := thresholdAt(c.limit, c.percent); got != c.want {
			t.Errorf("%d %% of %d is reached at %d, want %d", c.percent, c.limit, got, c.want)
		}
	}
}

func TestCheckThresholds(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]int{{0}, {201}, {-1}, {80, 80}, {100, 80}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}} {
		if checkThresholds(bad) == "" {
			t.Errorf("%v is taken", bad)
		}
	}
	for _, good := range [][]int{nil, {}, {100}, {1, 200}} {
		if message := checkThresholds(good); message != "" {
			t.Errorf("%v %s", good, message)
		}
	}
}

// BenchmarkQuiet is what thresholds cost a command of a tenant that has several in one batch.
func BenchmarkQuiet(b *testing.B) {
	a := testAccount()
	plan := builtinPlans()[0]
	w := a.watch(plan, noon)
	for b.Loop() {
		if !w.quiet(a) {
			b.Fatal("there is something to tell")
		}
	}
}

// BenchmarkWatch is what they cost the first command of a tenant in a batch.
func BenchmarkWatch(b *testing.B) {
	a := testAccount()
	plan := builtinPlans()[0]
	for b.Loop() {
		a.watch(plan, time.Time{})
	}
}
