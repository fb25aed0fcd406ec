package rentroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	maxUsageMetadata = 16 << 10
	defaultUnit      = "count"
	tokensUnit       = "tokens"

	fewEvents = 16 // up to so many of one call are written like any other command, more in bulk
)

// RecordUsage records one event. It needs usage:write. An event that is refused is an error here: unit_mismatch,
// event_too_old, event_id_conflict or validation_failed.
func (e *Engine) RecordUsage(ctx context.Context, p RecordUsageParams) (*UsageResult, error) {
	receipt, err := e.recordUsage(ctx, RecordUsageBatchParams{
		TenantID: p.TenantID, Events: []UsageParams{p.UsageParams}, IdempotencyKey: p.IdempotencyKey,
	}, true)
	if err != nil {
		return nil, err
	}
	item := receipt.Items[0]
	if item.Status == UsageRejected { // in an earlier batch of this one event, under the same idempotency key
		return nil, refusedEvent(item)
	}
	item.Replayed = receipt.Replayed
	return &item, nil
}

// RecordUsageBatch records up to MaxUsageBatch events. Each is answered for itself, in order: recorded, duplicate or
// rejected with its reason, and the good ones are stored, all in one transaction. It needs usage:write.
func (e *Engine) RecordUsageBatch(ctx context.Context, p RecordUsageBatchParams) (*UsageReceipt, error) {
	return e.recordUsage(ctx, p, false)
}

// recordUsage records events. Where one event is all that was asked for, its refusal is an error, and like every error
// leaves no idempotency record behind.
func (e *Engine) recordUsage(ctx context.Context, p RecordUsageBatchParams, single bool) (*UsageReceipt, error) {
	if err := e.may(p.TenantID, PermUsageWrite); err != nil {
		return nil, err
	}
	if n := len(p.Events); n == 0 || n > MaxUsageBatch {
		return nil, problems{{"events", fmt.Sprintf("must be 1 to %d events", MaxUsageBatch)}}.err()
	}
	if slices.ContainsFunc(p.Events, func(in UsageParams) bool { return in.Corrects != "" }) {
		if err := e.may(p.TenantID, PermUsageCorrect); err != nil {
			return nil, err
		}
	}
	p.Events = slices.Clone(p.Events)
	for i := range p.Events {
		p.Events[i].Time = plausible(p.Events[i].Time)
	}
	once, err := p.once()
	if err != nil {
		return nil, err
	}
	c := &recordUsage{header: header{tenant: p.TenantID, by: e.actor, once: once, rows: len(p.Events), bulk: len(p.Events) > fewEvents}, single: single}
	c.items = make([]usageItem, 0, len(p.Events))
	for i := range p.Events {
		in, bad := e.usageItem(p.Events[i])
		c.items = append(c.items, usageItem{UsageParams: in, bad: bad, fingerprint: usageFingerprint(in)})
		c.size += rowOverhead + len(in.Metadata)
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	if once != nil && once.replayed {
		return rebuildReceipt(p.Events, once.result)
	}
	return &c.answer, nil
}

// once makes the call idempotent, where it has a key. Without one nothing is made of the events to compare: of those with
// metadata that is as much work as all the rest.
func (p *RecordUsageBatchParams) once() (*once, error) {
	if p.IdempotencyKey == "" {
		return nil, nil
	}
	same := slices.Clone(p.Events)
	for i := range same {
		same[i].Metadata = canonicalJSON(same[i].Metadata)
	}
	return newOnce(p.TenantID, "usage.record", p.IdempotencyKey, same)
}

// plausible moves a time outside of the years that JSON can hold into them. Such an event is refused all the same.
func plausible(t time.Time) time.Time {
	switch y := t.UTC().Year(); {
	case t.IsZero():
		return t
	case y < 1970:
		return time.Unix(0, 0).UTC()
	case y > 9999:
		return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	default:
		return t
	}
}

// usageItem checks one event and fills in what the caller's identity says.
func (e *Engine) usageItem(in UsageParams) (UsageParams, problems) {
	var bad problems
	bad.add("meter", checkMeter(in.Meter))
	if in.Meter == MeterWorkerRuns {
		bad.add("meter", "is written by completions only")
	}
	if in.Corrects == "" {
		bad.amount("amount", in.Amount)
	} else {
		in.checkCorrection(&bad)
	}
	if in.Unit != "" {
		bad.add("unit", checkText(in.Unit, 1, 50))
	}
	if in.WorkerID != "" {
		bad.add("worker_id", checkWorkerID(in.WorkerID))
	}
	if in.EventID != "" {
		bad.add("event_id", checkText(in.EventID, 1, 255))
	}
	if string(in.Metadata) == "null" || len(in.Metadata) == 0 {
		in.Metadata = nil
	} else if message := checkJSON(in.Metadata, maxUsageMetadata); message != "" {
		bad.add("metadata", message)
	} else if strings.TrimLeft(string(in.Metadata), " \t\r\n")[0] != '{' {
		bad.add("metadata", "must be a JSON object")
	}
	if e.actor.Kind == ActorAPIKey && in.Corrects == "" {
		if !in.APIKeyID.IsZero() && in.APIKeyID != e.actor.APIKeyID {
			bad.add("api_key_id", "must be the calling key")
		}
		in.APIKeyID = e.actor.APIKeyID
	}
	e.actor.own(&bad, in.APIKeyID, nil)
	in.Metadata = slices.Clone(in.Metadata) // the caller may give up waiting and use its buffer again
	if !in.Time.IsZero() {
		in.Time = stamp(in.Time)
	}
	return in, bad
}

// usageFingerprint identifies an event's content: what the caller said of it, its id excepted.
func usageFingerprint(p UsageParams) [32]byte {
	if p.EventID == "" {
		return [32]byte{}
	}
	p.EventID, p.Metadata = "", canonicalJSON(p.Metadata)
	return fingerprint(p)
}

// unknownContent is the fingerprint in marks that were made anew after they had been lost; see remember.
var unknownContent [32]byte

// The letters by which an idempotency record remembers what became of each event of a batch.
const receiptLetters = "rdvuoc"

var receiptCodes = [...]NullString{
	"", "", NullString(CodeValidationFailed), NullString(CodeUnitMismatch), NullString(CodeEventTooOld), NullString(CodeEventIDConflict),
}

func rebuildReceipt(events []UsageParams, letters string) (*UsageReceipt, error) {
	out := &UsageReceipt{Replayed: true}
	if len(letters) != len(events) {
		return nil, errors.New("rentroll: an idempotency record does not fit its parameters")
	}
	for i, letter := range letters {
		item := UsageResult{EventID: NullString(events[i].EventID), Status: UsageRejected}
		switch at := strings.IndexRune(receiptLetters, letter); at {
		case 0:
			item.Status = UsageRecorded
		case 1:
			item.Status = UsageDuplicate
		default:
			item.Code = receiptCodes[max(at, 0)]
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

func receiptLetter(item UsageResult) byte {
	switch item.Status {
	case UsageRecorded:
		return receiptLetters[0]
	case UsageDuplicate:
		return receiptLetters[1]
	case UsageRejected:
	}
	for i, code := range receiptCodes {
		if i > 1 && code == item.Code {
			return receiptLetters[i]
		}
	}
	return receiptLetters[2]
}

type usageItem struct {
	UsageParams
	bad         problems
	fingerprint [32]byte
	kept        map[string]string // the values of kept dimensions that it has
}

type recordUsage struct {
	header
	single    bool
	items     []usageItem
	limits    metered       // on the tenant's meters
	corrected []*UsageEvent // the corrections that were recorded
	answer    UsageReceipt
}

func (c *recordUsage) wants(b *Batch) {
	for _, in := range c.items {
		if len(in.bad) > 0 {
			continue
		}
		if in.Corrects != "" {
			b.Marks.Want(MarkRef{c.tenant, in.Corrects})
		}
		wantMeter(b, c.tenant, in.Meter)
		if in.Meter == MeterTokensUsed && !in.APIKeyID.IsZero() {
			b.Keys.Want(KeyRef{c.tenant, in.APIKeyID})
		}
		if in.EventID != "" {
			b.Marks.Want(MarkRef{c.tenant, in.EventID})
		}
	}
}

func (c *recordUsage) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	if err := a.records(now); err != nil {
		return err
	}
	plan, err := l.plan(a.Plan)
	if err != nil {
		return err
	}
	c.limits = a.metered(plan, now)
	if err := c.load(l, a, now); err != nil {
		return err
	}
	c.corrected = nil
	c.answer = UsageReceipt{Items: make([]UsageResult, 0, len(c.items))}
	letters := make([]byte, 0, len(c.items))
	for _, in := range c.items {
		item := c.one(l, a, in, now)
		if c.single && item.Status == UsageRejected {
			return refusedEvent(item)
		}
		c.answer.Items = append(c.answer.Items, item)
		letters = append(letters, receiptLetter(item))
	}
	c.auditCorrections(l, a, now)
	if c.once != nil {
		c.once.result = string(letters)
	}
	return nil
}

// load names what the decision needs of keys, of kept dimensions and of what is corrected, before anything is written.
func (c *recordUsage) load(l *ledger, a *Account, now time.Time) error {
	var missing error
	late := func(at time.Time) {
		if !at.IsZero() && at.Before(a.Month.Start) {
			ask(&l.RecentPeriods, c.tenant)
			if l.RecentPeriods[c.tenant] == nil {
				missing = errMore
			}
		}
	}
	for i := range c.items {
		in := &c.items[i]
		if len(in.bad) > 0 {
			continue
		}
		late(in.Time)
		if _, limited := c.limits[in.Meter]; limited && l.definition(c.tenant, in.Meter).Aggregation != AggregateMax {
			if _, loaded := l.tallies(a, in.Meter); !loaded {
				missing = errMore
			}
		}
		key := in.APIKeyID
		if in.Corrects != "" {
			original, err := l.original(l.Marks.Get(MarkRef{c.tenant, in.Corrects}))
			if err != nil || original == nil {
				missing = errors.Join(missing, err)
				continue
			}
			late(original.Time)
			key = original.APIKeyID
		}
		if in.Meter == MeterTokensUsed && !key.IsZero() {
			_, err := l.useOfKey(KeyRef{c.tenant, key})
			missing = errors.Join(missing, err)
		}
		if in.Corrects == "" {
			at := in.Time
			if at.IsZero() {
				at = now
			}
			var err error
			in.kept, err = l.keep(c.tenant, &in.UsageParams, l.definition(c.tenant, in.Meter).Dimensions, at)
			missing = errors.Join(missing, err)
		}
	}
	return missing
}

func refusedEvent(item UsageResult) error {
	return &Error{Code: Code(item.Code), Message: "the event was not recorded", Fields: item.Errors}
}

// records refuses usage of a tenant that is past it.
func (a *Account) records(now time.Time) error {
	if a.Status.deadAt(a.Since, now) {
		return errTenantTerminated
	}
	return nil
}

// useOfKey returns the counters of a key's family; nil where the key has no limits of its own or does not exist.
func (l *ledger) useOfKey(ref KeyRef) (*KeyUse, error) {
	if !l.Keys.Knows(ref) {
		l.Keys.Want(ref)
		return nil, errMore
	}
	k := l.Keys.Get(ref)
	if k == nil || !k.counted() {
		return nil, nil
	}
	return l.keyUse(KeyRef{ref.TenantID, k.Family})
}

// judge decides one event and writes nothing: it is UsageRecorded where it is good. A correction is judged by what every
// event has only; see correct.
func (c *recordUsage) judge(l *ledger, in usageItem, now time.Time) (out UsageResult, unit string) {
	out = UsageResult{EventID: NullString(in.EventID), Status: UsageRecorded}
	reject := func(code Code, fields ...FieldError) (UsageResult, string) {
		out.Status, out.Code, out.Errors = UsageRejected, NullString(code), fields
		return out, ""
	}
	if len(in.bad) > 0 {
		return reject(CodeValidationFailed, in.bad...)
	}
	if in.EventID != "" {
		if mark := l.Marks.Get(MarkRef{c.tenant, in.EventID}); mark != nil {
			if mark.Fingerprint != in.fingerprint && mark.Fingerprint != unknownContent {
				return reject(CodeEventIDConflict, FieldError{"event_id", "was used before with other content"})
			}
			out.Status = UsageDuplicate
			return out, ""
		}
	}
	if in.Corrects != "" {
		return out, ""
	}
	switch {
	case in.Time.IsZero():
	case in.Time.Before(now.Add(-UsageWindow)):
		return reject(CodeEventTooOld, FieldError{"time", "must not be older than 35 days"})
	case in.Time.After(now.Add(UsageAhead)):
		return reject(CodeValidationFailed, FieldError{"time", "must not be more than 5 minutes ahead"})
	}
	meter := l.definition(c.tenant, in.Meter)
	unit = string(meter.Unit)
	switch {
	case meter.Aggregation == AggregateCount && in.Amount != 1:
		return reject(CodeValidationFailed, FieldError{"amount", "must be 1: the meter counts events"})
	case in.Unit == "" && unit == "":
		unit = defaultUnit
	case in.Unit != "" && unit != "" && in.Unit != unit:
		return reject(CodeUnitMismatch, FieldError{"unit", fmt.Sprintf("must be %q as before", unit)})
	case in.Unit != "":
		unit = in.Unit
	}
	if !l.bears(c.tenant, in.Meter, in.Amount, now) {
		return reject(CodeValidationFailed, FieldError{"amount", tooHeavy})
	}
	return out, unit
}

// one decides one event, and writes it where it is good.
func (c *recordUsage) one(l *ledger, a *Account, in usageItem, now time.Time) UsageResult {
	out, unit := c.judge(l, in, now)
	if out.Status != UsageRecorded {
		return out
	}
	if in.Corrects != "" {
		if err := c.correct(l, a, in, now); err != nil {
			out.Status, out.Code, out.Errors = UsageRejected, NullString(err.Code), err.Fields
		}
		return out
	}
	at := in.Time
	if at.IsZero() {
		at = now
	}
	meter := l.definition(c.tenant, in.Meter)
	l.touch(a, now)
	if !meter.HasEvents {
		_, limited := c.limits[in.Meter]
		l.fix(a, meter, unit, limited)
	}
	l.weigh(c.tenant, in.Meter, in.Amount, now)
	l.tell(c.tenant, in.Meter, in.kept, at)
	ev := &UsageEvent{
		ID: newID[usageKind](now, l.entropy()), TenantID: c.tenant, Meter: in.Meter, Amount: in.Amount, Unit: unit,
		Time: at, RecordedAt: now, WorkerID: NullString(in.WorkerID), APIKeyID: in.APIKeyID, RunID: in.RunID,
		EventID: NullString(in.EventID), Metadata: in.Metadata, Dimensions: in.kept,
	}
	if in.EventID != "" {
		l.Marks.Put(MarkRef{c.tenant, in.EventID}, &UsageMark{
			TenantID: c.tenant, EventID: in.EventID, Fingerprint: in.fingerprint, UsageID: ev.ID, RecordedAt: now, Time: at,
		})
	}
	var use *KeyUse
	if in.Meter == MeterTokensUsed && !in.APIKeyID.IsZero() {
		use, _ = l.useOfKey(KeyRef{c.tenant, in.APIKeyID})
	}
	l.count(a, c.limits, ev)
	l.recordAs(meter.Aggregation, a, use, ev)
	return out
}

// fix writes down unit and aggregation of a meter with its first event in a tenant. The counters of one that is limited
// begin at nothing.
func (l *ledger) fix(a *Account, meter *MeterDefinition, unit string, limited bool) {
	ref := MeterRef{a.TenantID, meter.Meter}
	next := &Meter{TenantID: a.TenantID, Name: meter.Meter}
	if own := l.Meters.Get(ref); own != nil {
		*next = *own
	}
	next.Unit, next.Aggregation, next.Fixed = unit, meter.Aggregation, true
	if limited && meter.Aggregation != AggregateMax {
		var none Tally
		next.Use = MeterUse{Counted: true, Day: none.in(a.Day), Month: none.in(a.Month)}
	}
	l.Meters.Put(ref, next)
}

func builtinUnit(meter string) (unit string, builtin bool) {
	switch meter {
	case MeterTokensUsed:
		return tokensUnit, true
	case MeterWorkerRuns:
		return defaultUnit, true
	default:
		return "", false
	}
}

// GetUsageSummary adds up a tenant's usage per meter over [Start, End). Without times it is the current billing month,
// up to and with the running quarter of an hour. It needs usage:read.
func (e *Engine) GetUsageSummary(ctx context.Context, p UsageSummaryParams) (*UsageSummary, error) {
	if err := e.may(p.TenantID, PermUsageRead); err != nil {
		return nil, err
	}
	if !p.Start.IsZero() && !p.End.IsZero() && p.End.Before(p.Start) {
		return nil, problems{{"end", "must not be before start"}}.err()
	}
	out := &UsageSummary{TenantID: p.TenantID, Meters: map[string]MeterTotal{}}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, a *Account) error {
		now := a.clock(e.now())
		live := *a
		live.roll(now)
		from, to := rangeOrMonth(&live, p.Start, p.End, now)
		out.Period = UsagePeriod{from, to}
		if to.Before(from) {
			return nil
		}
		if err := summable(ctx, r, p.TenantID, out.Period.Start, out.Period.End); err != nil {
			return err
		}
		sums, err := sumUsage(ctx, r, p.TenantID, out.Period.Start, out.Period.End)
		if err != nil {
			return err
		}
		return out.fill(ctx, r, sums)
	})
	return out, err
}

// fill joins sums and units.
func (s *UsageSummary) fill(ctx context.Context, r Reader, sums map[string]MeterSum) error {
	meters, err := metersOf(ctx, r, s.TenantID)
	if err != nil {
		return err
	}
	for name, sum := range sums {
		meter := meters[name]
		if meter == nil {
			meter = definition(s.TenantID, name, nil, nil)
		}
		total := MeterTotal{Total: sum.Total, Unit: string(meter.Unit), Count: sum.Events, Aggregation: meter.Aggregation}
		if meter.Aggregation == AggregateMax {
			total.Total = sum.Peak
		}
		if beyond(total.Total) {
			return problems{{"end", fmt.Sprintf("the total of %s over this range is beyond 2^63: ask for a shorter one", name)}}.err()
		}
		s.Meters[name] = total
		s.TotalRecords += sum.Events
	}
	return nil
}

// beyond reports whether a sum is no sum any more, but the end of the numbers.
func beyond(total int64) bool { return total == math.MaxInt64 || total == math.MinInt64 }

// sumUsage adds up [from, to): whole buckets from the rollups, what is left of a bucket at either end from its events.
func sumUsage(ctx context.Context, r Reader, tenant TenantID, from, to time.Time) (map[string]MeterSum, error) {
	sums := make(map[string]MeterSum)
	add := func(rows []MeterSum, err error) error {
		for _, row := range rows {
			s := sums[row.Meter]
			s.Total, s.Events, s.Peak = addTotals(s.Total, row.Total), s.Events+row.Events, max(s.Peak, row.Peak)
			sums[row.Meter] = s
		}
		return err
	}
	first, last := from.Truncate(bucketSize), to.Truncate(bucketSize)
	if first.Before(from) {
		first = first.Add(bucketSize)
	}
	if !first.Before(last) && !first.Equal(last) { // the range lies within one bucket
		return sums, add(r.SumUsage(ctx, tenant, from, to))
	}
	if from.Before(first) {
		if err := add(r.SumUsage(ctx, tenant, from, first)); err != nil {
			return nil, err
		}
	}
	if first.Before(last) {
		if err := add(r.SumRollups(ctx, tenant, first, last)); err != nil {
			return nil, err
		}
		if err := add(r.SumPeaks(ctx, tenant, first, last)); err != nil {
			return nil, err
		}
	}
	if last.Before(to) {
		if err := add(r.SumUsage(ctx, tenant, last, to)); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// addTotals adds two totals; what goes beyond the numbers stays at their end.
func addTotals(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	default:
		return a + b
	}
}

// MarshalJSON writes an empty list of errors as such.
func (r UsageResult) MarshalJSON() ([]byte, error) {
	type plain UsageResult
	if r.Errors == nil {
		r.Errors = []FieldError{}
	}
	return json.Marshal(plain(r))
}
