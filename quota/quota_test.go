package quota_test

import (
	"testing"

	"github.com/rentroll/rentroll/quota"
)

func TestDefinitions(t *testing.T) {
	want := []quota.Definition{
		{Name: quota.Workers, Span: quota.Gauge, Title: "Workers"},
		{Name: quota.RunsPerDay, Span: quota.Day, Title: "Runs per day"},
		{Name: quota.ConcurrentRuns, Span: quota.Gauge, Title: "Concurrent runs"},
		{Name: quota.TokensPerMonth, Span: quota.Month, Title: "Tokens per month"},
		{Name: quota.APIKeys, Span: quota.Gauge, Title: "API keys"},
		{Name: quota.SpendPerMonth, Span: quota.Month, Title: "Spend per month"},
		{Name: quota.RequestsPerMinute, Span: quota.Rate, Title: "Requests per minute"},
	}
	got := quota.Definitions()
	if len(got) != len(want) {
		t.Fatalf("%d definitions, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("definition %d is %+v, want %+v", i, got[i], w)
		}
		if d, ok := quota.Lookup(w.Name); !ok || d != w {
			t.Errorf("Lookup(%q) = %+v, %v", w.Name, d, ok)
		}
	}
	got[0].Name = "changed"
	if quota.Definitions()[0].Name != quota.Workers {
		t.Error("a caller changed the definitions")
	}
}

func TestLookupUnknown(t *testing.T) {
	for _, name := range []quota.Name{"", "Workers", "workers ", "runs"} {
		if d, ok := quota.Lookup(name); ok {
			t.Errorf("Lookup(%q) = %+v", name, d)
		}
	}
}

func TestSpanString(t *testing.T) {
	for span, want := range map[quota.Span]string{
		quota.Gauge: "gauge", quota.Day: "day", quota.Month: "month", quota.Rate: "rate", 7: "Span(7)",
	} {
		if got := span.String(); got != want {
			t.Errorf("Span(%d) is %q, want %q", uint8(span), got, want)
		}
	}
}
