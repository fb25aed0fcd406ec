package httpapi

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// TestShortPeriodsHaveStatements: of two periods that start on the same date, each in its own zone, each has a name.
func TestShortPeriodsHaveStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.time.move(time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC).Sub(w.time.now()))
	w.operator("POST", "/v1/tenants", `{"name":"Hotel","slug":"hotel","timezone":"America/Havana"}`).expect(201)
	w.operator("PATCH", "/v1/tenants/hotel", `{"timezone":"UTC"}`).expect(200)
	// Before the tenant's first month, and of a month that has begun by UTC, but not in Havana.
	w.operator("POST", "/v1/tenants/hotel/usage", `{"meter":"emails","amount":37,"time":"2026-11-01T03:35:00Z"}`).expect(200)
	w.operator("POST", "/v1/tenants/hotel/usage", `{"meter":"emails","amount":5,"time":"2026-11-01T06:00:00Z"}`).expect(200)
	check := func(late string, names ...string) {
		t.Helper()
		var list rentroll.List[rentroll.StatementPeriod]
		w.operator("GET", "/v1/tenants/hotel/statements", nil).expect(200).into(&list)
		if len(list.Items) != len(names) {
			t.Fatalf("the periods are %+v", list.Items)
		}
		for i, name := range names {
			var st rentroll.Statement
			at := "/v1/tenants/hotel/statements/" + name
			w.operator("GET", at, nil).expect(200).into(&st)
			if st.StatementPeriod != list.Items[i] || st.Period != name {
				t.Errorf("%s is %+v, listed as %+v", name, st.StatementPeriod, list.Items[i])
			}
			events := string(w.operator("GET", "/v1/tenants/hotel/usage/events?statement="+url.QueryEscape(name), nil).expect(200).body)
			if n := strings.Count(events, `"statement":"`+name+`"`); n != len(st.Lines)+len(st.Adjustments) {
				t.Errorf("on %s stand %d events: %s; it is %+v", name, n, events, st)
			}
			file := w.operator("GET", at+"?format=csv", nil).expect(200)
			if disposition := file.header.Get("Content-Disposition"); strings.Contains(disposition, ":") {
				t.Errorf("no file can have the name in %s everywhere", disposition)
			}
		}
		var st rentroll.Statement
		w.operator("GET", "/v1/tenants/hotel/statements/2026-11-01", nil).expect(200).into(&st)
		if late != "" && (len(st.Adjustments) != 1 || st.Adjustments[0].Period != late || st.Adjustments[0].Quantity != 2) {
			t.Errorf("the adjustments are %+v", st.Adjustments)
		}
	}
	check("", "2026-11-01", "2026-11-01T00:00:00Z")
	w.time.move(7 * 24 * time.Hour) // the short one is final
	w.operator("POST", "/v1/tenants/hotel/usage", `{"meter":"emails","amount":2,"time":"2026-11-01T03:40:00Z"}`).expect(200)
	check("2026-11-01T00:00:00Z", "2026-11-01", "2026-11-01T00:00:00Z")
}
