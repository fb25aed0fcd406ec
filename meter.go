package rentroll

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Aggregation says what a meter's events come to.
type Aggregation string

// The aggregations.
const (
	AggregateSum   Aggregation = "sum"   // the sum of the amounts
	AggregateCount Aggregation = "count" // the number of events: each has the amount 1
	AggregateMax   Aggregation = "max"   // the largest amount; such meters take no corrections
)

// The bounds of a meter's definition.
const (
	MaxMeterDimensions = 3             // how many dimensions are kept from metadata
	MaxPricePer        = 1_000_000_000 // the most units that a price may be for
	dimensionOther     = "other"       // stands for the values beyond those that are told apart
	maxDimensionValue  = 200           // characters; a longer value is among the others
)

// Meter is what is set of a meter: in a tenant, or for the platform under PlatformID. What is absent is inherited, the
// tenant's from the platform's; Unit and Aggregation are fixed in a tenant by the meter's first event there.
type Meter struct {
	TenantID    TenantID
	Name        string
	Unit        string      // "" is not set
	Aggregation Aggregation // "" is not set
	Fixed       bool        // the tenant has events of it
	DisplayName NullString
	PriceMicros *int64 // for PricePer units; nil is not set
	PricePer    int64  // 0 where there is no price
	Dimensions  []string
	Use         MeterUse // for quotas on it

	Heavy      int64     // the large amounts recorded in HeavyMonth; bounds what can be recorded, and is of no use else
	HeavyMonth time.Time // a month of UTC; zero for none
}

// MeterPrice is a price of a meter from an instant on, for statements. A nil price is none of its own.
type MeterPrice struct {
	TenantID    TenantID
	Meter       string
	From        time.Time
	PriceMicros *int64
	PricePer    int64
}

// PriceRef names a price of a meter.
type PriceRef struct {
	TenantID TenantID
	Meter    string
	From     time.Time
}

// ValueRef names a value of a kept dimension in a month (of UTC), or, with the value "", how many of them there are.
type ValueRef struct {
	TenantID  TenantID
	Meter     string
	Dimension string
	Month     time.Time
	Value     string
}

// KeptValue is a value of a kept dimension that is told apart in a month. Known is how many there are, in the row of "".
type KeptValue struct {
	ValueRef
	Known int64
}

// MeterDefinition is what a meter is, with what is inherited filled in.
type MeterDefinition struct {
	TenantID    TenantID    `json:"tenant_id"` // zero for the platform's
	Meter       string      `json:"meter"`
	Unit        NullString  `json:"unit"` // "" until it is set or the first event fixes it
	Aggregation Aggregation `json:"aggregation"`
	DisplayName NullString  `json:"display_name"`
	PriceMicros *int64      `json:"price_micros"` // for price_per units; nil for none
	PricePer    int64       `json:"price_per"`
	Dimensions  []string    `json:"dimensions"` // kept from metadata
	HasEvents   bool        `json:"has_events"` // unit and aggregation are fixed
}

// definition joins what a tenant and the platform have set of a meter; both may be nil.
func definition(tenant TenantID, name string, own, platform *Meter) *MeterDefinition {
	d := &MeterDefinition{TenantID: tenant, Meter: name, Aggregation: AggregateSum, PricePer: 1, Dimensions: []string{}}
	for _, m := range []*Meter{platform, own} {
		if m == nil {
			continue
		}
		if m.Unit != "" {
			d.Unit = NullString(m.Unit)
		}
		if m.Aggregation != "" {
			d.Aggregation = m.Aggregation
		}
		if m.DisplayName != "" {
			d.DisplayName = m.DisplayName
		}
		if m.PriceMicros != nil {
			d.PriceMicros, d.PricePer = m.PriceMicros, max(m.PricePer, 1)
		}
		if m.Dimensions != nil {
			d.Dimensions = m.Dimensions
		}
	}
	d.HasEvents = own != nil && own.Fixed
	if unit, builtin := builtinUnit(name); builtin {
		d.Unit, d.Aggregation, d.HasEvents = NullString(unit), AggregateSum, true
	}
	return d
}

// definition returns the definition of a meter in a tenant, both of whose rows have been loaded.
func (b *Batch) definition(tenant TenantID, name string) *MeterDefinition {
	return definition(tenant, name, b.Meters.Get(MeterRef{tenant, name}), b.Meters.Get(MeterRef{PlatformID, name}))
}

// wantMeter names the rows of a meter's definition.
func wantMeter(b *Batch, tenant TenantID, name string) {
	b.Meters.Want(MeterRef{tenant, name})
	b.Meters.Want(MeterRef{PlatformID, name})
}

// ListMeters lists the meters of a tenant by name: those that it has events of, and those that are defined. It needs
// usage:read.
func (e *Engine) ListMeters(ctx context.Context, tenant TenantID) ([]*MeterDefinition, error) {
	if err := e.may(tenant, PermUsageRead); err != nil {
		return nil, err
	}
	var out []*MeterDefinition
	err := e.viewTenant(ctx, tenant, func(r Reader, _ *Account) error {
		all, err := metersOf(ctx, r, tenant)
		out = slices.SortedFunc(maps.Values(all), func(a, b *MeterDefinition) int { return strings.Compare(a.Meter, b.Meter) })
		return err
	})
	return out, err
}

// metersOf reads the definitions of all meters that a tenant may have.
func metersOf(ctx context.Context, r Reader, tenant TenantID) (map[string]*MeterDefinition, error) {
	own, err := r.ListMeters(ctx, tenant)
	if err != nil {
		return nil, err
	}
	platform, err := r.ListMeters(ctx, PlatformID)
	if err != nil {
		return nil, err
	}
	type pair struct{ own, platform *Meter }
	pairs := map[string]pair{MeterTokensUsed: {}, MeterWorkerRuns: {}}
	for _, m := range platform {
		pairs[m.Name] = pair{platform: m}
	}
	for _, m := range own {
		pairs[m.Name] = pair{m, pairs[m.Name].platform}
	}
	out := make(map[string]*MeterDefinition, len(pairs))
	for name, p := range pairs {
		out[name] = definition(tenant, name, p.own, p.platform)
	}
	return out, nil
}

// GetMeter reads the definition of a meter in a tenant. One that is neither defined nor used is CodeNotFound. It needs
// usage:read.
func (e *Engine) GetMeter(ctx context.Context, tenant TenantID, name string) (*MeterDefinition, error) {
	all, err := e.ListMeters(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Meter == name {
			return d, nil
		}
	}
	return nil, notFound("meter")
}

// ListPlatformMeters lists the meters that are defined for all tenants, by name. It needs an operator.
func (e *Engine) ListPlatformMeters(ctx context.Context) ([]*MeterDefinition, error) {
	if err := e.actor.mayOperate(PermPlanRead); err != nil {
		return nil, err
	}
	out := []*MeterDefinition{}
	err := e.view(ctx, func(r Reader) error {
		rows, err := r.ListMeters(ctx, PlatformID)
		for _, m := range rows {
			out = append(out, definition(TenantID{}, m.Name, nil, m))
		}
		return err
	})
	return out, err
}

// PutMeterParams sets what a meter is. What is absent is inherited or, on the platform, not set.
type PutMeterParams struct {
	TenantID    TenantID // zero is all tenants, the platform
	Meter       string
	Unit        string      // 1–50 characters
	Aggregation Aggregation // what the tenant's events fixed can't be changed
	DisplayName string      // 1–255 characters
	PriceMicros *int64      // for PricePer units: 0–10^12 millionths of the currency unit
	PricePer    int64       // 1–10^9; 0 is 1
	Dimensions  []string    // up to 3 members of metadata, ^[a-z][a-z0-9_]{0,49}$; empty is none, nil inherited
}

func (p *PutMeterParams) check() error {
	var bad problems
	bad.add("meter", checkMeter(p.Meter))
	if p.Unit != "" {
		bad.add("unit", checkText(p.Unit, 1, 50))
	}
	switch p.Aggregation {
	case "", AggregateSum, AggregateCount, AggregateMax:
	default:
		bad.add("aggregation", "must be sum, count or max")
	}
	if p.DisplayName != "" {
		bad.add("display_name", checkText(p.DisplayName, 1, 255))
	}
	if p.PriceMicros != nil {
		bad.amount("price_micros", *p.PriceMicros)
		if p.PricePer != 0 {
			bad.between("price_per", p.PricePer, 1, MaxPricePer)
		}
	} else if p.PricePer != 0 {
		bad.add("price_per", "must not be given without a price")
	}
	if len(p.Dimensions) > MaxMeterDimensions {
		bad.add("dimensions", fmt.Sprintf("must be at most %d", MaxMeterDimensions))
	} else {
		for i, d := range p.Dimensions {
			field := fmt.Sprintf("dimensions[%d]", i)
			bad.add(field, checkDimension(d))
			if slices.Contains(p.Dimensions[:i], d) {
				bad.add(field, "is in the list twice")
			}
		}
	}
	return bad.err()
}

// checkDimension says what is wrong with the name of a kept dimension.
func checkDimension(name string) string {
	const message = "must be 1 to 50 lower-case letters, digits and underscores, beginning with a letter, and not worker or key"
	if len(name) == 0 || len(name) > 50 || name == GroupByWorker || name == GroupByKey || name[0] < 'a' || name[0] > 'z' {
		return message
	}
	for _, c := range []byte(name) {
		if !isLowerOrDigit(c) && c != '_' {
			return message
		}
	}
	return ""
}

// PutMeter sets what a meter is, in one tenant or for all, whole: what is not given is not set any more. A new price
// counts in statements from the next period on; the first one a meter gets, from the present period on. Unit and
// aggregation of a meter that the tenant has events of can't be changed: CodeUnitMismatch, CodeValidationFailed. It needs
// an operator.
func (e *Engine) PutMeter(ctx context.Context, p PutMeterParams) (*MeterDefinition, error) {
	if err := e.actor.mayOperate(PermPlanManage); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	where := p.TenantID
	if where.IsZero() {
		where = PlatformID
	}
	p.Dimensions = slices.Clone(p.Dimensions)
	c := &putMeter{header: header{tenant: where, by: e.actor, size: 2048}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

type putMeter struct {
	header
	p      PutMeterParams
	answer *MeterDefinition
}

func (c *putMeter) wants(b *Batch) { wantMeter(b, c.tenant, c.p.Meter) }

// next returns the row that is asked for.
func (c *putMeter) next(was *Meter) (*Meter, error) {
	m := &Meter{
		TenantID: c.tenant, Name: c.p.Meter, Unit: c.p.Unit, Aggregation: c.p.Aggregation, DisplayName: NullString(c.p.DisplayName),
		PriceMicros: c.p.PriceMicros, Dimensions: c.p.Dimensions,
	}
	if m.PriceMicros != nil {
		m.PricePer = max(c.p.PricePer, 1)
	}
	unit, aggregation, fixed := "", AggregateSum, false
	if was != nil {
		m.Heavy, m.HeavyMonth = was.Heavy, was.HeavyMonth
	}
	if was != nil && was.Fixed {
		m.Fixed, fixed = true, true
		m.Use = was.Use
		unit, aggregation = was.Unit, was.Aggregation
	}
	if builtin, is := builtinUnit(c.p.Meter); is {
		unit, fixed = builtin, true
	}
	if !fixed {
		return m, nil
	}
	if m.Unit != "" && m.Unit != unit {
		return nil, &Error{
			Code: CodeUnitMismatch, Message: "the meter's unit is fixed",
			Fields: []FieldError{{"unit", fmt.Sprintf("must be %q as before", unit)}},
		}
	}
	if m.Aggregation != "" && m.Aggregation != aggregation {
		return nil, problems{{"aggregation", fmt.Sprintf("must be %q as before: the meter has events", aggregation)}}.err()
	}
	m.Unit, m.Aggregation = unit, aggregation
	return m, nil
}

// object is what reads show of the meter before the change; nil where they find none.
func (c *putMeter) object(l *ledger) (any, error) {
	if _, _, err := l.account(c.tenant); err != nil {
		return nil, err
	}
	own, platform := l.Meters.Get(MeterRef{c.tenant, c.p.Meter}), l.Meters.Get(MeterRef{PlatformID, c.p.Meter})
	if c.tenant == PlatformID {
		if platform == nil {
			return nil, nil
		}
		return definition(TenantID{}, c.p.Meter, nil, platform), nil
	}
	if _, builtin := builtinUnit(c.p.Meter); own == nil && platform == nil && !builtin {
		return nil, nil
	}
	return definition(c.tenant, c.p.Meter, own, platform), nil
}

func (c *putMeter) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	ref := MeterRef{c.tenant, c.p.Meter}
	was := l.Meters.Get(ref)
	next, err := c.next(was)
	if err != nil {
		return err
	}
	price := PriceRef{c.tenant, c.p.Meter, now}
	if !l.Prices.Knows(price) {
		l.Prices.Want(price)
		return errMore
	}
	before := &Meter{}
	if was != nil {
		before = was
	}
	owner := c.tenant
	if owner == PlatformID {
		owner = TenantID{}
	}
	answer := func() *MeterDefinition {
		if c.tenant == PlatformID {
			return definition(owner, c.p.Meter, nil, next)
		}
		return definition(owner, c.p.Meter, next, l.Meters.Get(MeterRef{PlatformID, c.p.Meter}))
	}
	c.answer = answer()
	if was != nil && sameMeter(was, next) {
		return nil
	}
	l.touch(a, now)
	l.Meters.Put(ref, next)
	if !sameInt(before.PriceMicros, next.PriceMicros) || before.PricePer != next.PricePer {
		l.Prices.Put(price, &MeterPrice{
			TenantID: c.tenant, Meter: c.p.Meter, From: now, PriceMicros: next.PriceMicros, PricePer: next.PricePer,
		})
	}
	entry := change{action: "meter.put", kind: "meter", id: c.p.Meter, new: meterChange(next)}
	if was != nil {
		entry.old = meterChange(was)
	}
	l.audit(a, c.by, now, entry)
	return nil
}

// meterChange is what the audit shows of a meter.
func meterChange(m *Meter) any {
	return struct {
		Unit        string      `json:"unit"`
		Aggregation Aggregation `json:"aggregation"`
		DisplayName NullString  `json:"display_name"`
		PriceMicros *int64      `json:"price_micros"`
		PricePer    int64       `json:"price_per"`
		Dimensions  []string    `json:"dimensions"`
	}{m.Unit, m.Aggregation, m.DisplayName, m.PriceMicros, m.PricePer, m.Dimensions}
}

func sameInt(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

func sameMeter(a, b *Meter) bool {
	return a.Unit == b.Unit && a.Aggregation == b.Aggregation && a.Fixed == b.Fixed && a.DisplayName == b.DisplayName &&
		sameInt(a.PriceMicros, b.PriceMicros) && a.PricePer == b.PricePer && slices.Equal(a.Dimensions, b.Dimensions) &&
		(a.Dimensions == nil) == (b.Dimensions == nil)
}

// keep returns the values that an event has in the dimensions that its meter keeps: "" where it has none, and "other"
// for those beyond the bound. With errMore it has named what it needs to know.
func (l *ledger) keep(tenant TenantID, in *UsageParams, dimensions []string, at time.Time) (map[string]string, error) {
	if len(dimensions) == 0 {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if len(in.Metadata) > 0 {
		_ = json.Unmarshal(in.Metadata, &members) // it was checked to be an object
	}
	kept := make(map[string]string, len(dimensions))
	var missing error
	for _, d := range dimensions {
		value := dimensionValue(members[d])
		kept[d] = value
		if value == "" || value == dimensionOther {
			continue
		}
		ref := l.valueRef(tenant, in.Meter, d, at, value)
		counter := ref
		counter.Value = ""
		for _, r := range []ValueRef{ref, counter} {
			if !l.Values.Knows(r) {
				l.Values.Want(r)
				missing = errMore
			}
		}
	}
	return kept, missing
}

func (l *ledger) valueRef(tenant TenantID, meter, dimension string, at time.Time, value string) ValueRef {
	y, m, _ := at.UTC().Date()
	return ValueRef{tenant, meter, dimension, time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), value}
}

// tell makes the values of an event ones that are told apart, or "other" where their month has enough of them.
func (l *ledger) tell(tenant TenantID, meter string, kept map[string]string, at time.Time) {
	for _, d := range slices.Sorted(maps.Keys(kept)) {
		value := kept[d]
		if value == "" || value == dimensionOther {
			continue
		}
		ref := l.valueRef(tenant, meter, d, at, value)
		if l.Values.Get(ref) != nil {
			continue
		}
		counter := ref
		counter.Value = ""
		known := &KeptValue{ValueRef: counter}
		if was := l.Values.Get(counter); was != nil {
			known.Known = was.Known
		}
		if known.Known >= int64(l.values) {
			kept[d] = dimensionOther
			continue
		}
		known.Known++
		l.Values.Put(counter, known)
		l.Values.Put(ref, &KeptValue{ValueRef: ref})
	}
}

// dimensionValue returns the value of a member of metadata: text as it is, numbers and truth as JSON writes them, and
// "" for what is absent or no single value.
func dimensionValue(raw json.RawMessage) string {
	raw = json.RawMessage(strings.TrimSpace(string(raw)))
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return ""
		}
		if checkText(text, 0, maxDimensionValue) != "" {
			return dimensionOther
		}
		return text
	case '{', '[', 'n':
		return ""
	default:
		if len(raw) > maxDimensionValue {
			return dimensionOther
		}
		return string(raw)
	}
}
