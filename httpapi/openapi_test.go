package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// bare is a server whose document can be read without a database behind it.
var bare = sync.OnceValue(func() *server { return newServer(&rentroll.Engine{}, &Options{Version: "1.2.3"}) })

func routesOf(t *testing.T) []route {
	t.Helper()
	return bare().added
}

func TestEveryOperationIsDocumented(t *testing.T) {
	t.Parallel()
	s := bare()
	for _, r := range s.added {
		op := operationAt(s.api.OpenAPI(), r)
		if op.Summary == "" || len(op.Tags) != 1 || op.OperationID != r.id {
			t.Errorf(r.id+": summary %q, tags %q, id %q", op.Summary, op.Tags, op.OperationID)
		}
		if !slices.ContainsFunc(tags, func(tag *huma.Tag) bool { return tag.Name == op.Tags[0] }) {
			t.Errorf(r.id+": the tag %q is not explained", op.Tags[0])
		}
		if public := !strings.HasPrefix(r.path(), "/v1/") || r.relayed; public != isPublic(op) || public != (r.needs == "") {
			t.Errorf(r.id+": security %v of %s", op.Security, r.at)
		}
		for _, p := range op.Parameters {
			if p.Description == "" {
				t.Errorf(r.id+": the parameter %s is not explained", p.Name)
			}
		}
		errors := 0
		for status, response := range op.Responses {
			code, err := strconv.Atoi(status)
			if err != nil {
				t.Fatalf(r.id+": status %q", status)
			}
			if response.Description == "" {
				t.Errorf(r.id+": status %s is not explained", status)
			}
			if code < 400 {
				continue
			}
			errors++
			if response.Content[problemType] == nil || response.Content[problemType].Schema.Ref != "#/components/schemas/Problem" {
				t.Errorf(r.id+": status %s is no problem", status)
			}
		}
		if least := map[bool]int{true: 4, false: 6}[isPublic(op)]; errors < least {
			t.Errorf(r.id+": %d error statuses, at least %d expected", errors, least)
		}
	}
}

func TestTheDocumentIsWhole(t *testing.T) {
	t.Parallel()
	body := bare().spec
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi %v", doc["openapi"])
	}
	for _, reference := range references(doc) {
		name, ok := strings.CutPrefix(reference, "#/components/schemas/")
		if !ok || at(doc, "components", "schemas", name) == nil {
			t.Errorf("%s leads nowhere", reference)
		}
	}
	schemas, _ := at(doc, "components", "schemas").(map[string]any)
	used := references(doc)
	for name := range schemas {
		if !slices.Contains(used, "#/components/schemas/"+name) {
			t.Errorf("nothing refers to the schema %s", name)
		}
	}
	for _, later := range []string{"webhook"} {
		if bytes.Contains(body, []byte("/"+later)) {
			t.Errorf("%s is documented before it is there", later)
		}
	}
}

// references are all $ref below v.
func references(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			out = append(out, ref)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, references(v[name])...)
		}
	case []any:
		for _, item := range v {
			out = append(out, references(item)...)
		}
	}
	return out
}

func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	s := bare()
	registry := s.api.OpenAPI().Components.Schemas
	for name, made := range examples {
		schema := registry.Map()[name]
		if schema == nil {
			t.Errorf("an example of %s, which is no schema", name)
			continue
		}
		if wrong := fits(registry, schema, made()); wrong != "" {
			t.Errorf("the example of %s: %s\n%s", name, wrong, made())
		}
	}
	for key := range meanings {
		name, field, _ := strings.Cut(key, ".")
		if schema := registry.Map()[name]; schema == nil || schema.Properties[field] == nil {
			t.Errorf("a meaning of %s, which there is not", key)
		}
	}
}

// TestDocumentedBoundsHold sends values at and beyond each bound that the schemas of bodies name.
func TestDocumentedBoundsHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.furnish()
	registry := w.server.api.OpenAPI().Components.Schemas
	for _, s := range samples {
		if s.body == "" {
			continue
		}
		a := f.ask(s, operatorSecret)
		op := documented(w.server.api.OpenAPI(), a.method, a.path)
		probe := func(beyond bool, check func(name string, r *reply)) {
			for name, property := range properties(registry, op) {
				for value, bad := range probes(property) {
					again := a
					again.body = replaced(t, fmt.Sprint(a.body), name, value)
					if name == "cost_cents" { // alone, or it would have to be the same
						again.body = replaced(t, fmt.Sprint(again.body), "cost_micros", "null")
					}
					if bad == beyond {
						check(name, w.send(again))
					}
				}
			}
		}
		w.unchanged(func() {
			probe(true, func(name string, r *reply) { r.refused(rentroll.CodeValidationFailed).names(name, true) })
		})
		probe(false, func(name string, r *reply) {
			if r.status == http.StatusUnprocessableEntity {
				r.names(name, false)
			}
		})
	}
}

// properties are the members of the body of an operation.
func properties(registry huma.Registry, op *huma.Operation) map[string]*huma.Schema {
	body := cmp.Or(op.RequestBody.Content[cloudEventType], op.RequestBody.Content[jsonType])
	schema := body.Schema
	if schema.OneOf != nil {
		schema = schema.OneOf[0]
	}
	if schema.Ref != "" {
		schema = registry.SchemaFromRef(schema.Ref)
	}
	return schema.Properties
}

// probes are JSON values at the bounds of a schema, and whether they are beyond them.
func probes(s *huma.Schema) map[string]bool {
	out := map[string]bool{}
	if s.Minimum != nil {
		out[fmt.Sprintf("%.0f", *s.Minimum-1)] = true
		out[fmt.Sprintf("%.0f", *s.Minimum)] = false
	}
	if s.Maximum != nil {
		out[fmt.Sprintf("%.0f", *s.Maximum+1)] = true
		out[fmt.Sprintf("%.0f", *s.Maximum)] = false
	}
	if s.MinLength != nil && *s.MinLength > 0 {
		out[strconv.Quote(strings.Repeat("x", *s.MinLength-1))] = true
	}
	if s.MaxLength != nil {
		out[strconv.Quote(strings.Repeat("x", *s.MaxLength+1))] = true
		out[strconv.Quote(strings.Repeat("ü", *s.MaxLength+1))] = true
	}
	if s.Pattern != "" {
		out[`"Not this"`] = true
		out[`""`] = true
		out[strconv.Quote(strings.Repeat("x", 101))] = true
	}
	if s.MinItems != nil && *s.MinItems > 0 {
		out["[]"] = true
	}
	if s.MaxItems != nil {
		item := `"x"`
		if s.Items.Ref != "" {
			item = `{}`
		}
		out["["+strings.Repeat(item+",", *s.MaxItems)+item+"]"] = true
	}
	for _, word := range s.Enum {
		out[strconv.Quote(strings.ToUpper(fmt.Sprint(word)))] = true
	}
	return out
}

// replaced is a JSON object with another value of one member.
func replaced(t *testing.T, body, name, value string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	members[name] = json.RawMessage(value)
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
