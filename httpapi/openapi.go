package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rentroll/rentroll"
)

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
)

// What the OpenAPI document says of callers beyond the standard: the permission that an operation needs, and the kinds of
// caller that may have it.
const (
	permissionExtension = "x-permission"
	callersExtension    = "x-callers"
)

// bodyKind says whether a route takes a body.
type bodyKind uint8

const (
	noBody bodyKind = iota
	mayHaveBody
	needsBody
)

// route is all that is said of an operation before its handler: the router, the step and the OpenAPI document are made
// of it.
type route struct {
	at          string // method and path
	id          string // names the operation in generated clients
	does        string
	more        string              // what else callers should know
	needs       rentroll.Permission // of the caller; "" lets everybody in, without a credential
	platform    bool                // for operators only, though the permission is one that tenants' callers may have
	status      int                 // of a success; 0 is 200, or 204 where there is nothing to say
	body        bodyKind
	patch       bool            // the body is a merge patch
	makes       bool            // answers 201 where there was no such object before
	replays     bool            // says where it repeats an earlier answer, without an idempotency key too
	located     bool            // the answer says where what was made can be read
	tagged      bool            // the answer is one object and carries its ETag
	conditional bool            // honors If-Match
	moving      bool            // the ETag leaves out what changes by itself: no answer is 304
	relayed     bool            // the request's headers are those of another one: nothing counts but the key, which is what it is about
	codes       []rentroll.Code // beside those that the fields above give rise to
}

func (r route) method() string {
	method, _, _ := strings.Cut(r.at, " ")
	return method
}

func (r route) path() string {
	_, path, _ := strings.Cut(r.at, " ")
	return path
}

// operatorsOnly reports whether no caller of a tenant may do it.
func (r route) operatorsOnly() bool {
	return r.needs != "" && (r.platform || !slices.Contains(rentroll.AllPermissions(), r.needs))
}

// forUsers reports whether a user's role may permit it: where it is about a tenant, or about what all may read.
func (r route) forUsers() bool {
	return !r.operatorsOnly() && (strings.Contains(r.at, "{tenant}") || r.needs == rentroll.PermPlanRead)
}

func (r route) success() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// silence is the status of a success that says nothing.
func (r route) silence() int {
	if r.status == 0 {
		return http.StatusNoContent
	}
	return r.status
}

func (r route) mediaTypes() []string {
	if r.patch {
		return []string{jsonType, mergePatchType}
	}
	return jsonContent
}

// refusals are the codes that an operation may answer with, in the order of the list of codes.
func (r route) refusals(once bool) []rentroll.Code {
	may := append([]rentroll.Code{
		rentroll.CodeMalformedRequest, rentroll.CodeValidationFailed, rentroll.CodeInternal, rentroll.CodeUnavailable,
	}, r.codes...)
	if r.needs != "" {
		may = append(may, rentroll.CodeUnauthenticated, rentroll.CodeForbidden, rentroll.CodeRateLimited, rentroll.CodeOverloaded)
		if !r.operatorsOnly() {
			may = append(may, rentroll.CodeTenantSuspended, rentroll.CodeTenantTerminated)
		}
	}
	if strings.Contains(r.at, "{") {
		may = append(may, rentroll.CodeNotFound)
	}
	if r.body != noBody {
		may = append(may, rentroll.CodePayloadTooLarge, rentroll.CodeUnsupportedMediaType)
	}
	if r.conditional {
		may = append(may, rentroll.CodePreconditionFailed)
	}
	if once {
		may = append(may, rentroll.CodeIdempotencyMismatch)
	}
	var out []rentroll.Code
	for _, o := range outcomes {
		if slices.Contains(may, o.code) {
			out = append(out, o.code)
		}
	}
	return out
}

// newAPI prepares huma: what is described, how bodies are written, and who is let in.
func newAPI(s *server) huma.API {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Rentroll", Version: s.opts.Version, Description: introduction,
				License: &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"},
			},
			Servers: []*huma.Server{{URL: "/", Description: "The server that this document is from"}},
			Tags:    tags,
			Components: &huma.Components{
				Schemas: newRegistry(),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "An operator key or a tenant's API key."},
					"apiKey": {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "The same keys in a header of their own."},
				},
			},
		},
		Formats:                      map[string]huma.Format{jsonType: format, "json": format}, // "json" stands for all "+json"
		DefaultFormat:                jsonType,
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.ownProblems},
	}
	api := humago.New(s.mux, config)
	api.UseMiddleware(s.admit)
	return api
}

// ownProblems replaces the errors that huma makes of a path or a query that it can't read.
func (s *server) ownProblems(ctx huma.Context, _ string, v any) (any, error) {
	theirs, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	var fields []rentroll.FieldError
	for _, e := range theirs.Errors {
		_, name, _ := strings.Cut(e.Location, ".") // query.limit
		fields = append(fields, rentroll.FieldError{Field: clip(name), Message: clip(e.Message)})
	}
	err := invalid(fields...)
	if theirs.Status != http.StatusUnprocessableEntity || err == nil {
		err = fmt.Errorf("httpapi: an error that huma was not expected to make: %w", theirs)
	}
	p := s.problem(ctx.Context(), err)
	p.Status = theirs.Status // it is on its way already
	return p, nil
}

// describe is what the OpenAPI document says of a route that does not follow from its types.
func (s *server) describe(r route) huma.Operation {
	op := huma.Operation{
		Method: r.method(), Path: r.path(), OperationID: r.id, Summary: r.does, DefaultStatus: r.status,
		Tags: []string{tagOfPath(r.path())}, Responses: map[string]*huma.Response{},
	}
	var text []string
	if r.more != "" {
		text = append(text, r.more)
	}
	callers := []rentroll.ActorKind{rentroll.ActorOperator}
	switch {
	case r.needs == "":
	case r.operatorsOnly():
		text = append(text, "Needs an operator key with the permission `"+string(r.needs)+"`.")
	default:
		callers = append(callers, rentroll.ActorAPIKey)
		holders := "of an operator key or of an API key of the tenant"
		if r.forUsers() {
			callers = append(callers, rentroll.ActorUser)
			holders = "of an operator key, of an API key of the tenant, or of the role of the user that `" + userHeader + "` names"
		}
		text = append(text, "Needs the permission `"+string(r.needs)+"`, "+holders+".")
	}
	if r.needs != "" {
		op.Extensions = map[string]any{permissionExtension: r.needs, callersExtension: callers}
	}
	op.Description = strings.Join(text, "\n\n")
	op.Security = []map[string][]string{{"bearer": {}}, {"apiKey": {}}}
	switch {
	case r.relayed:
		op.Security = append(op.Security, map[string][]string{}) // the key is no condition of asking
	case r.needs == "":
		op.Security = []map[string][]string{{}}
	}
	op.Responses["500"] = &huma.Response{} // keeps huma from describing errors of its own form; see document
	op.Responses["503"] = &huma.Response{}
	return op
}

// document completes what is said of a route with what the step does for it.
func (s *server) document(r route, params, body reflect.Type) {
	op := operationAt(s.api.OpenAPI(), r)
	registry := s.api.OpenAPI().Components.Schemas
	once := params.Implements(reflect.TypeFor[onceOnly]())
	for _, p := range op.Parameters {
		describeParam(p)
	}
	if r.body != noBody && !reflect.PointerTo(body).Implements(reflect.TypeFor[ownBody]()) {
		op.RequestBody = &huma.RequestBody{Required: r.body == needsBody, Content: map[string]*huma.MediaType{}}
		for _, media := range r.mediaTypes() {
			op.RequestBody.Content[media] = &huma.MediaType{Schema: registry.Schema(body, true, r.id)}
		}
	}
	success := op.Responses[strconv.Itoa(op.DefaultStatus)]
	if success.Headers == nil {
		success.Headers = map[string]*huma.Header{}
	}
	if !isPublic(op) {
		success.Headers["RateLimit-Policy"] = header("The limits of requests a minute that an API key and its tenant have, where there are any (draft-ietf-httpapi-ratelimit-headers): `\"key\";q=600;w=60`.")
		success.Headers["RateLimit"] = header("How many requests are left of each, and in how many seconds all of them will be: `\"key\";r=599;t=1`.")
	}
	if once || r.replays {
		success.Headers["Idempotency-Replayed"] = header("`true` where the answer repeats an earlier one, so that nothing was done now.")
	}
	if r.located {
		success.Headers["Location"] = header("Where what was made can be read.")
	}
	if r.tagged {
		success.Headers["ETag"] = header("The version of the object, for If-Match and If-None-Match.")
		if r.method() == http.MethodGet && !r.moving {
			op.Parameters = append(op.Parameters, headerParam("If-None-Match", "ETags that the caller has; where one is still right, the answer is 304."))
			op.Responses["304"] = &huma.Response{
				Description: "The object is as the caller has it.", Headers: map[string]*huma.Header{"ETag": success.Headers["ETag"]},
			}
		}
	}
	if r.forUsers() {
		op.Parameters = append(op.Parameters, headerParam(userHeader, aboutUserHeader))
	}
	if r.conditional {
		op.Parameters = append(op.Parameters, headerParam("If-Match", "Change the object only if this ETag is still right, else 412."))
	}
	if r.makes {
		made := *success
		made.Description = http.StatusText(http.StatusCreated)
		op.Responses["201"] = &made
	}
	s.documentProblems(op, r.refusals(once))
}

// documentProblems lists the codes under the statuses with which they are answered.
func (s *server) documentProblems(op *huma.Operation, codes []rentroll.Code) {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "")
	for _, code := range codes {
		o := outcomeOf(code)
		status := strconv.Itoa(o.status)
		answer := op.Responses[status]
		if answer == nil || answer.Content == nil {
			answer = &huma.Response{Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
			op.Responses[status] = answer
		}
		if answer.Description != "" {
			answer.Description += ", "
		}
		answer.Description += "`" + string(code) + "`"
		switch code {
		case rentroll.CodeQuotaExceeded, rentroll.CodeRateLimited, rentroll.CodeOverloaded, rentroll.CodeUnavailable:
			answer.Headers = map[string]*huma.Header{"Retry-After": header("Seconds after which it may be worth trying again.")}
		case rentroll.CodeUnauthenticated:
			answer.Headers = map[string]*huma.Header{"WWW-Authenticate": header("`Bearer`")}
		default:
		}
	}
}

func header(description string) *huma.Header {
	return &huma.Header{Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

func headerParam(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

// operationAt returns what is said of a route in a document.
func operationAt(doc *huma.OpenAPI, r route) *huma.Operation {
	item := doc.Paths[r.path()]
	switch r.method() {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	case http.MethodDelete:
		return item.Delete
	default:
		panic("httpapi: a route with the method " + r.method())
	}
}

// specification returns the finished document.
func (s *server) specification() []byte {
	doc := s.api.OpenAPI()
	complete(doc.Components.Schemas)
	body, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Errorf("httpapi: the OpenAPI document has no JSON form: %w", err))
	}
	return body
}
