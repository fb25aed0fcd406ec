package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

// The tenants, and what limits them. The first moves between the plans small and large all the time, the second is
// suspended now and then, the third is soon at the end of its day.
var tenants = []client.CreateTenantParams{
	{Name: "Moved", Slug: "moved", Plan: "small"},
	{Name: "Suspended", Slug: "suspended", Plan: "large"},
	{Name: "Limited", Slug: "limited", Plan: "large", LimitOverrides: quota.Limits{quota.RunsPerDay: quota.Of(150)}},
	{Name: "Free", Slug: "free", Plan: "huge"},
}

var plans = map[string]quota.Limits{
	"small": {quota.ConcurrentRuns: quota.Of(3), quota.APIKeys: quota.Of(2), quota.RunsPerDay: quota.Of(100_000)},
	"large": {quota.ConcurrentRuns: quota.Of(8), quota.APIKeys: quota.Of(5), quota.RunsPerDay: quota.Of(100_000)},
	"huge":  {},
}

// work is the callers, and what they were told.
type work struct {
	*platform

	stop    chan struct{}
	callers sync.WaitGroup

	mu     sync.Mutex
	ids    map[string]rentroll.TenantID // by slug
	jobs   []*job
	keys   []*apiKey
	events map[string]*event
	told   map[string]int   // how calls ended, by operation and code
	wrong  map[string]error // those that must not
}

// job is a run, from its admission to its end. Its key is its task and its idempotency key.
type job struct {
	tenant, key string
	as          string // the secret of an API key; "" is the operator's
	reserve     int64

	run     *rentroll.Run // nil until it is answered
	refused rentroll.Code // for good
	unsure  bool          // a call was not answered before it was refused, and may have happened all the same
	lease   time.Duration // 0 is the server's
	ends    string        // "complete", also when the run may be over its lease; "cancel"; "" for a run that is left open
	tokens  int64         // of the completion, or of the heartbeat that was answered
	unheard int64         // of a heartbeat that was not answered before it was refused
	ended   bool
}

// apiKey is a key that was made.
type apiKey struct {
	tenant string
	id     rentroll.KeyID
	secret string // "" where the answer that showed it was lost
	gone   bool
}

// event is a usage event.
type event struct {
	tenant string
	amount int64
}

// found makes the plans and tenants.
func found(p *platform) *work {
	p.t.Helper()
	w := &work{
		platform: p, stop: make(chan struct{}), ids: make(map[string]rentroll.TenantID), events: make(map[string]*event),
		told: make(map[string]int), wrong: make(map[string]error),
	}
	c := p.servers[0].client(operatorKey)
	for name, limits := range plans {
		if _, err := c.PutPlan(p.t.Context(), rentroll.Plan{Name: name, Limits: limits}); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, params := range tenants {
		t, err := c.CreateTenant(p.t.Context(), params)
		if err != nil {
			p.t.Fatal(err)
		}
		w.ids[params.Slug] = t.ID
	}
	for _, s := range p.servers { // an edit of a plan holds everywhere within a second
		p.until("the plans on every server", func() bool {
			all, err := s.client(operatorKey).ListPlans(p.t.Context())
			return err == nil && len(all) == 3+len(plans)
		})
	}
	return w
}

// begin lets callers work until end.
func (w *work) begin(seed uint64, callers int) {
	for i := range callers {
		w.callers.Go(func() {
			c := &caller{work: w, name: fmt.Sprintf("%d", i), rng: rand.New(rand.NewPCG(seed, uint64(100+i)))}
			for n := 0; !w.over(0); n++ {
				c.n = n
				switch lot := c.rng.IntN(20); {
				case lot < 14:
					c.runs()
				case lot < 19:
					c.uses()
				default:
					c.makesKey()
				}
			}
		})
	}
	w.callers.Go(func() {
		c := &caller{work: w, name: "operator", rng: rand.New(rand.NewPCG(seed, 99))}
		for ; !w.over(time.Duration(20+c.rng.IntN(80)) * time.Millisecond); c.n++ {
			c.operates()
		}
	})
}

// over waits a while for the end of the work, and says whether it has come.
func (w *work) over(wait time.Duration) bool {
	select {
	case <-w.stop:
		return true
	default:
	}
	select {
	case <-w.stop:
		return true
	case <-time.After(wait):
		return false
	}
}

// end lets the callers finish what they are at.
func (w *work) end() {
	close(w.stop)
	w.callers.Wait()
}

// caller does one thing after the other.
type caller struct {
	*work

	name string
	rng  *rand.Rand
	n    int
}

// patience is for how long a caller asks until it is answered. It must never be needed.
const patience = 60 * time.Second

// ask makes a call, of one server after the other, until it is answered. It says whether a call before the one that was
// answered was not, and so may have happened.
func (c *caller) ask(operation, key string, call func(ctx context.Context, s *client.Client) error) (unsure bool, err error) {
	if key == "" {
		key = operatorKey
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), patience)
	defer cancel()
	for {
		err := call(ctx, c.servers[c.rng.IntN(len(c.servers))].client(key))
		code := rentroll.CodeOf(err)
		if answer := new(client.Error); errors.As(err, &answer) {
			code = answer.Code
		}
		c.note(operation, code, err)
		if code != rentroll.CodeUnavailable && code != rentroll.CodeOverloaded && code != rentroll.CodeInternal {
			return unsure, err
		}
		unsure = true
		select {
		case <-time.After(time.Duration(10+c.rng.IntN(60)) * time.Millisecond):
		case <-ctx.Done():
			return unsure, fmt.Errorf("%s was not answered in %s: %w", operation, patience, err)
		}
	}
}

// refusals are the answers that callers must expect; everything else is somebody's fault.
var refusals = map[rentroll.Code]bool{
	"": true, rentroll.CodeUnavailable: true, rentroll.CodeOverloaded: true, rentroll.CodeQuotaExceeded: true,
	rentroll.CodeTenantSuspended: true, rentroll.CodeInvalidTransition: true, rentroll.CodeUnauthenticated: true,
	rentroll.CodeRunAlreadyEnded: true, // which is for onRun to judge
}

func (c *caller) note(operation string, code rentroll.Code, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told[operation+" "+string(code)]++
	revoked := operation == "create" && code == rentroll.CodeForbidden // after the key was let in
	if !refusals[code] && !revoked {
		c.wrong[operation+" "+string(code)] = err
	}
}

// fails notes that a call which had to be answered well was not.
func (c *caller) fails(operation string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong[operation] = err
}

func (c *caller) slug() string { return tenants[c.rng.IntN(len(tenants))].Slug }

// runs asks for a run and brings it to an end, or leaves it open.
func (c *caller) runs() {
	j := &job{
		tenant: c.slug(), key: fmt.Sprintf("run-%s-%d", c.name, c.n), reserve: c.rng.Int64N(20),
		ends: []string{"complete", "complete", "complete", "complete", "cancel", ""}[c.rng.IntN(6)],
	}
	if k := c.someKey(); k != nil {
		j.tenant, j.as = k.tenant, k.secret
	}
	if c.rng.IntN(8) != 0 && j.ends == "" {
		j.ends = "complete" // few are left open, or nobody else had a place
	}
	late := c.rng.IntN(30) == 0
	if late || j.ends == "" && c.rng.IntN(2) == 0 {
		j.lease = time.Second
	}
	c.mu.Lock()
	c.jobs = append(c.jobs, j)
	c.mu.Unlock()
	var err error
	j.unsure, err = c.ask("create", j.as, func(ctx context.Context, s *client.Client) (err error) {
		j.run, err = s.CreateRun(ctx, j.tenant, client.CreateRunParams{
			WorkerID: "builder", Task: j.key, ReserveTokens: j.reserve, Lease: j.lease, IdempotencyKey: j.key,
		})
		return err
	})
	if err != nil {
		j.run, j.refused = nil, codeOf(err)
		return
	}
	if c.rng.IntN(2) == 0 {
		c.onRun(j, "start", func(ctx context.Context, s *client.Client) error {
			_, err := s.StartRun(ctx, j.tenant, j.run.ID)
			return err
		})
	}
	if c.rng.IntN(3) == 0 {
		tokens := 1 + c.rng.Int64N(9)
		heard, unsure := c.onRun(j, "heartbeat", func(ctx context.Context, s *client.Client) error {
			_, err := s.Heartbeat(ctx, j.tenant, j.run.ID, client.HeartbeatParams{TokensSoFar: tokens})
			return err
		})
		switch {
		case heard:
			j.tokens = tokens
		case unsure:
			j.unheard = tokens
		}
	}
	if late {
		c.over(1200 * time.Millisecond)
	}
	c.finish(j)
}

// finish brings a run to the end that its job says.
func (c *caller) finish(j *job) {
	switch j.ends {
	case "complete":
		j.tokens = 10 + c.rng.Int64N(30)
		j.ended, _ = c.onRun(j, j.ends, func(ctx context.Context, s *client.Client) error {
			_, err := s.CompleteRun(ctx, j.tenant, j.run.ID, client.CompleteRunParams{Success: true, TotalTokens: j.tokens})
			return err
		})
	case "cancel":
		j.ended, _ = c.onRun(j, j.ends, func(ctx context.Context, s *client.Client) error {
			_, err := s.CancelRun(ctx, j.tenant, j.run.ID)
			return err
		})
	}
}

// onRun does something to a run that must succeed in the end, as the operator: its key may be revoked meanwhile. But
// nothing is started for a tenant that is suspended, and a run that is over its lease may have crashed. It says whether it
// succeeded, and if not, whether it may have all the same.
func (c *caller) onRun(j *job, operation string, call func(ctx context.Context, s *client.Client) error) (done, unsure bool) {
	unsure, err := c.ask(operation, "", call)
	code := codeOf(err)
	suspended := operation == "start" && code == rentroll.CodeTenantSuspended
	crashed := operation != "complete" && j.lease > 0 && code == rentroll.CodeRunAlreadyEnded
	if err != nil && !suspended && !crashed {
		c.fails(fmt.Sprintf("%s of %s", operation, j.key), err)
	}
	return err == nil, unsure
}

func codeOf(err error) rentroll.Code {
	if answer := new(client.Error); errors.As(err, &answer) {
		return answer.Code
	}
	return rentroll.CodeOf(err)
}

// someKey is a key that was made, mostly one that is still good, or nil.
func (c *caller) someKey() *apiKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.keys
	if c.rng.IntN(10) != 0 {
		known = c.living()
	}
	if len(known) == 0 || c.rng.IntN(3) != 0 {
		return nil
	}
	if k := known[c.rng.IntN(len(known))]; k.secret != "" {
		return k
	}
	return nil
}

// living returns the keys that are not revoked, as far as anybody was told.
func (w *work) living() (living []*apiKey) {
	for _, k := range w.keys {
		if !k.gone {
			living = append(living, k)
		}
	}
	return living
}

// uses records events, some of which were recorded before.
func (c *caller) uses() {
	slug := c.slug()
	p := client.RecordUsageParams{IdempotencyKey: fmt.Sprintf("usage-%s-%d", c.name, c.n)}
	for i := range 1 + c.rng.IntN(5) {
		n := c.n
		if c.rng.IntN(4) == 0 {
			n = c.rng.IntN(c.n + 1)
		}
		id := fmt.Sprintf("event-%s-%s-%d-%d", c.name, slug, n, i)
		p.Events = append(p.Events, client.UsageParams{Meter: "pages", Amount: int64(1 + n%7), EventID: id})
	}
	var receipt *rentroll.UsageReceipt
	_, err := c.ask("usage", "", func(ctx context.Context, s *client.Client) (err error) {
		receipt, err = s.RecordUsage(ctx, slug, p)
		return err
	})
	if err != nil {
		c.fails("usage", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, item := range receipt.Items {
		if item.Status != rentroll.UsageRecorded && item.Status != rentroll.UsageDuplicate {
			c.wrong["usage "+string(item.Status)] = fmt.Errorf("event %s: %s", p.Events[i].EventID, item.Code)
		}
		c.events[p.Events[i].EventID] = &event{slug, p.Events[i].Amount}
	}
}

// makesKey makes a key, or revokes one.
func (c *caller) makesKey() {
	c.mu.Lock()
	var old *apiKey
	if living := c.living(); len(living) > 6 || len(living) > 0 && c.rng.IntN(3) == 0 {
		old = living[c.rng.IntN(len(living))]
	}
	c.mu.Unlock()
	if old != nil {
		_, err := c.ask("revoke", "", func(ctx context.Context, s *client.Client) error {
			_, err := s.RevokeAPIKey(ctx, old.tenant, old.id, "chaos")
			return err
		})
		if err != nil {
			c.fails("revoke", err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		old.gone = true
		return
	}
	k := &apiKey{tenant: c.slug()}
	name := fmt.Sprintf("key-%s-%d", c.name, c.n)
	_, err := c.ask("key", "", func(ctx context.Context, s *client.Client) error {
		made, err := s.CreateAPIKey(ctx, k.tenant, client.CreateAPIKeyParams{Name: name, MaxConcurrentRuns: new(int64(2)), IdempotencyKey: name})
		if err == nil {
			k.id, k.secret = made.APIKey.ID, string(made.Secret)
		}
		return err
	})
	if err != nil {
		return // refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, k)
}

// operates moves the first tenant between plans, and suspends the second for a moment.
func (c *caller) operates() {
	if c.n%2 == 0 {
		plan := []string{"small", "large"}[c.n/2%2]
		if _, err := c.ask("move", "", func(ctx context.Context, s *client.Client) error {
			_, err := s.UpdatePlan(ctx, tenants[0].Slug, plan)
			return err
		}); err != nil {
			c.fails("move", err)
		}
		return
	}
	for _, step := range []struct {
		name string
		call func(c *client.Client, ctx context.Context, tenant, reason string) (*rentroll.Tenant, error)
	}{{"suspend", (*client.Client).Suspend}, {"resume", (*client.Client).Resume}} {
		_, err := c.ask(step.name, "", func(ctx context.Context, s *client.Client) error {
			_, err := step.call(s, ctx, tenants[1].Slug, "chaos")
			return err
		})
		if err != nil && codeOf(err) != rentroll.CodeInvalidTransition { // a call that was not answered has done it
			c.fails(step.name, err)
		}
		c.over(30 * time.Millisecond)
	}
}
