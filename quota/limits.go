package quota

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Limits are the limits of a plan, or the overrides of a tenant. A quota that
// is absent is unlimited in a plan, and not overridden in overrides. Nil is
// the same as empty.
type Limits map[Name]Limit

// Effective returns the limit in force for name at now: the override while it
// is active, else the plan's, else [NoLimit].
func Effective(plan, overrides Limits, name Name, now time.Time) Limit {
	if l, ok := overrides[name]; ok && l.Active(now) {
		return l
	}
	if l, ok := plan[name]; ok {
		return l
	}
	return NoLimit()
}

// Clone returns a copy that shares nothing with l; nil stays nil.
func (l Limits) Clone() Limits { return maps.Clone(l) }

// Validate returns everything that is wrong with l, sorted by field, and nil if
// nothing is. Until and Reason are allowed in overrides only.
func (l Limits) Validate(override bool) []FieldError {
	var errs []FieldError
	for name, limit := range l {
		if _, ok := Lookup(name); !ok {
			_, _, wrong := name.meter()
			errs = append(errs, FieldError{clip(string(name)), wrong})
			continue
		}
		for _, e := range limit.validate(override) {
			errs = append(errs, FieldError{string(name) + "." + e.Field, e.Message})
		}
	}
	slices.SortFunc(errs, func(a, b FieldError) int { return cmp.Compare(a.Field, b.Field) })
	return errs
}

func (l Limit) validate(override bool) []FieldError {
	var errs []FieldError
	report := func(field, message string) {
		if message != "" {
			errs = append(errs, FieldError{field, message})
		}
	}
	if !l.Unlimited {
		report("limit", checkMax(l.Max))
	}
	if l.Mode != "" {
		report("mode", checkMode(l.Mode))
	}
	const overridesOnly = "is only allowed in an override"
	if !l.Until.IsZero() {
		if override {
			report("until", checkUntil(l.Until))
		} else {
			report("until", overridesOnly)
		}
	}
	if l.Reason != "" {
		if override {
			report("reason", checkReason(l.Reason))
		} else {
			report("reason", overridesOnly)
		}
	}
	return errs
}
