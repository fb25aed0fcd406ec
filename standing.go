package rentroll

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Standing is a tenant with how it stands against its limits.
type Standing struct {
	Tenant  *Tenant    `json:"tenant"`
	Quotas  []QuotaUse `json:"quotas"`
	Nearest NullString `json:"nearest"` // the quota of whose limit most is taken; null where nothing is limited
	Percent int64      `json:"percent"` // how much of that limit is taken, rounded down; above 100 where a plan was lowered
}

// StandingOrder is how a list of standings is sorted.
type StandingOrder string

// The orders of standings.
const (
	StandingNewest  StandingOrder = "newest"  // as ListTenants does
	StandingNearest StandingOrder = "nearest" // who is nearest to a limit first
	StandingBusiest StandingOrder = "busiest" // who has most runs of the present day first
)

// ListStandingsParams filters and pages standings.
type ListStandingsParams struct {
	Status TenantStatus  // "" for all
	Plan   string        // "" for all
	Query  string        // part of the name, the slug or the external id, in any case; or an id; "" for all
	Order  StandingOrder // "" is StandingNewest
	// AtLeast leaves out who has taken less of a limit, in percent. It goes with StandingNearest only.
	AtLeast int64
	Page
}

// standingsAge is how old the orders nearest and busiest may be.
const standingsAge = 10 * time.Second

// standingsMost is how many tenants that a query finds are put into such an order: the newest ones.
const standingsMost = 1000

// ListStandings lists tenants with how they stand against their limits. It needs an operator with tenant:read. What is told
// of each tenant is true now; the orders nearest and busiest are at most ten seconds old, because they are those of all
// tenants, and no admission keeps them up to date.
func (e *Engine) ListStandings(ctx context.Context, p ListStandingsParams) (*List[*Standing], error) {
	if err := e.actor.mayOperate(PermTenantRead); err != nil {
		return nil, err
	}
	f, w, err := p.parse()
	if err != nil {
		return nil, err
	}
	if id, err := ParseTenantID(p.Query); err == nil {
		return e.standingOf(ctx, id, f)
	}
	if p.Order != StandingNewest {
		return e.listRanked(ctx, p.Order, f, w)
	}
	if w.after != nil {
		f.Before = w.after.id
	}
	f.Limit = w.limit + 1
	out := &List[*Standing]{Items: []*Standing{}}
	err = e.view(ctx, func(r Reader) error {
		rows, err := r.ListTenants(ctx, f)
		if err != nil {
			return err
		}
		if len(rows) > w.limit {
			rows = rows[:w.limit]
			out.NextCursor = NullString(encodeCursor(w.scope, rung{id: rows[w.limit-1].Profile.TenantID}.position()))
		}
		return e.appendStandings(ctx, r, out, rows)
	})
	return out, err
}

// parse checks what is asked for.
func (p *ListStandingsParams) parse() (f TenantFilter, w window, err error) {
	var bad problems
	f = tenantFilter(p.Status, p.Plan, p.Query, &bad)
	bad.between("at_least", p.AtLeast, 0, 1000)
	switch p.Order {
	case "", StandingNewest:
		p.Order = StandingNewest
		fallthrough
	case StandingBusiest:
		if p.AtLeast > 0 {
			bad.add("at_least", "goes with the order nearest only")
		}
	case StandingNearest:
	default:
		bad.add("order", "must be newest, nearest or busiest")
	}
	w.scope = cursorScope("standings", string(p.Status), p.Plan, f.Search, string(p.Order), fmt.Sprint(p.AtLeast))
	w.limit, w.atLeast = pageSize(p.Page, &bad), p.AtLeast
	if p.Cursor != "" {
		if position, ok := decodeCursor(w.scope, p.Cursor); ok && len(position) == rungSize {
			w.after = new(rungAt(position))
		} else {
			bad.add("cursor", "is not a cursor of this list")
		}
	}
	return f, w, bad.err()
}

// tenantFilter is what lists of tenants are filtered by.
func tenantFilter(status TenantStatus, plan, query string, bad *problems) TenantFilter {
	switch status {
	case "", TenantActive, TenantSuspended, TenantTerminated, TenantArchived:
	default:
		bad.add("status", "must be active, suspended, terminated or archived")
	}
	bad.add("plan", checkText(plan, 0, maxPlanName))
	bad.add("q", checkText(query, 0, 255))
	return TenantFilter{Status: status, Plan: plan, Search: searchText(query)}
}

// standingOf lists the one tenant of an id, or none.
func (e *Engine) standingOf(ctx context.Context, id TenantID, f TenantFilter) (*List[*Standing], error) {
	out := &List[*Standing]{Items: []*Standing{}}
	err := e.view(ctx, func(r Reader) error {
		rows, err := tenantNamed(ctx, r, id, f)
		if err != nil {
			return err
		}
		return e.appendStandings(ctx, r, out, rows)
	})
	return out, err
}

// tenantNamed lists the tenant of an id, which no search finds, where the rest of a filter lets it through.
func tenantNamed(ctx context.Context, r Reader, id TenantID, f TenantFilter) ([]TenantRow, error) {
	rows, err := loadTenants(ctx, r, []TenantID{id})
	return slices.DeleteFunc(rows, func(row TenantRow) bool {
		return f.Status != "" && row.Account.Status != f.Status || f.Plan != "" && row.Account.Plan != f.Plan
	}), err
}

// loadTenants reads tenants; those that are gone are left out.
func loadTenants(ctx context.Context, r Reader, ids []TenantID) ([]TenantRow, error) {
	b := &Batch{}
	for _, id := range ids {
		b.Accounts.Want(id)
		b.Profiles.Want(id)
	}
	if err := r.Load(ctx, b); err != nil {
		return nil, err
	}
	var rows []TenantRow
	for _, id := range ids {
		if p, a := b.Profiles.Get(id), b.Accounts.Get(id); p != nil && a != nil {
			rows = append(rows, TenantRow{p, a})
		}
	}
	return rows, nil
}

func (e *Engine) appendStandings(ctx context.Context, r Reader, out *List[*Standing], rows []TenantRow) error {
	accounts := make([]*Account, len(rows))
	for i, row := range rows {
		accounts[i] = row.Account
	}
	live, onMeters, err := e.liveMeters(ctx, r, accounts, false)
	if err != nil {
		return err
	}
	for i, row := range rows {
		a, plan, now := &live[i].account, live[i].plan, live[i].now
		s := &Standing{Tenant: tenantOf(row.Profile, a, plan, now)}
		for _, d := range quota.Definitions() {
			if d.Span != quota.Rate {
				s.Quotas = append(s.Quotas, quotaUse(a, plan, d.Name, now))
			}
		}
		s.Quotas = append(s.Quotas, onMeters[i]...)
		nearest, permille := a.nearest(plan, onMeters[i], now)
		s.Nearest, s.Percent = NullString(nearest), permille/10
		out.Items = append(out.Items, s)
	}
	return nil
}

// liveAccount is an account as it counts now.
type liveAccount struct {
	account Account
	plan    *Plan
	now     time.Time
}

// liveMeters brings accounts to now and returns, of each, how it stands against its quotas on meters: with two readings for
// all of them, or one where that may be rough, and leave out meters whose counters are not kept yet.
func (e *Engine) liveMeters(ctx context.Context, r Reader, accounts []*Account, rough bool) ([]liveAccount, [][]QuotaUse, error) {
	live, limits, uses := make([]liveAccount, len(accounts)), make([]metered, len(accounts)), make([][]QuotaUse, len(accounts))
	b := &Batch{}
	for i, stored := range accounts {
		plan, err := e.planOf(ctx, r, stored)
		if err != nil {
			return nil, nil, err
		}
		live[i] = liveAccount{*stored, plan, stored.clock(e.now())}
		a := &live[i].account
		a.roll(live[i].now)
		limits[i] = a.metered(plan, live[i].now)
		b.wantMetered(a, limits[i])
	}
	for b.Unloaded() {
		if err := r.Load(ctx, b); err != nil {
			return nil, nil, err
		}
		for i := range accounts {
			uses[i], _ = b.meterUses(&live[i].account, limits[i], rough)
		}
	}
	return live, uses, nil
}

// nearest returns the quota of whose limit most is taken, and how much of it, in thousandths. "" is none: nothing is
// limited. A limit of zero is no limit to be near to.
func (a *Account) nearest(plan *Plan, onMeters []QuotaUse, now time.Time) (name quota.Name, permille int64) {
	closer := func(quota quota.Name, taken, limit int64) {
		share := int64(min(float64(taken)/float64(limit)*1000, 1<<30))
		if name == "" || share > permille {
			name, permille = quota, share
		}
	}
	for _, d := range quota.Definitions() {
		limit := quota.Effective(plan.limits(), a.Overrides, d.Name, now)
		if d.Span == quota.Rate || limit.Unlimited || limit.Max == 0 {
			continue
		}
		used, reserved, _ := a.use(d.Name)
		closer(d.Name, used+reserved, limit.Max)
	}
	for _, u := range onMeters {
		if *u.Limit > 0 {
			closer(u.Quota, u.Used, *u.Limit)
		}
	}
	return name, permille
}

// rung is a tenant's place in an order, highest rank first.
type rung struct {
	rank   int64 // what is compared: thousandths of the nearest limit, or runs
	id     TenantID
	status TenantStatus
	plan   string
}

const rungSize = 8 + 16

func (n rung) position() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n.rank)), n.id[:]...)
}

func rungAt(position []byte) rung {
	return rung{rank: int64(binary.BigEndian.Uint64(position)), id: TenantID(position[8:])}
}

// compare orders the highest rank first.
func (n rung) compare(other rung) int {
	return cmp.Or(cmp.Compare(other.rank, n.rank), n.id.Compare(other.id))
}

// standings keeps the orders of all tenants, as long as somebody asks for it. Safe for concurrent use.
type standings struct {
	mu    sync.Mutex
	order orders    // never changed once it is here; nil before
	at    time.Time // of the process
	took  time.Duration
	next  *reading // under way; nil where none is
	shut  bool
}

// standingDue is the order of tenants with open runs by when the first of them may be over its lease, the earliest first.
const standingDue StandingOrder = "due"

// orders has all tenants in each order that is made of their accounts.
type orders map[StandingOrder][]rung

// reading is the making of orders.
type reading struct {
	done  chan struct{}
	order orders
	err   error
}

// ranked returns the orders, at most standingsAge old. What will soon be that old is made anew beside: so nobody who keeps
// asking has to wait.
func (e *Engine) ranked(ctx context.Context) (orders, error) {
	s := &e.core.standings
	s.mu.Lock()
	age := systemClock().Sub(s.at)
	kept := s.order
	fresh := kept != nil && age < standingsAge
	if s.shut {
		s.mu.Unlock()
		return nil, errorf(CodeUnavailable, "the engine is closed")
	}
	if s.next == nil && (!fresh || age >= standingsAge-s.ahead()) {
		s.next = &reading{done: make(chan struct{})}
		e.core.background.Go(e.readStandings)
	}
	next := s.next
	s.mu.Unlock()
	if fresh {
		return kept, nil
	}
	select {
	case <-next.done:
		return next.order, next.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ahead is how long before they are due the orders are made anew: with time to spare, by how long it took.
func (s *standings) ahead() time.Duration { return min(max(3*s.took, standingsAge/4), standingsAge/2) }

// close lets nobody begin another reading.
func (s *standings) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
}

// standingsPage is how many accounts are read at once.
const standingsPage = 5000

// readStandings makes the orders.
func (e *Engine) readStandings() {
	ctx, cancel := context.WithTimeout(context.Background(), laneTimeout)
	defer cancel()
	began := systemClock()
	order := orders{StandingNearest: {}, StandingBusiest: {}}
	after := PlatformID // which is in front of all tenants
	var err error
	for more := true; more && err == nil; {
		err = e.view(ctx, func(r Reader) error {
			accounts, err := r.ListAccounts(ctx, after, standingsPage)
			more = len(accounts) == standingsPage
			if err != nil {
				return err
			}
			live, onMeters, err := e.liveMeters(ctx, r, accounts, true)
			for i := range live {
				a := &live[i].account
				_, permille := a.nearest(live[i].plan, onMeters[i], live[i].now)
				order[StandingNearest] = append(order[StandingNearest], rung{permille, a.TenantID, a.Status, a.Plan})
				order[StandingBusiest] = append(order[StandingBusiest], rung{a.RunsToday, a.TenantID, a.Status, a.Plan})
				if !a.NextLeaseExpiry.IsZero() {
					order[standingDue] = append(order[standingDue], rung{-a.NextLeaseExpiry.UnixMicro(), a.TenantID, a.Status, a.Plan})
				}
				after = a.TenantID
			}
			return err
		})
	}
	for _, list := range order {
		slices.SortFunc(list, rung.compare)
	}
	s := &e.core.standings
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next.order, s.next.err = order, err
	if err == nil {
		s.order, s.at, s.took = order, began, systemClock().Sub(began)
	}
	close(s.next.done)
	s.next = nil
}

// listRanked lists tenants in an order of their accounts.
func (e *Engine) listRanked(ctx context.Context, by StandingOrder, f TenantFilter, w window) (*List[*Standing], error) {
	all, err := e.ranked(ctx)
	if err != nil {
		return nil, err
	}
	order := all[by]
	out := &List[*Standing]{Items: []*Standing{}}
	err = e.view(ctx, func(r Reader) error {
		keep := func(n rung) bool {
			return (f.Status == "" || n.status == f.Status) && (f.Plan == "" || n.plan == f.Plan)
		}
		if f.Search != "" {
			f.Limit = standingsMost
			rows, err := r.ListTenants(ctx, f)
			if err != nil {
				return err
			}
			order, keep = ranksOf(rows, order), func(rung) bool { return true }
		}
		ids, last, more := w.choose(order, keep)
		if more {
			out.NextCursor = NullString(encodeCursor(w.scope, last.position()))
		}
		rows, err := loadTenants(ctx, r, ids)
		if err != nil {
			return err
		}
		return e.appendStandings(ctx, r, out, rows)
	})
	return out, err
}

// ranksOf picks tenants out of an order. Those that are newer than the order are behind all that have taken something.
func ranksOf(rows []TenantRow, order []rung) []rung {
	found := make(map[TenantID]bool, len(rows))
	for _, row := range rows {
		found[row.Profile.TenantID] = true
	}
	out := make([]rung, 0, len(rows))
	for _, n := range order {
		if found[n.id] {
			out = append(out, n)
			delete(found, n.id)
		}
	}
	for id := range found {
		out = append(out, rung{id: id})
	}
	slices.SortFunc(out, rung.compare)
	return out
}

// window is the part of an order that is asked for.
type window struct {
	scope   string
	after   *rung // nil at the beginning
	limit   int
	atLeast int64 // percent
}

// choose picks the tenants of a page, and says whether there are more behind the last one.
func (w window) choose(order []rung, keep func(rung) bool) (ids []TenantID, last rung, more bool) {
	if w.after != nil {
		from, here := slices.BinarySearchFunc(order, *w.after, rung.compare)
		if here {
			from++
		}
		order = order[from:]
	}
	for _, n := range order {
		switch {
		case n.rank < w.atLeast*10:
			return ids, last, false
		case !keep(n):
		case len(ids) == w.limit:
			return ids, last, true
		default:
			ids, last = append(ids, n.id), n
		}
	}
	return ids, last, false
}
