package simtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/faultproxy"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/quota"
)

// The histories of the files pg_*_test.go are those of two servers on one PostgreSQL database: callers go to one server
// after the other, repeat idempotency keys and event ids on either, and what they were told must fit into one order of
// all calls, each between its beginning and its end, in which the model says the same. Some are played while connections
// are cut at commits: a call that was answered "unavailable" may then have happened or not.

// doing is one call of a client. What is made is named by the call that made it.
type doing struct {
	Ref    model.Ref
	Verb   string
	On     model.Ref // a run, key, tenant or user
	With   model.Ref // a key or user
	Name   string    // of a worker, plan, event, slug, role …
	Once   string    // the idempotency key
	Amount int64
}

// verb is something that can be done, on the model and on a server. A refusal is part of what is told.
type verb struct {
	play func(w *model.World, q doing) (told string, bad *model.Refusal)
	call func(ctx context.Context, c *callers, e *rentroll.Engine, q doing) (told string, err error)
}

// callers are clients of two servers who know of what each other has made.
type callers struct {
	*rig

	verbs map[string]verb
	next  func(c *callers, rng *rand.Rand, ref model.Ref) doing
	order order

	mu      sync.Mutex
	ids     map[model.Ref][16]byte
	made    map[string][]model.Ref // by the verb that made them
	history []porcupine.Operation
	unsure  int
}

// said is the text of an answer.
func said(told string, bad *model.Refusal) string {
	if bad != nil {
		return strings.TrimSpace(fmt.Sprintf("%s %s %d/%d", bad.Code, bad.Quota, bad.Current, bad.Limit))
	}
	return told
}

// id returns what a server calls something.
func (c *callers) id(ref model.Ref) [16]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[ref]
}

// makes takes note of what a call has made. What it has only repeated has another name.
func (c *callers) makes(q doing, id [16]byte, replayed bool) {
	if replayed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[q.Ref] = id
	c.made[q.Verb] = append(c.made[q.Verb], q.Ref)
}

// recent is one of the last things that a verb has made; 0 where there is none.
func (c *callers) recent(rng *rand.Rand, verb string, n int) model.Ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.made[verb]
	if len(all) == 0 {
		return 0
	}
	return all[max(0, len(all)-1-rng.IntN(n))]
}

// do makes a call and writes down what became of it.
func (c *callers) do(ctx context.Context, client int, q doing) {
	op := porcupine.Operation{ClientId: client, Input: q, Call: c.order.next()}
	told, err := c.verbs[q.Verb].call(ctx, c, c.any(), q)
	op.Return = c.order.next()
	unsure := rentroll.CodeOf(err) == rentroll.CodeUnavailable
	if unsure {
		op.Return = math.MaxInt64 // it may happen at any time, or never, which is the same as at the end
	} else {
		op.Output = said(told, refused(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, op)
	if unsure {
		c.unsure++
	}
}

// stage is a state of the model, with all by which two of them may differ.
type stage struct {
	world  *model.World
	done   map[string]model.Ref // the idempotency keys and event ids that are used
	digest string
}

func newStage(w *model.World, done map[string]model.Ref) stage {
	known := []any{w.Tenants(noon), w.Users(), done}
	for _, t := range w.Known() {
		use, _ := w.GetQuotas(0, noon, t)
		known = append(known, w.ListRuns(t, "", "", 0), use, w.ListKeys(t, noon, true), w.ListWorkers(t), w.ListMembers(t))
	}
	data, err := json.Marshal(known)
	if err != nil {
		panic("simtest: a view without a JSON form: " + err.Error())
	}
	return stage{w, done, string(data)}
}

// checker says what the model says.
func (c *callers) checker(first *model.World) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return newStage(first, nil) },
		Step: func(s, input, output any) (bool, any) {
			was, _ := s.(stage)
			q, _ := input.(doing)
			w := was.world.Clone()
			told, bad := c.verbs[q.Verb].play(w, q)
			if output != nil && said(told, bad) != output {
				return false, s
			}
			done := was.done
			if _, used := done[q.Verb+q.Once]; bad == nil && q.Once != "" && !used {
				done = maps.Clone(done)
				if done == nil {
					done = make(map[string]model.Ref)
				}
				done[q.Verb+q.Once] = q.Ref
			}
			return true, newStage(w, done)
		},
		Equal: func(a, b any) bool {
			x, _ := a.(stage)
			y, _ := b.(stage)
			return x.digest == y.digest
		},
	}
}

// play lets clients make calls at once, and looks for the order of what they were told.
func (c *callers) play(seed uint64, first *model.World, clients, calls int) {
	c.t.Helper()
	storm(clients, func(client int) (struct{}, error) {
		rng := rand.New(rand.NewPCG(seed, uint64(client)))
		for n := range calls {
			c.do(c.t.Context(), client, c.next(c, rng, model.Ref(100*(client+1)+n)))
		}
		return struct{}{}, nil
	})
	c.t.Logf("%d calls, %d of which nobody knows whether they happened", len(c.history), c.unsure)
	if verdict := porcupine.CheckOperationsTimeout(c.checker(first), c.history, time.Minute); verdict != porcupine.Ok {
		c.t.Errorf("seed %d: the history is not linearizable (%s):", seed, verdict)
		for _, op := range c.history {
			c.t.Errorf("%4d–%4d  client %d  %+v → %v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
		}
	}
}

// scissors cut the connections of two servers at some of their commits.
type scissors struct {
	seed    uint64
	commits atomic.Uint64
	left    atomic.Int64 // how often all connections of a server may still be cut, which leaves callers unsure
	proxies []*faultproxy.Proxy
}

// cutRig starts two servers, whose connections are not cut yet.
func cutRig(t *testing.T, seed uint64) (*rig, *scissors) {
	t.Helper()
	url, schema := pgtest.Database(t)
	s := &scissors{seed: seed}
	s.left.Store(2)
	open := func() rentroll.Store {
		proxy := faultproxy.New(t, url)
		s.proxies = append(s.proxies, proxy)
		store, err := postgres.Open(context.Background(), proxy.URL(), &postgres.Options{Schema: schema, Connections: 8})
		if err != nil {
			t.Fatalf("opening a store: %v", err)
		}
		return store
	}
	r := newRig(t, open(), rentroll.Options{})
	r.also = append(r.also, r.start(open(), rentroll.Options{}))
	return r, s
}

// begin starts to cut.
func (s *scissors) begin() {
	for _, proxy := range s.proxies {
		proxy.Watch(func(statement faultproxy.Statement) faultproxy.Fate {
			if !statement.Commits() {
				return faultproxy.Fate{}
			}
			switch rng := rand.New(rand.NewPCG(s.seed, s.commits.Add(1))); rng.IntN(10) {
			case 0:
				return faultproxy.Fate{End: faultproxy.CutBefore}
			case 1:
				return faultproxy.Fate{End: faultproxy.CutAfter}
			case 2:
				if s.left.Add(-1) >= 0 {
					proxy.Cut()
				}
			}
			return faultproxy.Fate{}
		})
	}
}

// end stops to cut, and checks that it was done.
func (s *scissors) end(t *testing.T, r *rig) {
	t.Helper()
	for _, proxy := range s.proxies {
		proxy.Watch(nil)
	}
	unknown := r.Metrics().UnknownCommits
	for _, e := range r.also {
		unknown += e.Metrics().UnknownCommits
	}
	if unknown == 0 {
		t.Error("no commit was cut")
	}
}

// onTwoServers plays histories, some of them with connections that are cut.
func onTwoServers(t *testing.T, prepare func(t *testing.T, r *rig) (*callers, *model.World)) {
	t.Helper()
	const clients, calls = 5, 20
	for i := range max(1, *historiesFlag/33) {
		seed := *seedFlag + uint64(i)
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			c, first := prepare(t, twoServers(t))
			c.play(seed, first, clients, calls)
			c.checkAll()
		})
		t.Run("cut,seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			r, s := cutRig(t, seed)
			c, first := prepare(t, r)
			s.begin()
			c.play(seed, first, clients, calls)
			s.end(t, r)
			c.checkAll()
		})
	}
}

// twoPlans are the plans of these histories.
var twoPlans = map[string]quota.Limits{
	"small": {
		quota.ConcurrentRuns: quota.Of(2), quota.TokensPerMonth: quota.Of(700), quota.APIKeys: quota.Of(2), quota.Workers: quota.Of(2),
	},
	"large": {
		quota.ConcurrentRuns: quota.Of(5), quota.TokensPerMonth: quota.Of(3000), quota.APIKeys: quota.Of(4), quota.Workers: quota.Of(3),
	},
}

// withPlans makes the plans, on the servers and in a new model.
func withPlans(t *testing.T, r *rig) *model.World {
	t.Helper()
	w := model.New()
	for name, limits := range twoPlans {
		if _, _, err := r.PutPlan(t.Context(), rentroll.PutPlanParams{Name: name, Limits: limits}); err != nil {
			t.Fatal(err)
		}
		if _, bad := w.PutPlan(0, noon, model.PlanView{Name: name, Limits: limits}); bad != nil {
			t.Fatal(bad.Code)
		}
	}
	for _, e := range append(r.also, r.Engine) { // an edit of a plan holds everywhere within a second
		until(t, "the plans on every server", func() bool {
			plans, err := e.ListPlans(t.Context())
			return err == nil && len(plans) == 3+len(twoPlans)
		})
	}
	return w
}

// newCallers are callers who have made nothing yet.
func newCallers(r *rig, verbs map[string]verb, next func(c *callers, rng *rand.Rand, ref model.Ref) doing) *callers {
	return &callers{rig: r, verbs: verbs, next: next, ids: map[model.Ref][16]byte{}, made: map[string][]model.Ref{}}
}

// checkAll checks the rows of all tenants.
func (c *callers) checkAll() {
	c.t.Helper()
	var tenants *rentroll.List[*rentroll.Tenant]
	answered := func(what string, ask func() error) (err error) {
		until(c.t, what, func() bool { // some connections may have been cut
			err = ask()
			return rentroll.CodeOf(err) != rentroll.CodeUnavailable
		})
		return err
	}
	err := answered("the list of tenants", func() (err error) {
		tenants, err = c.ListTenants(c.t.Context(), rentroll.ListTenantsParams{})
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, t := range tenants.Items {
		err := answered("the rows of "+t.Slug, func() error { return simtest.CheckRows(context.Background(), c.store, t.ID) })
		if err != nil {
			c.t.Errorf("tenant %s: %v", t.Slug, err)
		}
	}
}

// TestHistoriesOfTwoServersAreChecked: the checker sees what must not happen, and leaves open what nobody knows.
func TestHistoriesOfTwoServersAreChecked(t *testing.T) {
	t.Parallel()
	at := func(call, end int64, told any, q doing) porcupine.Operation {
		return porcupine.Operation{Input: q, Output: told, Call: call, Return: end}
	}
	tenant := func(ref model.Ref, once string) doing { return doing{Ref: ref, Verb: "tenant", Name: "a", Once: once} }
	const lost = math.MaxInt64
	for name, test := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"one slug for two": {[]porcupine.Operation{
			at(1, 2, "a again=false", tenant(1, "")), at(3, 4, "a again=false", tenant(2, "")),
		}, false},
		"one slug for one": {[]porcupine.Operation{
			at(1, 2, "a again=false", tenant(1, "")), at(3, 4, "already_exists  0/0", tenant(2, "")),
		}, true},
		"a lost call that happened": {[]porcupine.Operation{
			at(1, lost, nil, tenant(1, "")), at(3, 4, "already_exists  0/0", tenant(2, "")),
		}, true},
		"a lost call that did not": {[]porcupine.Operation{
			at(1, lost, nil, tenant(1, "")), at(3, 4, "a again=false", tenant(2, "")),
		}, true},
		"a lost call that is repeated": {[]porcupine.Operation{
			at(1, lost, nil, tenant(1, "x")), at(3, 4, "a again=true", tenant(2, "x")),
		}, true},
		"a repetition that makes another": {[]porcupine.Operation{
			at(1, 2, "a again=false", tenant(1, "x")), at(3, 4, "a again=false", tenant(2, "x")),
		}, false},
	} {
		c := &callers{verbs: peopleVerbs}
		w := model.New()
		if _, bad := w.PutPlan(0, noon, model.PlanView{Name: "small", Limits: twoPlans["small"]}); bad != nil {
			t.Fatal(bad.Code)
		}
		if got := porcupine.CheckOperations(c.checker(w), test.history); got != test.want {
			t.Errorf("%s: the checker says %t, want %t", name, got, test.want)
		}
	}
}
