package quota_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

func TestQuotasOnMeters(t *testing.T) {
	t.Parallel()
	for name, want := range map[quota.Name]struct {
		meter string
		span  quota.Span
	}{
		"meter:emails_sent_per_day":     {"emails_sent", quota.Day},
		"meter:emails_sent_per_month":   {"emails_sent", quota.Month},
		"meter:a_per_day_per_month":     {"a_per_day", quota.Month},
		"meter:storage.gb_per_month":    {"storage.gb", quota.Month},
		quota.PerDay("a"):               {"a", quota.Day},
		quota.PerMonth("tokens_used_2"): {"tokens_used_2", quota.Month},
	} {
		meter, span, ok := name.Meter()
		if !ok || meter != want.meter || span != want.span {
			t.Errorf("%s: %q, %s, %t", name, meter, span, ok)
		}
		if d, known := quota.Lookup(name); !known || d.Name != name || d.Span != want.span || !strings.Contains(d.Title, want.meter) {
			t.Errorf("looking up %s: %+v, %t", name, d, known)
		}
	}
	for name, message := range map[quota.Name]string{
		"meter:emails":                                       "_per_day or _per_month",
		"meter:emails_per_week":                              "_per_day or _per_month",
		"meter:_per_day":                                     "name must be",
		"meter:Emails_per_day":                               "name must be",
		"meter:e mails_per_day":                              "name must be",
		"Meter:emails_per_day":                               "is not a quota",
		"meter:tokens_used_per_month":                        "tokens_per_month",
		"meter:worker_runs_per_day":                          "runs_per_day",
		quota.PerDay("m" + strings.Repeat("x", 100)):         "name must be",
		"emails_per_day":                                     "is not a quota",
		"meter:emails_per_Month":                             "_per_day or _per_month",
		quota.Name("meter:" + strings.Repeat("_per_day", 2)): "name must be",
	} {
		errs := quota.Limits{name: quota.Of(1)}.Validate(false)
		if len(errs) != 1 || !strings.Contains(errs[0].Message, message) {
			t.Errorf("%s: %+v", name, errs)
		}
		if _, _, ok := name.Meter(); ok {
			t.Errorf("%s is on a meter", name)
		}
	}
}

func TestOnMeters(t *testing.T) { // not beside others: it counts allocations
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	plan := quota.Limits{
		quota.RunsPerDay: quota.Of(1), quota.PerMonth("mails"): quota.Of(5), quota.PerDay("mails"): quota.Of(2), quota.PerDay("open"): quota.NoLimit(),
	}
	overrides := quota.Limits{
		quota.PerDay("mails"):   quota.NoLimit(),
		quota.PerDay("calls"):   {Max: 3, Until: now.Add(time.Second)},
		quota.PerMonth("calls"): {Max: 3, Until: now},
	}
	if got, want := quota.OnMeters(plan, overrides, now), []quota.Name{"meter:calls_per_day", "meter:mails_per_month"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := quota.OnMeters(quota.Limits{quota.RunsPerDay: quota.Of(1)}, nil, now); got != nil {
		t.Errorf("without any: %v", got)
	}
	if n := testing.AllocsPerRun(100, func() { quota.OnMeters(quota.Limits(nil), nil, now) }); n != 0 {
		t.Errorf("%v allocations where there is none", n)
	}
}
