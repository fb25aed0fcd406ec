package console

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// simulatePage asks what a plan would have denied, and shows the answer.
type simulatePage struct {
	Plan    string
	Plans   []*rentroll.Plan // to choose from; nil where limits are tried, or the visitor may not read plans
	Limits  url.Values       // the fields of limits that are tried instead of the plan's; nil for the plan's
	Tenant  string           // as it was typed, like what follows
	Range   string
	Start   string
	End     string
	Until   string               // an instant: what is looked at ends there, as an earlier answer did, and not now; "" for now
	Tenants []*rentroll.Standing // some, to choose from

	Edit, Change string // where limits that are tried are edited and saved; "" where they are not, or not by this visitor

	Failure   *failure
	Simulated *simulated // nil where nothing was asked, could not be answered, or is answered later

	Later string // the address of the answer, which takes a while; "" where it is here
	Wait  string // the address of this page with the answer, for who has no scripts
	Alone bool   // the answer is all that is wanted
}

// simulatedAtOnce is how many runs and events are replayed before a page is shown. Where there are more, the page comes without
// the answer, and fetches it.
const simulatedAtOnce = 2000

// simulateAt is the address of the page.
const simulateAt = root + "plans/simulate"

// Ranges are the choices of the field for the range.
func (p *simulatePage) Ranges() []choice {
	return []choice{{"30d", "Last 30 days"}, {"month", "This month"}, {"custom", "Chosen days"}}
}

// simulateTenants is how many tenants are suggested.
const simulateTenants = 50

func (v *visit) simulatePlan() (any, error) { return v.simulatePage(v.query("wait") != "", false) }

// answerSimulation is the part of the page that takes a while.
func (v *visit) answerSimulation() (any, error) { return v.simulatePage(true, true) }

// simulatePage makes the page, or the answer alone; with all of the answer, however long it takes, or with none that takes long.
func (v *visit) simulatePage(all, alone bool) (any, error) {
	if !v.simulates() {
		return nil, v.actorLacks(rentroll.PermQuotaRead)
	}
	fields := v.r.URL.Query()
	p := &simulatePage{
		Plan: strings.TrimSpace(fields.Get("name")), Tenant: strings.TrimSpace(fields.Get("tenant")),
		Range: fields.Get("range"), Start: fields.Get("start"), End: fields.Get("end"), Until: fields.Get("until"), Alone: alone,
	}
	if p.Range == "" {
		p.Range = "30d"
	}
	if p.Plan == "" {
		return nil, &rentroll.Error{Code: rentroll.CodeNotFound, Message: "there is no such plan"}
	}
	limits, err := v.triedLimits(p, fields)
	if err != nil {
		return nil, err
	}
	v.title = "Simulation of " + p.Plan
	if !alone {
		if err := v.simulateChoices(p); err != nil {
			return nil, err
		}
	}
	if p.Tenant == "" {
		return p, nil
	}
	most := simulatedAtOnce
	if all {
		most = 0
	}
	p.Simulated, err = v.simulate(p, limits, most)
	if err == nil && !all && !p.Simulated.Complete {
		p.Simulated, p.Later, p.Wait = nil, v.simulateQuery(simulateAt+"/answer", nil), v.simulateQuery(simulateAt, url.Values{"wait": {"1"}})
	}
	switch rentroll.CodeOf(err) {
	case rentroll.CodeNotFound, rentroll.CodeUnknownPlan, rentroll.CodeValidationFailed: // the form stays, to be corrected
		f := failureOf(err)
		f.Help = "Correct the form and simulate again."
		p.Failure, v.status = &f, f.Status
		return p, nil
	default:
		return p, err
	}
}

// triedLimits reads limits that are tried instead of the plan's; nil for the plan's.
func (v *visit) triedLimits(p *simulatePage, fields url.Values) (quota.Limits, error) {
	if !hasLimits(fields) {
		return nil, nil
	}
	limits, err := limitsOfForm(fields)
	if err != nil {
		return nil, err
	}
	p.Limits = limitFields(limits)
	if v.managesPlans() {
		p.Edit, p.Change = planAt("edit", p.Plan, p.Limits), planAt("change", p.Plan, p.Limits)
	}
	return limits, nil
}

// simulateChoices fills in what the form offers.
func (v *visit) simulateChoices(p *simulatePage) error {
	busiest, err := v.engine.ListStandings(v, rentroll.ListStandingsParams{
		Order: rentroll.StandingBusiest, Page: rentroll.Page{Limit: simulateTenants},
	})
	if err := allowed(err); err != nil {
		return err
	}
	if busiest != nil {
		p.Tenants = busiest.Items
	}
	if p.Limits != nil {
		return nil
	}
	plans, err := v.engine.ListPlans(v)
	if err := allowed(err); err != nil {
		return err
	}
	if slices.ContainsFunc(plans, func(plan *rentroll.Plan) bool { return plan.Name == p.Plan }) {
		p.Plans = plans
	} else if plans != nil {
		return &rentroll.Error{Code: rentroll.CodeNotFound, Message: "there is no such plan"}
	}
	return nil
}

// simulateQuery is an address with what this one asks, but for some fields, which are left out where they are nil.
func (v *visit) simulateQuery(at string, other url.Values) string {
	query := v.r.URL.Query()
	query.Del("wait")
	maps.Copy(query, other) // nil is written as nothing
	return at + "?" + query.Encode()
}

// planAt is the address of a page about the limits of a plan, with limits that it does not have.
func planAt(page, name string, limits url.Values) string {
	query := url.Values{"name": {name}}
	maps.Copy(query, limits)
	return root + "plans/" + page + "?" + query.Encode()
}

// simulate asks the engine, which looks at so many runs and events.
func (v *visit) simulate(p *simulatePage, limits quota.Limits, most int) (*simulated, error) {
	id, err := v.engine.ResolveTenant(v, p.Tenant)
	if err != nil {
		return nil, err
	}
	s := &simulated{Zone: time.UTC, TenantPath: root + "tenants/" + id.String(), Name: p.Tenant}
	anchor := 1
	t, err := v.engine.GetTenant(v, id)
	if err := allowed(err); err != nil {
		return nil, err
	}
	if t != nil {
		s.Name, s.TenantPath, anchor = t.Name, root+"tenants/"+t.Slug, t.BillingAnchorDay
		if s.Zone, err = quota.LoadZone(t.Timezone); err != nil {
			return nil, err
		}
	}
	params := rentroll.SimulatePlanParams{TenantID: id, Plan: p.Plan, Limits: limits, MaxRows: most}
	if params.Start, params.End, err = v.simulatedRange(p, s.Zone, anchor); err != nil {
		return nil, err
	}
	if s.Simulation, err = v.engine.SimulatePlan(v, params); err != nil {
		return nil, err
	}
	s.GoOn = v.goOn(s)
	if p.Until != "" {
		s.Again = v.simulateQuery(simulateAt, url.Values{"until": nil})
	}
	return s, v.enough(p, s, limits)
}

// simulatedRange is the range that was chosen, in days and months of the tenant. A zero end is now.
func (v *visit) simulatedRange(p *simulatePage, zone *time.Location, anchor int) (start, end time.Time, err error) {
	now := v.now
	if p.Until != "" {
		if now, err = time.Parse(time.RFC3339Nano, p.Until); err != nil || now.Year() < 1970 {
			return start, end, wrong("until", "must be an instant such as 2026-11-01T12:00:00Z")
		}
		end = now
	}
	switch p.Range {
	case "30d":
		today := quota.DayOf(now, zone)
		return quota.DayOf(today.Start.In(zone).AddDate(0, 0, 1-chartDays).Add(time.Hour), zone).Start, end, nil
	case "month":
		return quota.MonthOf(now, zone, anchor).Start, end, nil
	case "custom":
		if start, err = dayOfForm("start", p.Start, zone); err != nil {
			return start, end, err
		}
		if p.End == "" {
			return start, end, nil
		}
		last, err := dayOfForm("end", p.End, zone)
		if to := quota.DayOf(last, zone).End; end.IsZero() || to.Before(end) {
			end = to // with its last day
		}
		return start, end, err
	default:
		return start, end, wrong("range", "must be 30d, month or custom")
	}
}

// dayOfForm is when a day begins that was typed.
func dayOfForm(field, text string, zone *time.Location) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, text, time.UTC)
	if err != nil || day.Year() < 1970 || day.Year() > 9998 {
		return time.Time{}, wrong(field, "must be a day from 1970 on, such as 2026-11-01")
	}
	return quota.DayOf(time.Date(day.Year(), day.Month(), day.Day(), 12, 0, 0, 0, zone), zone).Start, nil
}

// goOn is the address of the rest of a range that was too much to look at; "" where nothing is left.
func (v *visit) goOn(s *simulated) string {
	if s.Complete {
		return ""
	}
	rest := url.Values{"range": {"custom"}, "start": {s.End.In(s.Zone).Format(time.DateOnly)}, "until": nil}
	if v.query("range") != "custom" {
		rest["end"] = nil
	}
	return v.simulateQuery(simulateAt, rest)
}

// enough fills in where limits that deny nothing are tried: those that were asked about, raised to what was needed. They are
// tried on the very same time: what is admitted meanwhile may need more.
func (v *visit) enough(p *simulatePage, s *simulated, limits quota.Limits) error {
	short := s.Short()
	if len(short) == 0 {
		return nil
	}
	if limits == nil {
		plan, err := v.plan(p.Plan)
		if errors.Is(err, rentroll.CodeForbidden) || plan == nil {
			return allowed(err)
		}
		limits = plan.Limits
	}
	raised := limits.Clone()
	for _, q := range short {
		if limit, ok := raised[q.Quota]; ok && !limit.Unlimited && limit.Max < q.Needed {
			limit.Max = q.Needed
			raised[q.Quota] = limit
		}
	}
	other := limitFields(raised)
	other.Set("until", s.End.UTC().Format(time.RFC3339Nano))
	s.Enough = v.simulateQuery(simulateAt, other)
	return nil
}
