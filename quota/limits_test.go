package quota_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

func TestEffective(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	plan := quota.Limits{quota.Workers: quota.Of(3), quota.APIKeys: quota.NoLimit()}
	running := quota.Limit{Max: 9, Until: now.Add(1)}
	ended := quota.Limit{Max: 9, Until: now}

	for _, c := range []struct {
		what            string
		plan, overrides quota.Limits
		name            quota.Name
		want            quota.Limit
	}{
		{"nothing at all", nil, nil, quota.Workers, quota.NoLimit()},
		{"absent in the plan", plan, nil, quota.RunsPerDay, quota.NoLimit()},
		{"plan", plan, nil, quota.Workers, quota.Of(3)},
		{"unlimited plan", plan, nil, quota.APIKeys, quota.NoLimit()},
		{"override", plan, quota.Limits{quota.Workers: quota.Of(4)}, quota.Workers, quota.Of(4)},
		{"override of zero", plan, quota.Limits{quota.Workers: {}}, quota.Workers, quota.Of(0)},
		{"unlimited override", plan, quota.Limits{quota.Workers: quota.NoLimit()}, quota.Workers, quota.NoLimit()},
		{"override still active", plan, quota.Limits{quota.Workers: running}, quota.Workers, running},
		{"override that ends now", plan, quota.Limits{quota.Workers: ended}, quota.Workers, quota.Of(3)},
		{"override of another quota", plan, quota.Limits{quota.APIKeys: quota.Of(4)}, quota.Workers, quota.Of(3)},
		{"override of what the plan leaves out", plan, quota.Limits{quota.RunsPerDay: ended}, quota.RunsPerDay, quota.NoLimit()},
	} {
		if got := quota.Effective(c.plan, c.overrides, c.name, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

func TestClone(t *testing.T) {
	if quota.Limits(nil).Clone() != nil {
		t.Error("nil must stay nil")
	}
	original := quota.Limits{quota.Workers: quota.Of(3)}
	clone := original.Clone()
	clone[quota.Workers] = quota.Of(4)
	if original[quota.Workers] != quota.Of(3) {
		t.Error("the clone shares its limits")
	}
}

func TestValidate(t *testing.T) {
	until := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what             string
		limits           quota.Limits
		plan, overriding []string // the fields that are wrong
	}{
		{"nil", nil, nil, nil},
		{"every bound", quota.Limits{
			quota.Workers: {}, quota.APIKeys: quota.Of(quota.MaxLimit), quota.RunsPerDay: quota.NoLimit(),
			quota.ConcurrentRuns: {Mode: quota.Hard}, quota.TokensPerMonth: {Mode: quota.Soft},
		}, nil, nil},
		{
			"override",
			quota.Limits{quota.Workers: {Until: until, Reason: strings.Repeat("é", 500)}},
			[]string{"workers.reason", "workers.until"},
			nil,
		},
		{
			"ranges",
			quota.Limits{quota.Workers: quota.Of(-1), quota.APIKeys: quota.Of(quota.MaxLimit + 1)},
			[]string{"api_keys.limit", "workers.limit"},
			[]string{"api_keys.limit", "workers.limit"},
		},
		{"Max of an unlimited one", quota.Limits{quota.Workers: {Max: -1, Unlimited: true}}, nil, nil},
		{"mode", quota.Limits{quota.Workers: {Mode: "HARD"}}, []string{"workers.mode"}, []string{"workers.mode"}},
		{
			"names",
			quota.Limits{"": {}, "Workers": {}, "runs\x00": {}},
			[]string{"", "Workers", "runs\x00"},
			[]string{"", "Workers", "runs\x00"},
		},
		{"until", quota.Limits{quota.Workers: {Until: time.Unix(-1, 0)}}, []string{"workers.until"}, []string{"workers.until"}},
		{
			"long reason",
			quota.Limits{quota.Workers: {Reason: strings.Repeat("é", 501)}},
			[]string{"workers.reason"},
			[]string{"workers.reason"},
		},
		{"NUL in reason", quota.Limits{quota.Workers: {Reason: "a\x00"}}, []string{"workers.reason"}, []string{"workers.reason"}},
		{"reason not UTF-8", quota.Limits{quota.Workers: {Reason: "\xff"}}, []string{"workers.reason"}, []string{"workers.reason"}},
	} {
		if got := fields(c.limits.Validate(false)); !slices.Equal(got, c.plan) {
			t.Errorf("%s, as a plan: wrong fields are %q, want %q", c.what, got, c.plan)
		}
		if got := fields(c.limits.Validate(true)); !slices.Equal(got, c.overriding) {
			t.Errorf("%s, as overrides: wrong fields are %q, want %q", c.what, got, c.overriding)
		}
	}
}

func TestValidateClipsNames(t *testing.T) {
	errs := quota.Limits{quota.Name(strings.Repeat("é", 1<<20)): {}}.Validate(false)
	if len(errs) != 1 || len(errs[0].Field) > 70 {
		t.Errorf("%d errors, first with %d bytes", len(errs), len(errs[0].Field))
	}
}

func fields(errs []quota.FieldError) []string {
	var out []string
	for _, e := range errs {
		out = append(out, e.Field)
	}
	return out
}
