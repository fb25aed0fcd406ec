package storetest

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/rentroll/rentroll"
)

func eventTests() []test {
	return []test{
		{"RoundTrip", eventRoundTrip},
		{"ListNewestFirst", listEvents},
		{"ListOfAllTenants", listAllEvents},
	}
}

func toldOf(s *scene, tenant rentroll.TenantID) *rentroll.Event {
	return &rentroll.Event{
		ID: newID[rentroll.EventID](s), TenantID: tenant, Type: rentroll.EventThreshold, At: after(1),
		Data: json.RawMessage(`{"quota":  "workers","of":"„x“"}`),
	}
}

func (s *scene) newEvents(tenants ...rentroll.TenantID) (out []*rentroll.Event) {
	s.Helper()
	for _, tenant := range tenants {
		out = append(out, toldOf(s, tenant))
	}
	s.put(func(b *rentroll.Batch) { b.Told = append(b.Told, out...) })
	return out
}

func (s *scene) listEvents(f rentroll.EventFilter) (out []*rentroll.Event) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListEvents(ctx, f)
		return err
	})
	return out
}

func eventRoundTrip(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	complete(s, *toldOf(s, tenant))
	made := s.newEvents(tenant)
	same(s, "the list", s.listEvents(rentroll.EventFilter{TenantID: tenant, Limit: 2}), made)
}

// byID orders events as lists do.
func byID(events []*rentroll.Event) []*rentroll.Event {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b *rentroll.Event) int { return b.ID.Compare(a.ID) })
	return events
}

func listEvents(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	s.newEvents(other, other)
	all := byID(s.newEvents(tenant, tenant, tenant, tenant))
	same(s, "the first page", s.listEvents(rentroll.EventFilter{TenantID: tenant, Limit: 3}), all[:3])
	same(s, "the next page", s.listEvents(rentroll.EventFilter{TenantID: tenant, Before: all[2].ID, Limit: 3}), all[3:])
	same(s, "the list of nobody", s.listEvents(rentroll.EventFilter{TenantID: newID[rentroll.TenantID](s), Limit: 3}), nil)
}

func listAllEvents(s *scene) {
	made := s.newEvents(newID[rentroll.TenantID](s), newID[rentroll.TenantID](s), newID[rentroll.TenantID](s))
	var mine []*rentroll.Event // others may be in the store
	for _, e := range s.listEvents(rentroll.EventFilter{Limit: 10_000}) {
		if slices.ContainsFunc(made, func(m *rentroll.Event) bool { return m.ID == e.ID }) {
			mine = append(mine, e)
		}
	}
	all := byID(made)
	same(s, "the list", mine, all)
	next := s.listEvents(rentroll.EventFilter{Before: all[0].ID, Limit: 1})
	if len(next) != 1 || next[0].ID.Compare(all[0].ID) >= 0 {
		s.Errorf("behind the first comes %+v", next)
	}
}
