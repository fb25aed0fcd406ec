package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// conforms says what of an answer is not as the OpenAPI document of the server has it, "" for nothing.
func conforms(s *server, method, path string, r *reply) string {
	if method == "HEAD" {
		return ""
	}
	op := documented(s.api.OpenAPI(), method, path)
	if op == nil {
		return ""
	}
	response := op.Responses[fmt.Sprint(r.status)]
	if response == nil {
		return fmt.Sprintf("there is no status %d", r.status)
	}
	if strings.HasPrefix(r.header.Get("Content-Type"), problemType) {
		var p struct{ Code string }
		if err := json.Unmarshal(r.body, &p); err != nil {
			return err.Error()
		}
		if !strings.Contains(response.Description, "`"+p.Code+"`") {
			return "status " + fmt.Sprint(r.status) + " is not documented to mean " + p.Code
		}
	}
	for name := range r.header {
		switch name {
		case "Etag", "Location", "Idempotency-Replayed", "Retry-After", "Www-Authenticate":
			found := false
			for documented := range response.Headers {
				found = found || strings.EqualFold(documented, name)
			}
			if !found {
				return "the header " + name + " is not documented"
			}
		}
	}
	media := response.Content[strings.Split(r.header.Get("Content-Type"), ";")[0]]
	switch {
	case media == nil && len(r.body) == 0:
		return ""
	case media == nil:
		return "no media type " + r.header.Get("Content-Type")
	case strings.HasPrefix(r.header.Get("Content-Type"), csvType), r.header.Get("Content-Type") == zipType:
		return "" // no JSON: its own tests look at it
	}
	return fits(s.api.OpenAPI().Components.Schemas, media.Schema, r.body)
}

// fits says what of a JSON text does not fit a schema.
func fits(registry huma.Registry, schema *huma.Schema, body []byte) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&v); err != nil {
		return err.Error()
	}
	result := &huma.ValidateResult{}
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, result)
	var words []string
	for _, err := range result.Errors {
		words = append(words, err.Error())
	}
	return strings.Join(words, "; ")
}

// documented returns the operation of a document that a request belongs to.
func documented(doc *huma.OpenAPI, method, path string) *huma.Operation {
	for template, item := range doc.Paths {
		if !sameShape(template, path) {
			continue
		}
		for _, op := range operations(item) {
			if op.Method == method {
				return op
			}
		}
	}
	return nil
}

func operations(item *huma.PathItem) []*huma.Operation {
	var out []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			out = append(out, op)
		}
	}
	return out
}

func sameShape(template, path string) bool {
	x, y := strings.Split(template, "/"), strings.Split(path, "/")
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] && !strings.HasPrefix(x[i], "{") {
			return false
		}
	}
	return true
}
