package httpapi

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/client"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/protocol"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/rentroll/rentroll"
)

// TestCloudEventsSDK: the official SDK for Go is understood in all three modes, and understands the answers.
func TestCloudEventsSDK(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := func(id string, amount int) event.Event {
		e := event.New()
		e.SetID(id)
		e.SetSource("https://mailer.example/eu")
		e.SetType("emails")
		e.SetSubject("acme")
		e.SetTime(w.time.now())
		e.SetExtension("tier", 2)
		if err := e.SetData(event.ApplicationJSON, map[string]any{"amount": amount, "unit": "mails", "campaign": "ü & 7"}); err != nil {
			t.Fatal(err)
		}
		return e
	}
	p, err := cehttp.New(
		cehttp.WithTarget(w.url+"/v1/events"), cehttp.WithClient(*w.client), cehttp.WithHeader("Authorization", "Bearer "+w.key))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := client.New(p)
	if err != nil {
		t.Fatal(err)
	}
	for mode, ctx := range map[string]func() error{
		"structured": func() error { return sender.Send(binding.WithForceStructured(t.Context()), made("one", 3)) },
		"binary":     func() error { return sender.Send(binding.WithForceBinary(t.Context()), made("two", 4)) },
	} {
		for range 2 { // the same event again counts once
			if result := ctx(); !protocol.IsACK(result) {
				t.Errorf("%s: %v", mode, result)
			}
		}
	}
	bad := made("three", -1)
	var status *cehttp.Result
	if result := sender.Send(t.Context(), bad); protocol.IsACK(result) || !protocol.ResultAs(result, &status) || status.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("an event that is wrong: %v", result)
	}

	req, err := cehttp.NewHTTPRequestFromEvents(t.Context(), w.url+"/v1/events", []event.Event{made("one", 3), made("four", 5), bad})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.key)
	res, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := &reply{t: t, what: "a batch", status: res.StatusCode, header: res.Header, body: readAllOf(t, res)}
	r.expect(200).has("items.0.status", "duplicate", "items.1.status", "recorded", "items.2.code", "validation_failed")

	if n := w.counted("acme", "emails"); n != 12 {
		t.Errorf("%d are counted", n)
	}
	var sum rentroll.UsageSummary
	w.operator("GET", "/v1/tenants/acme/usage?start="+w.time.now().Add(-time.Hour).Format(time.RFC3339), nil).expect(200).into(&sum)
	if m := sum.Meters["emails"]; m.Unit != "mails" || m.Count != 3 {
		t.Errorf("%+v", m)
	}
}

func readAllOf(t *testing.T, res *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
