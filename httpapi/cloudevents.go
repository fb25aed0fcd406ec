package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"github.com/rentroll/rentroll"
)

// recordCloudEvents records what was sent as CloudEvents 1.0. The events of each tenant go into a command of its own, all of
// them at once, and every event is answered in its place.
func recordCloudEvents(c *call, p *once, b *cloudEvents) (*rentroll.UsageReceipt, error) {
	if err := c.engine.Actor().Permits(rentroll.PermUsageWrite); err != nil {
		return nil, err
	}
	out := &rentroll.UsageReceipt{Items: make([]rentroll.UsageResult, len(b.events))}
	parts := partsOf(c, b.events, out.Items)
	var wait sync.WaitGroup
	for _, part := range parts {
		wait.Go(func() { part.record(c, p.Key) })
	}
	wait.Wait()
	replayed := len(parts) > 0
	for _, part := range parts {
		if err := part.into(out.Items); err != nil {
			return nil, part.failure(err, len(parts))
		}
		replayed = replayed && part.receipt != nil && part.receipt.Replayed
	}
	if b.single && out.Items[0].Status == rentroll.UsageRejected {
		item := out.Items[0]
		return nil, &rentroll.Error{Code: rentroll.Code(item.Code), Message: "the event was not recorded", Fields: item.Errors}
	}
	c.replayed = replayed
	return out, nil
}

// eventPart is the events of a request that are one tenant's, in order.
type eventPart struct {
	tenant rentroll.TenantID
	places []int // in the request
	events []rentroll.UsageParams

	receipt *rentroll.UsageReceipt
	err     error
}

// partsOf sorts events by their tenants. Those that are wrong by themselves, or of no tenant that the caller may know of,
// are answered here.
func partsOf(c *call, events []cloudEvent, answers []rentroll.UsageResult) []*eventPart {
	type found struct {
		tenant rentroll.TenantID
		err    error
	}
	subjects := map[string]found{}
	tenants := map[rentroll.TenantID]*eventPart{}
	var parts []*eventPart
	for i := range events {
		event := &events[i]
		answers[i].EventID = rentroll.NullString(event.usage.EventID)
		if event.err != nil {
			reject(&answers[i], event.err)
			continue
		}
		at, known := subjects[event.subject]
		if !known {
			at.tenant, at.err = tenantOf(c, event.subject)
			subjects[event.subject] = at
		}
		if at.err != nil && perEvent(at.err) {
			reject(&answers[i], at.err)
			continue
		}
		part := tenants[at.tenant]
		if part == nil {
			part = &eventPart{tenant: at.tenant, err: at.err}
			tenants[at.tenant], parts = part, append(parts, part)
		}
		part.places = append(part.places, i)
		part.events = append(part.events, event.usage)
	}
	return parts
}

// tenantOf resolves the subject of an event. A tenant's own key may leave it out.
func tenantOf(c *call, subject string) (rentroll.TenantID, error) {
	own := c.engine.Actor().TenantID
	switch {
	case subject != "":
		id, err := c.engine.ResolveTenant(c, subject)
		if errors.Is(err, rentroll.CodeNotFound) {
			err = noSuchSubject()
		}
		return id, err
	case own.IsZero():
		return own, invalid(rentroll.FieldError{Field: "subject", Message: "is required: the id or slug of a tenant"})
	default:
		return own, nil
	}
}

func noSuchSubject() error {
	return &rentroll.Error{
		Code: rentroll.CodeNotFound, Message: "tenant not found",
		Fields: []rentroll.FieldError{{Field: "subject", Message: "there is no such tenant"}},
	}
}

// perEvent reports whether a refusal is about an event or its tenant, so that the others of its batch are not touched.
func perEvent(err error) bool {
	switch rentroll.CodeOf(err) {
	case rentroll.CodeNotFound, rentroll.CodeTenantTerminated, rentroll.CodeValidationFailed, rentroll.CodeMalformedRequest:
		return true
	default:
		return false
	}
}

// record records the part.
func (p *eventPart) record(c *call, key string) {
	if p.err != nil {
		return
	}
	p.receipt, p.err = c.engine.RecordUsageBatch(c, rentroll.RecordUsageBatchParams{TenantID: p.tenant, Events: p.events, IdempotencyKey: key})
}

// into puts the part's answers in their places. The error is one that is no event's.
func (p *eventPart) into(answers []rentroll.UsageResult) error {
	aboutTenant := errors.Is(p.err, rentroll.CodeNotFound) || errors.Is(p.err, rentroll.CodeTenantTerminated)
	if p.err != nil && !aboutTenant {
		return p.err
	}
	for i, place := range p.places {
		switch {
		case errors.Is(p.err, rentroll.CodeNotFound): // named by an id that no tenant has
			reject(&answers[place], noSuchSubject())
		case p.err != nil:
			reject(&answers[place], p.err)
		default:
			answers[place] = p.receipt.Items[i]
			answers[place].Errors = attributesOf(answers[place].Errors)
		}
	}
	return nil
}

// failure is the error of a whole request of which one part failed. Whether the others were recorded need not be told: all
// of it may be sent again.
func (p *eventPart) failure(err error, parts int) error {
	var refused *rentroll.Error
	if parts == 1 || !errors.As(err, &refused) {
		return err
	}
	return &rentroll.Error{
		Code: refused.Code, Fields: refused.Fields,
		Message: refused.Message + "; events of other tenants may have been recorded: send all of them again, each counts once",
	}
}

// reject answers an event with why it was not recorded.
func reject(answer *rentroll.UsageResult, err error) {
	answer.Status, answer.Code = rentroll.UsageRejected, rentroll.NullString(rentroll.CodeOf(err))
	refused, ok := errors.AsType[*rentroll.Error](err)
	switch {
	case !ok:
	case errors.Is(err, rentroll.CodeTenantTerminated):
		answer.Errors = []rentroll.FieldError{{Field: ceSubject, Message: refused.Message}}
	default:
		answer.Errors = refused.Fields
	}
}

// attributesOf names the fields of a usage event as CloudEvents has them.
func attributesOf(fields []rentroll.FieldError) []rentroll.FieldError {
	names := map[string]string{"meter": "type", "amount": "data.amount", "unit": "data.unit", "event_id": "id", "metadata": "data"}
	out := make([]rentroll.FieldError, 0, len(fields))
	for _, f := range fields {
		out = append(out, rentroll.FieldError{Field: cmp.Or(names[f.Field], f.Field), Message: f.Message})
	}
	return out
}

// tooMany refuses a batch for its length.
func tooMany(n int) error {
	if n <= rentroll.MaxUsageBatch {
		return nil
	}
	return invalid(rentroll.FieldError{Field: "body", Message: fmt.Sprintf("must be at most %d events", rentroll.MaxUsageBatch)})
}
