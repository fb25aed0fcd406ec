package rentroll

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// history is what a replay is fed with.
type history struct {
	account *Account
	from    time.Time
	to      time.Time
	runs    []*Run
	events  []*UsageEvent
}

var simulatedStart = time.Date(2026, 10, 20, 5, 0, 0, 0, time.UTC)

// randomHistory makes runs around the range, with what they used.
func randomHistory(rng *rand.Rand, n int) *history {
	h := &history{
		account: &Account{TenantID: TenantID{7}, Timezone: "Europe/Berlin", AnchorDay: 1 + rng.IntN(28)},
		from:    simulatedStart, to: simulatedStart.Add(20 * 24 * time.Hour),
	}
	at := simulatedStart.Add(-5 * 24 * time.Hour)
	for i := range n {
		at = at.Add(time.Duration(rng.Int64N(int64(50*24*time.Hour) / int64(n)))).Truncate(time.Microsecond)
		run := &Run{
			ID: RunID{1, byte(i >> 8), byte(i)}, TenantID: h.account.TenantID, WorkerID: fmt.Sprintf("w%d", rng.IntN(5)), CreatedAt: at,
			ReservedTokens: rng.Int64N(3) * 50, LeaseExpiresAt: at.Add(time.Duration(rng.Int64N(int64(72 * time.Hour)))),
		}
		h.runs = append(h.runs, run)
		if rng.IntN(8) > 0 {
			end := at.Add(time.Duration(rng.Int64N(int64(48 * time.Hour))))
			run.CompletedAt = &end
			h.use(MeterTokensUsed, run, rng.Int64N(200), end, end, "")
			h.use(MeterWorkerRuns, run, 1, end, end, fmt.Sprintf(`{"success":true,"cost_micros":%d}`, rng.Int64N(30)))
		}
		if rng.IntN(4) == 0 { // something else, of now, of long ago, or of a clock that runs ahead
			h.use(MeterTokensUsed, nil, rng.Int64N(300), at.Add(time.Duration(rng.Int64N(int64(UsageAhead)))-time.Duration(rng.IntN(3))*9*24*time.Hour), at, "")
		}
		if rng.IntN(20) == 0 {
			h.use(MeterWorkerRuns, nil, 1, at, at, "")
		}
	}
	return h
}

func (h *history) use(meter string, run *Run, amount int64, at, recorded time.Time, metadata string) {
	ev := &UsageEvent{Meter: meter, Amount: amount, Time: at, RecordedAt: recorded, Metadata: json.RawMessage(metadata)}
	if run != nil {
		ev.RunID = run.ID
	}
	h.events = append(h.events, ev)
}

// simulate replays a history under a plan.
func (h *history) simulate(limits quota.Limits) *Simulation {
	r := newReplay(&Plan{Name: "other", Limits: limits}, h.account, h.from, h.to)
	for _, ev := range h.events {
		r.expect(ev)
	}
	for _, run := range inOrder(slices.Clone(h.runs)) {
		if run.CreatedAt.Before(h.to) {
			r.run(run)
		}
	}
	r.settle(h.to)
	return r.finish()
}

// naive decides the same, slowly: for each run it counts anew all that came before it.
func (h *history) naive(limits quota.Limits) (denied map[RunID]quota.Name, needed map[quota.Name]int64) {
	zone, _ := time.LoadLocation(h.account.Timezone)
	denied, needed = map[RunID]quota.Name{}, map[quota.Name]int64{}
	for i, run := range h.runs {
		now := run.CreatedAt
		if now.Before(h.from) || !now.Before(h.to) {
			continue
		}
		stand := func(counts func(RunID) bool) map[quota.Name]int64 {
			use := map[quota.Name]int64{}
			workers := map[string]bool{}
			day, month := quota.DayOf(now, zone), quota.MonthOf(now, zone, h.account.AnchorDay)
			for _, other := range h.runs[:i] {
				if !counts(other.ID) {
					continue
				}
				workers[other.WorkerID] = true
				if day.Contains(other.CreatedAt) {
					use[quota.RunsPerDay]++
				}
				if over := !other.LeaseExpiresAt.After(now); !over && (other.CompletedAt == nil || other.CompletedAt.After(now)) {
					use[quota.ConcurrentRuns]++
					use[quota.TokensPerMonth] += other.ReservedTokens
				}
			}
			for _, ev := range h.events {
				if !ev.RecordedAt.Before(now) || !ev.RunID.IsZero() && !counts(ev.RunID) {
					continue
				}
				var told struct {
					Cost int64 `json:"cost_micros"`
				}
				_ = json.Unmarshal(ev.Metadata, &told) // most have none
				switch {
				case ev.Meter == MeterTokensUsed && month.Contains(ev.Time):
					use[quota.TokensPerMonth] += ev.Amount
				case ev.Meter == MeterWorkerRuns && month.Contains(ev.Time):
					use[quota.SpendPerMonth] += told.Cost
				}
				if ev.Meter == MeterWorkerRuns && ev.RunID.IsZero() && day.Contains(ev.RecordedAt) {
					use[quota.RunsPerDay]++
				}
			}
			use[quota.Workers] = int64(len(workers))
			if workers[run.WorkerID] {
				use["known"] = 1
			}
			return use
		}
		ask := func(name quota.Name, use map[quota.Name]int64) int64 {
			switch {
			case name == quota.TokensPerMonth:
				return max(run.ReservedTokens, 1)
			case name == quota.Workers && use["known"] == 1:
				return 0
			default:
				return 1
			}
		}
		order := []quota.Name{quota.Workers, quota.RunsPerDay, quota.ConcurrentRuns, quota.TokensPerMonth, quota.SpendPerMonth}
		was := stand(func(RunID) bool { return true })
		would := stand(func(id RunID) bool { return denied[id] == "" })
		for _, name := range order {
			needed[name] = max(needed[name], was[name]+ask(name, was))
			limit, limited := limits[name]
			if n := ask(name, would); limited && n > 0 && would[name]+n > limit.Max && denied[run.ID] == "" {
				denied[run.ID] = name
			}
		}
	}
	return denied, needed
}

// TestSimulateAgainstNaive compares the replay with the slow count, under limits of all sizes.
func TestSimulateAgainstNaive(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := randomHistory(rng, 150)
		limits := quota.Limits{}
		for name, most := range map[quota.Name]int64{
			quota.Workers: 5, quota.RunsPerDay: 8, quota.ConcurrentRuns: 9, quota.TokensPerMonth: 9000, quota.SpendPerMonth: 900,
		} {
			if rng.IntN(2) == 0 {
				limits[name] = quota.Of(rng.Int64N(most + 1))
			}
		}
		got := h.simulate(limits)
		denied, needed := h.naive(limits)
		by := map[quota.Name]int64{}
		for _, name := range denied {
			by[name]++
		}
		for _, q := range got.Quotas {
			if q.Denied != by[q.Quota] || q.Needed != needed[q.Quota] {
				t.Errorf("seed %d: %s denies %d and needs %d, want %d and %d", seed, q.Quota, q.Denied, q.Needed, by[q.Quota], needed[q.Quota])
			}
		}
		if got.Denied != int64(len(denied)) {
			t.Errorf("seed %d: %d are denied, want %d", seed, got.Denied, len(denied))
		}
		for _, d := range got.Sample {
			if denied[d.RunID] != d.Quota {
				t.Errorf("seed %d: %v is denied by %s, want %s", seed, d.RunID, d.Quota, denied[d.RunID])
			}
		}
		h.check(t, seed, got)
	}
}

// check looks whether the parts of an answer fit together.
func (h *history) check(t *testing.T, seed uint64, got *Simulation) {
	t.Helper()
	var runs, denied int64
	by := map[quota.Name]int64{}
	end := h.from
	for _, d := range got.Days {
		runs, denied = runs+d.Runs, denied+d.Denied
		for name, n := range d.DeniedBy {
			by[name] += n
		}
		if !d.Start.Equal(end) {
			t.Errorf("seed %d: a day begins at %s, and the one before ends at %s", seed, d.Start, end)
		}
		end = d.End
	}
	if runs != got.Runs || denied != got.Denied || !end.Equal(h.to) || len(got.Sample) != int(min(got.Denied, MaxSimulatedSample)) {
		t.Errorf("seed %d: %d runs, %d denied until %s, want %d, %d and %s", seed, runs, denied, end, got.Runs, got.Denied, h.to)
	}
	for _, q := range got.Quotas {
		if q.Denied != by[q.Quota] || (q.Denied > 0) != (q.First != nil) {
			t.Errorf("seed %d: %+v", seed, q)
		}
	}
}

// TestSimulateWhatIsNeeded: a plan with just what is said to be needed denies nothing, and one with less denies something.
func TestSimulateWhatIsNeeded(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		h := randomHistory(rand.New(rand.NewPCG(seed, 2)), 200)
		enough := quota.Limits{}
		for _, q := range h.simulate(nil).Quotas {
			enough[q.Quota] = quota.Of(q.Needed)
		}
		if got := h.simulate(enough); got.Denied != 0 || got.Runs == 0 {
			t.Errorf("seed %d: %d of %d are denied by what is enough", seed, got.Denied, got.Runs)
		}
		for name, limit := range enough {
			less := maps.Clone(enough)
			less[name] = quota.Of(limit.Max - 1)
			if got := h.simulate(less); got.Denied == 0 && name != quota.Workers {
				t.Errorf("seed %d: nothing is denied by less than enough of %s", seed, name)
			}
			less[name] = quota.Limit{Max: limit.Max - 1, Mode: quota.Soft}
			if got := h.simulate(less); got.Denied != 0 {
				t.Errorf("seed %d: a soft limit denies", seed)
			}
		}
	}
}
