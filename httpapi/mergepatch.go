package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rentroll/rentroll"
)

// tenantPatch is a JSON merge patch (RFC 7396) of a tenant: members that are null are to be removed, objects are merged,
// everything else is replaced.
type tenantPatch map[string]any

// UnmarshalJSONFrom reads a patch, with numbers as they were written.
func (p *tenantPatch) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	patch, ok := exact(value).(map[string]any)
	if !ok {
		return invalid(rentroll.FieldError{Field: "body", Message: "must be an object"})
	}
	*p = patch
	var bad []rentroll.FieldError
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		// The removal of a member that is not there would otherwise pass in silence, a misspelled one too.
		if member(reflect.TypeFor[rentroll.TenantEdit](), name) == nil {
			bad = append(bad, rentroll.FieldError{Field: clip(name), Message: "is not a field that can be changed here"})
		}
	}
	return invalid(bad...)
}

// exact reads valid JSON without rounding numbers.
func exact(body []byte) any {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		panic(fmt.Errorf("httpapi: JSON that was checked can't be read: %w", err))
	}
	return v
}

// merge applies a patch to a value: MergePatch of RFC 7396, section 2.
func merge(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := target.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = merge(out[name], value)
		}
	}
	return out
}

// apply changes what of a tenant may be changed. It may run more than once, each time on what is there by then.
func (p tenantPatch) apply(edit *rentroll.TenantEdit) error {
	before, err := json.Marshal(edit)
	if err != nil {
		return fmt.Errorf("httpapi: a tenant has no JSON form: %w", err)
	}
	merged := merge(exact(before), map[string]any(p))
	p.keepUnlimited(merged)
	after, err := json.Marshal(merged)
	if err != nil {
		return fmt.Errorf("httpapi: a patched tenant has no JSON form: %w", err)
	}
	var next rentroll.TenantEdit
	if err := decode(after, &next); err != nil {
		return err
	}
	*edit = next
	return nil
}

// keepUnlimited sees to the one null that is a value here. {"limit": null} is an override without a limit; the merge
// has taken it for a removal, and what is left would be refused as an override that does not say its limit.
func (p tenantPatch) keepUnlimited(merged any) {
	overrides, _ := p["limit_overrides"].(map[string]any)
	for name, value := range overrides {
		given, _ := value.(map[string]any)
		limit, said := given["limit"]
		if override, ok := at(merged, "limit_overrides", name).(map[string]any); ok && said && limit == nil {
			override["limit"] = nil
		}
	}
}

// at returns the member of an object that a path of names leads to; nil where there is none.
func at(v any, path ...string) any {
	for _, name := range path {
		members, _ := v.(map[string]any)
		v = members[name]
	}
	return v
}
