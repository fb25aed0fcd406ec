package httpapi

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
)

// operation is what the served document says of one operation.
type operation struct {
	id, method, path string
	needs            rentroll.Permission // "" for public ones
	callers          []rentroll.ActorKind
	query            url.Values // what it requires
	body             []byte     // nil where it takes none
	media            string     // of the body
}

func (o operation) ofTenant() bool { return strings.Contains(o.path, "{tenant}") }

func (o operation) operatorsOnly() bool { return !slices.Contains(o.callers, rentroll.ActorAPIKey) }

// header adds the media type of the body to the headers of a request.
func (o operation) header(others map[string]string) map[string]string {
	if o.body == nil {
		return others
	}
	out := maps.Clone(others)
	if out == nil {
		out = map[string]string{}
	}
	out["Content-Type"] = o.media
	return out
}

// starts reports whether the operation begins something new, which updating a run otherwise does not.
func (o operation) starts() bool {
	return strings.HasSuffix(o.path, "/start") || strings.HasSuffix(o.path, "/retry") || strings.HasSuffix(o.path, "/reserve")
}

// document is the OpenAPI document as a client sees it.
type document map[string]any

func (w *world) document() document {
	w.t.Helper()
	var d document
	w.send(ask{method: "GET", path: "/openapi.json"}).expect(200).into(&d)
	return d
}

// operations are all operations of the document, in order of their paths.
func (d document) operations() (out []operation) {
	paths, _ := d["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		methods, _ := paths[path].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			op, _ := methods[method].(map[string]any)
			o := operation{method: strings.ToUpper(method), path: path, query: url.Values{}}
			o.id, _ = op["operationId"].(string)
			needs, _ := op["x-permission"].(string)
			o.needs = rentroll.Permission(needs)
			callers, _ := op["x-callers"].([]any)
			for _, c := range callers {
				kind, _ := c.(string)
				o.callers = append(o.callers, rentroll.ActorKind(kind))
			}
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				p, _ := p.(map[string]any)
				if name, _ := p["name"].(string); p["in"] == "query" && p["required"] == true {
					o.query.Set(name, strings.Trim(string(asJSON(d.instance(p["schema"]))), `"`))
				}
			}
			for _, media := range []string{cloudEventType, jsonType} {
				if schema := at(op, "requestBody", "content", media, "schema"); schema != nil {
					o.body, o.media = asJSON(d.instance(schema)), media
					break
				}
			}
			out = append(out, o)
		}
	}
	return out
}

func asJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

// instance is a value that fits a schema: its example where it has one, of objects what is required.
func (d document) instance(schema any) any {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		return d.instance(at(map[string]any(d), strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	for _, given := range []string{"examples", "enum", "oneOf", "anyOf"} {
		if list, _ := s[given].([]any); len(list) > 0 {
			if strings.HasSuffix(given, "Of") {
				return d.instance(list[0])
			}
			return list[0]
		}
	}
	kind, _ := s["type"].(string)
	if kinds, _ := s["type"].([]any); len(kinds) > 0 {
		kind, _ = kinds[0].(string)
	}
	switch kind {
	case "object":
		out := map[string]any{}
		required, _ := s["required"].([]any)
		for _, name := range required {
			name, _ := name.(string)
			out[name] = d.instance(at(s, "properties", name))
		}
		return out
	case "array":
		return []any{d.instance(s["items"])}
	case "integer", "number":
		if least, ok := s["minimum"]; ok {
			return least
		}
		return 1
	case "boolean":
		return true
	case "string":
		return "x"
	default:
		return map[string]any{}
	}
}

// place fills the path of an operation with real objects of a tenant: what the list in front of a parameter shows first.
func (w *world) place(o operation, tenant string) (path string, objects []string) {
	w.t.Helper()
	parts := strings.Split(o.path, "/")
	for i, part := range parts {
		name, parameter := strings.CutSuffix(strings.TrimPrefix(part, "{"), "}")
		switch {
		case !parameter:
		case name == "tenant":
			parts[i] = tenant
		default:
			parts[i] = w.first(strings.Join(parts[:i], "/"), name)
			objects = append(objects, parts[i])
		}
	}
	path = strings.Join(parts, "/")
	if len(o.query) > 0 {
		path += "?" + o.query.Encode()
	}
	return path, objects
}

// first is what the first item of a list is called in paths.
func (w *world) first(list, name string) string {
	w.t.Helper()
	r := w.operator("GET", list, nil)
	var page struct{ Items []map[string]any }
	if r.status == 200 {
		r.into(&page)
	}
	if len(page.Items) == 0 {
		w.t.Fatalf("there is nothing in %s: furnish a {%s} for the isolation matrix", list, name)
	}
	for _, member := range []string{name, name + "_id", "id"} {
		if id, ok := page.Items[0][member].(string); ok {
			return id
		}
	}
	w.t.Fatalf("nothing in %s says what a {%s} is called: %v", list, name, page.Items[0])
	return ""
}
