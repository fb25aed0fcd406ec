package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

// tell sends a body as CloudEvents of a media type.
func (w *world) tell(key, media, body string) *reply {
	w.t.Helper()
	return w.send(ask{method: "POST", path: "/v1/events", key: key, body: body, header: map[string]string{"Content-Type": media}})
}

// counted is the total of a meter of a tenant.
func (w *world) counted(tenant, meter string) int64 {
	w.t.Helper()
	var sum rentroll.UsageSummary
	w.operator("GET", "/v1/tenants/"+tenant+"/usage", nil).expect(200).into(&sum)
	return sum.Meters[meter].Total
}

// told is a good event of acme, with members replaced or added; a value of "" takes one away.
func told(members map[string]string) string {
	all := map[string]string{"specversion": `"1.0"`, "id": `"1"`, "source": `"/s"`, "type": `"emails"`, "subject": `"acme"`}
	maps.Copy(all, members)
	var parts []string
	for name, value := range all {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// TestCloudEventsCount: the three modes record the same events, and a pair of source and id counts once in whatever mode.
func TestCloudEventsCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	event := told(map[string]string{"data": `{"amount":3,"unit":"mails","to":"x"}`, "time": `"2026-11-23T09:00:00Z"`, "traceparent": `"00-ab"`})
	w.tell(w.key, cloudEventType, event).expect(200).has("items.0.status", "recorded", "items.0.event_id", "/s 1")
	w.tell(w.key, cloudEventsType, "["+event+"]").expect(200).has("items.0.status", "duplicate")
	header := map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "emails", "Ce-Time": "2026-11-23t09:00:00z",
	}
	inBinary := func(id string) *reply {
		header["Ce-Id"] = id
		return w.send(ask{method: "POST", path: "/v1/events", key: w.key, body: `{"to":"x","unit":"mails","amount":3}`, header: header})
	}
	inBinary("1").expect(200).has("items.0.status", "duplicate")
	inBinary("%41 %zz").expect(200).has("items.0.status", "recorded", "items.0.event_id", "/s A %zz")
	inBinary(`"a \"quoted\" one"`).expect(200).has("items.0.event_id", `/s a "quoted" one`)
	if n := w.counted("acme", "emails"); n != 9 {
		t.Errorf("%d are counted", n)
	}
	delete(header, "Ce-Time")
	header["Ce-Id"] = "no data"
	w.send(ask{method: "POST", path: "/v1/events", key: w.key, header: header}).expect(200)
	if n := w.counted("acme", "emails"); n != 10 {
		t.Errorf("%d are counted with one that has no data", n)
	}
	w.tell(w.key, cloudEventsType, "[]").expect(200)
}

// TestCloudEventsOfSeveralTenants: each event of a batch is answered in its place, and the good ones are stored.
func TestCloudEventsOfSeveralTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("POST", "/v1/tenants", `{"name":"Gone","slug":"gone"}`).expect(201)
	w.operator("POST", "/v1/tenants/gone/terminate", nil).expect(200)
	w.time.move(25 * 3600e9)
	batch := "[" + strings.Join([]string{
		told(map[string]string{"id": `"1"`}),
		told(map[string]string{"id": `"2"`, "subject": `"globex"`}),
		told(map[string]string{"id": `"3"`, "subject": `"nobody"`}),
		told(map[string]string{"id": `"4"`, "subject": `"` + w.other.ID.String() + `"`}),
		told(map[string]string{"id": `"5"`, "subject": `"gone"`}),
		told(map[string]string{"id": `"6"`, "subject": ``}),
		told(map[string]string{"id": `"1"`, "data": `{"amount":2}`}),
		`7`,
		told(map[string]string{"id": `"8"`, "subject": `"ten_01kaqt3x4heyr9b1c6x8m6zr0c"`}),
		told(map[string]string{"id": `"9"`, "data": `{"amount":1.5}`}),
		told(map[string]string{"id": `"10"`, "data": `{"unit":"boxes"}`}),
	}, ",") + "]"
	want := []string{
		"recorded", "recorded", "not_found subject", "recorded", "tenant_terminated subject", "validation_failed subject",
		"event_id_conflict id", "validation_failed body", "not_found subject", "validation_failed data.amount", "unit_mismatch data.unit",
	}
	check := func(want []string, key string) {
		t.Helper()
		var receipt rentroll.UsageReceipt
		w.tell(key, cloudEventsType, batch).expect(200).into(&receipt)
		for i, item := range receipt.Items {
			got := string(item.Status)
			if item.Status == rentroll.UsageRejected {
				got = string(item.Code) + " "
				if len(item.Errors) > 0 {
					got += item.Errors[0].Field
				}
			}
			if got != want[i] {
				t.Errorf("event %d: %s, want %s", i, got, want[i])
			}
		}
		if len(receipt.Items) != len(want) {
			t.Errorf("%d answers", len(receipt.Items))
		}
	}
	check(want, operatorSecret)
	if acme, globex := w.counted("acme", "emails"), w.counted("globex", "emails"); acme != 1 || globex != 2 {
		t.Errorf("acme has %d, globex %d", acme, globex)
	}
	// A tenant's key sees its own tenant only, and may leave it out. That an event is a key's own is a part of its content.
	want = []string{
		"event_id_conflict id", "not_found subject", "not_found subject", "not_found subject", "not_found subject", "recorded",
		"event_id_conflict id", "validation_failed body", "not_found subject", "validation_failed data.amount", "unit_mismatch data.unit",
	}
	check(want, w.key)
	if globex := w.counted("globex", "emails"); globex != 2 {
		t.Errorf("globex has %d", globex)
	}
}

// TestCloudEventsAreStrict: what is wrong is named by its attribute, and nothing is recorded.
func TestCloudEventsAreStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	valid, malformed := rentroll.CodeValidationFailed, rentroll.CodeMalformedRequest
	long := strings.Repeat("x", maxAttribute+1)
	for _, c := range []struct {
		member, value string
		field         string
	}{
		{"specversion", "", "specversion"},
		{"specversion", `"0.3"`, "specversion"},
		{"specversion", `1.0`, "specversion"},
		{"specversion", "null", "specversion"},
		{"id", "", "id"},
		{"id", `""`, "id"},
		{"id", `"` + long + `"`, "id"},
		{"id", `"a\u0000"`, "id"},
		{"source", "", "source"},
		{"source", `"a b"`, "source"},
		{"source", `"%zz"`, "source"},
		{"source", `"` + long + `"`, "source"},
		{"type", "", "type"},
		{"type", `"Emails"`, "type"},
		{"type", `"worker_runs"`, "type"},
		{"subject", "", "subject"},
		{"subject", `""`, "subject"},
		{"subject", `7`, "subject"},
		{"time", `"yesterday"`, "time"},
		{"time", `"2026-11-23 09:00:00Z"`, "time"},
		{"time", `1`, "time"},
		{"time", `"2026-11-23T10:00:00Z"`, "time"},
		{"datacontenttype", `"text/plain"`, "datacontenttype"},
		{"datacontenttype", `"application/json; charset=latin1"`, "datacontenttype"},
		{"dataschema", `""`, "dataschema"},
		{"data_base64", `"eyJhIjoxfQ=="`, "data_base64"},
		{"data", `[]`, "data"},
		{"data", `null`, "data"},
		{"data", `"x"`, "data"},
		{"data", `1`, "data"},
		{"data", `{"amount":-1}`, "data.amount"},
		{"data", `{"amount":null}`, "data.amount"},
		{"data", `{"amount":"3"}`, "data.amount"},
		{"data", `{"amount":1e3}`, "data.amount"},
		{"data", `{"amount":1000000000001}`, "data.amount"},
		{"data", `{"unit":""}`, "data.unit"},
		{"data", `{"unit":7}`, "data.unit"},
		{"data", `{"unit":"` + long + `"}`, "data.unit"},
		{"data", `{"x":"` + strings.Repeat("x", 17<<10) + `"}`, "data"},
		{"Id", `"1"`, "Id"},
		{"no_such", `"1"`, "no_such"},
		{"extension", `{}`, "extension"},
		{"extension", `[]`, "extension"},
	} {
		w.unchanged(func() {
			body := told(map[string]string{c.member: c.value})
			w.tell(operatorSecret, cloudEventType, body).refused(valid).names(c.field, true)
			w.tell(operatorSecret, cloudEventsType, "["+body+"]").expect(200).
				has("items.0.status", "rejected", "items.0.code", string(valid), "items.0.errors.0.field", c.field)
		})
	}
	w.unchanged(func() {
		w.tell(operatorSecret, cloudEventType, strings.TrimSuffix(told(nil), "}")+`,"id":"2"}`).refused(malformed, "id")
		w.tell(operatorSecret, cloudEventType, told(map[string]string{"data": `{"amount":1,"amount":2}`})).refused(malformed, "data.amount")
		w.tell(operatorSecret, cloudEventType, "").refused(malformed)
		w.tell(operatorSecret, cloudEventsType, "{}").refused(valid, "body")
		w.tell(operatorSecret, cloudEventsType, "null").refused(valid, "body")
		w.tell(operatorSecret, cloudEventsType, "[1,").refused(malformed)
		w.tell(operatorSecret, cloudEventsType, "["+strings.Repeat("1,", rentroll.MaxUsageBatch)+"1]").refused(valid, "body")
		w.tell(operatorSecret, "application/cloudevents+avro", told(nil)).refused(rentroll.CodeUnsupportedMediaType)
		w.tell(operatorSecret, "application/json", told(nil)).refused(rentroll.CodeUnsupportedMediaType)
	})
	for name, header := range map[string]map[string]string{
		"datacontenttype": {"Content-Type": "text/plain"}, "data_base64": {"Ce-Data_base64": "x"}, "data": {"Ce-Data": "{}"},
		"specversion": {"Ce-Specversion": "2.0"}, "id": {"Ce-Id": "%ff"}, "a-b": {"Ce-A-B": "x"},
	} {
		w.unchanged(func() {
			w.tellBinary(header, `{}`).refused(valid).names(name, true)
		})
	}
}

// tellBinary sends an event whose attributes are headers.
func (w *world) tellBinary(header map[string]string, body string) *reply {
	w.t.Helper()
	all := map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "emails", "Ce-Subject": "acme"}
	maps.Copy(all, header)
	return w.send(ask{method: "POST", path: "/v1/events", key: operatorSecret, body: body, header: all})
}

// TestUnreadableCloudEvents: an event that can't be read is told why, as every other one is.
func TestUnreadableCloudEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	valid, malformed := rentroll.CodeValidationFailed, rentroll.CodeMalformedRequest
	w.unchanged(func() {
		for broken, says := range map[string]string{
			`{"specversion":`: "is not valid JSON: see byte 15", told(nil) + told(nil): "must be one JSON value", told(map[string]string{"id": `"\ud800"`}): "is not valid JSON",
			told(map[string]string{"id": "\"\xff\""}): "must be valid UTF-8", strings.Repeat(`{"x":`, 20_000): "is not valid JSON",
		} {
			r := w.tell(operatorSecret, cloudEventType, broken).refused(malformed, "body")
			if got := r.text("errors.0.message"); !strings.HasPrefix(got, says) {
				t.Errorf("%.60s is refused as %q, want %q", broken, got, says)
			}
		}
		w.tell(operatorSecret, cloudEventsType, "["+told(map[string]string{"data": `{"amount":1,"amount":2}`})+"]").expect(200).
			has("items.0.code", string(malformed), "items.0.errors.0.field", "data.amount")
		w.tellBinary(map[string]string{"Content-Type": "text/xml"}, `<a/>`).refused(valid, "datacontenttype")
		w.tellBinary(map[string]string{"Content-Type": "application/json"}, `<a/>`).refused(malformed, "data")
	})
}

// TestEventIDOfPairs: two pairs of source and id have one event id only where they are the same pair.
func TestEventIDOfPairs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 300)
	seen := map[string]string{}
	for _, source := range []string{"/a", "/a/b", "b", "/" + long, "sha256:"} {
		for _, id := range []string{"1", "b 1", " 1", long, long + "1", "b"} {
			got, pair := eventIDOf(source, id), source+"|"+id
			if other, taken := seen[got]; taken {
				t.Errorf("%q and %q are both %q", other, pair, got)
			}
			if seen[got] = pair; len([]rune(got)) > 255 {
				t.Errorf("%q has %d characters", pair, len([]rune(got)))
			}
		}
	}
	if got := eventIDOf("/mailer", "4711"); got != "/mailer 4711" {
		t.Errorf("%q", got)
	}
}

// FuzzCloudEvents reads arbitrary bodies in all modes. Whatever is read is JSON with an event id and metadata that the
// engine takes, or is refused by name; a batch of one is read like the one.
func FuzzCloudEvents(f *testing.F) {
	for _, seed := range []string{
		told(nil), told(map[string]string{"data": `{"amount":2,"unit":"u","x":{"y":[1]}}`, "time": `"2026-11-23T09:00:00Z"`}), `{}`, `[]`, `null`, `{"`,
		`{"data":{"amount":1,"amount":2}}`, `{"data":{"a":1,"a":2}}`, "{\"id\":\"\xff\"}", strings.Repeat("[", 300), `{"data":{"\ud800":1}}`, `{} {}`,
	} {
		f.Add([]byte(seed), "1.0", "%41")
	}
	f.Fuzz(func(t *testing.T, body []byte, version, id string) {
		one := structuredEvent(body)
		check(t, one)
		check(t, binaryEvent(map[string][]string{
			"Ce-Specversion": {version}, "Ce-Id": {id}, "Ce-Source": {"/s"}, "Ce-Type": {"m"}, "Content-Type": {"application/json"},
		}, body))
		var batch cloudEvents
		err := batch.read(map[string][]string{"Content-Type": {cloudEventsType}}, []byte("["+string(body)+"]"))
		if one.err == nil && (err != nil || len(batch.events) != 1 || batch.events[0].err != nil || batch.events[0].usage.EventID != one.usage.EventID) {
			t.Errorf("alone %+v, in a batch %+v, %v", one, batch.events, err)
		}
		for _, event := range batch.events {
			check(t, event)
		}
	})
}

func check(t *testing.T, event cloudEvent) {
	t.Helper()
	if event.err != nil {
		if code := rentroll.CodeOf(event.err); code != rentroll.CodeValidationFailed && code != rentroll.CodeMalformedRequest {
			t.Errorf("code %s: %v", code, event.err)
		}
		return
	}
	if event.usage.EventID == "" || len([]rune(event.usage.EventID)) > 255 || event.usage.Meter == "" {
		t.Errorf("%+v", event.usage)
	}
	if m := event.usage.Metadata; m != nil && (!json.Valid(m) || m[0] != '{') {
		t.Errorf("metadata %s", m)
	}
}
