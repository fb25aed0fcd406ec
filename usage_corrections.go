package rentroll

import (
	"fmt"
	"time"
)

// checkCorrection checks what an event has to be like to be a correction.
func (p *UsageParams) checkCorrection(bad *problems) {
	bad.add("corrects", checkText(p.Corrects, 1, 255))
	bad.between("amount", p.Amount, -maxAmount, -1)
	if p.EventID == p.Corrects {
		bad.add("corrects", "must not be its own event id")
	}
	const theirs = "must not be given: it is that of the event which is corrected"
	if !p.Time.IsZero() {
		bad.add("time", theirs)
	}
	if p.WorkerID != "" {
		bad.add("worker_id", theirs)
	}
	if !p.APIKeyID.IsZero() {
		bad.add("api_key_id", theirs)
	}
	if !p.RunID.IsZero() {
		bad.add("run_id", theirs)
	}
}

// original returns the event of a mark, nil where it is not kept any more.
func (l *ledger) original(mark *UsageMark) (*UsageEvent, error) {
	if mark == nil || mark.Time.IsZero() {
		return nil, nil
	}
	ref := UsageRef{mark.TenantID, mark.Time, mark.UsageID}
	if e := l.fresh[ref]; e != nil {
		return e, nil
	}
	if !l.Events.Knows(ref) {
		l.Events.Want(ref)
		return nil, errMore
	}
	return l.Events.Get(ref), nil
}

// correct takes back a part of an event, or all of it: in the event's own bucket, and in the token month and the key's
// month where the event stands in the present one.
func (c *recordUsage) correct(l *ledger, a *Account, in usageItem, now time.Time) *Error {
	wrong := func(field, message string) *Error {
		return &Error{Code: CodeValidationFailed, Fields: []FieldError{{field, message}}}
	}
	ref := MarkRef{c.tenant, in.Corrects}
	mark := l.Marks.Get(ref)
	if mark == nil {
		return wrong("corrects", "is no event id that is known")
	}
	original, err := l.original(mark)
	switch {
	case err != nil || original == nil:
		return wrong("corrects", "names an event that is not kept any more")
	case original.Corrects != "":
		return wrong("corrects", "names a correction; correct the event itself")
	case l.definition(c.tenant, in.Meter).Aggregation == AggregateMax:
		return wrong("corrects", "names an event of a meter that keeps maxima, from which nothing can be taken back")
	case original.Meter != in.Meter:
		return wrong("meter", fmt.Sprintf("must be %q, that of the event which is corrected", original.Meter))
	case in.Unit != "" && in.Unit != original.Unit:
		return &Error{Code: CodeUnitMismatch, Fields: []FieldError{{"unit", fmt.Sprintf("must be %q as before", original.Unit)}}}
	}
	if left := original.Amount - mark.Corrected; -in.Amount > left {
		return wrong("amount", fmt.Sprintf("takes back more than is left of the event: %d", left))
	}
	l.touch(a, now)
	next := *mark
	next.Corrected -= in.Amount
	l.Marks.Put(ref, &next)
	ev := &UsageEvent{
		ID: newID[usageKind](now, l.entropy()), TenantID: c.tenant, Meter: in.Meter, Amount: in.Amount, Unit: original.Unit,
		Time: original.Time, RecordedAt: now, WorkerID: original.WorkerID, APIKeyID: original.APIKeyID, RunID: original.RunID,
		EventID: NullString(in.EventID), Metadata: in.Metadata, Corrects: NullString(in.Corrects), Dimensions: original.Dimensions,
	}
	if in.EventID != "" {
		l.Marks.Put(MarkRef{c.tenant, in.EventID}, &UsageMark{
			TenantID: c.tenant, EventID: in.EventID, Fingerprint: in.fingerprint, UsageID: ev.ID, RecordedAt: now, Time: ev.Time,
		})
	}
	var use *KeyUse
	if ev.Meter == MeterTokensUsed && !ev.APIKeyID.IsZero() {
		use, _ = l.useOfKey(KeyRef{c.tenant, ev.APIKeyID})
	}
	l.count(a, c.limits, ev)
	l.record(a, use, ev)
	c.corrected = append(c.corrected, ev)
	return nil
}

// auditCorrections writes down who took back how much, in one row a call.
func (c *recordUsage) auditCorrections(l *ledger, a *Account, now time.Time) {
	if len(c.corrected) == 0 {
		return
	}
	taken := make(map[string]int64)
	for _, ev := range c.corrected {
		taken[ev.Meter] -= ev.Amount
	}
	first := string(c.corrected[0].EventID)
	if first == "" {
		first = c.corrected[0].ID.String()
	}
	l.audit(a, c.by, now, change{action: "usage.correct", kind: "usage", id: first, new: struct {
		Corrections int              `json:"corrections"`
		TakenBack   map[string]int64 `json:"taken_back"`
	}{len(c.corrected), taken}})
}
