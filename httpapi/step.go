package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

const idempotencyHeader = "Idempotency-Key"

// call is one authenticated request on its way through a handler. The handler may say how the answer differs from what
// the route says.
type call struct {
	context.Context
	engine     *rentroll.Engine  // acts for the caller
	tenant     rentroll.TenantID // that the path names
	conditions conditions

	status   int                                            // 0 is the route's
	location string                                         // where what was made can be read
	replayed bool                                           // the answer repeats an earlier one
	stream   func(http.ResponseWriter, *http.Request) error // writes the answer instead, where it is not JSON
	object   any                                            // whose ETag the answer carries, where that is not the whole answer
}

// scoped is implemented by parameters that name a tenant.
type scoped interface{ tenantRef() string }

// onceOnly is implemented by parameters that take an idempotency key.
type onceOnly interface{ idempotencyKey() string }

// ownBody is implemented by bodies of other media types than JSON, which read themselves.
type ownBody interface {
	read(h http.Header, body []byte) error
}

// handler does the one thing that a route is for, with its parameters P and its body B.
type handler[P, B, T any] func(c *call, p *P, b *B) (T, error)

// add registers a route: what is said of it in the OpenAPI document and the step between HTTP and its handler.
func add[P, B, T any](s *server, r route, do handler[P, B, T]) {
	if known := slices.Contains(rentroll.OperatorPermissions(), r.needs); known != (strings.HasPrefix(r.path(), "/v1/") && !r.relayed) {
		panic("httpapi: a route under /v1/, and no other, but for relayed ones, needs a permission that there is: " + r.at)
	}
	s.added = append(s.added, r)
	op := s.describe(r)
	api := s.api
	if params, plain := textsOf(reflect.TypeFor[P]()); plain {
		addDirect(s, r, isPublic(&op), params, do)
		api = descriptive{api}
	}
	if reflect.TypeFor[T]() == reflect.TypeFor[nothing]() {
		huma.Register(api, op, func(ctx context.Context, p *P) (*struct{}, error) {
			if _, _, err := perform(ctx, s, r, p, do); err != nil {
				return nil, s.problem(ctx, err)
			}
			return &struct{}{}, nil
		})
	} else {
		huma.Register(api, op, func(ctx context.Context, p *P) (*answer[T], error) {
			c, out, err := perform(ctx, s, r, p, do)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			a, err := answerWith(c, r, out)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return a, nil
		})
	}
	s.document(r, reflect.TypeFor[P](), reflect.TypeFor[B]())
}

// perform takes a request from the types of its parameters to the engine's answer.
func perform[P, B, T any](ctx context.Context, s *server, r route, p *P, do handler[P, B, T]) (*call, T, error) {
	var none T
	x := exchangeOf(ctx)
	req := x.request
	c := &call{Context: ctx, engine: x.engine}
	var err error
	if err := mayAsk(c.engine, r); err != nil {
		return c, none, err
	}
	if !r.relayed { // else its conditions were meant for somebody else
		if c.conditions, err = conditionsOf(req.Header); err != nil {
			return c, none, err
		}
	}
	if r.method() != http.MethodGet && !r.conditional && c.conditions.given() {
		return c, none, malformed("this operation takes no conditions: If-Match and If-None-Match would have no effect")
	}
	if _, takes := any(p).(onceOnly); takes {
		if err := checkOnceHeader(req.Header); err != nil {
			return c, none, err
		}
	}
	if named, ok := any(p).(scoped); ok {
		if c.tenant, err = c.engine.ResolveTenant(ctx, named.tenantRef()); err != nil {
			return c, none, err
		}
	}
	if x.forUser != "" && r.needs != "" {
		if c.engine, err = c.engine.ForUser(ctx, c.tenant, x.forUser); err != nil {
			return c, none, err
		}
		x.engine = c.engine
	}
	if r.conditional && c.conditions.given() {
		c.engine = c.engine.If(c.conditions.holds)
	}
	body := new(B)
	if err := s.readInto(&x.writer, req, r, body); err != nil {
		return c, none, err
	}
	out, err := do(c, p, body)
	return c, out, err
}

// mayAsk refuses operators who lack the permission before anything is looked up, so that they learn not even which tenants
// there are. A tenant's callers are told of a missing permission only where they may know of the tenant: by the engine.
func mayAsk(engine *rentroll.Engine, r route) error {
	if r.needs == "" || engine.Actor().Kind != rentroll.ActorOperator {
		return nil
	}
	return engine.Actor().Permits(r.needs)
}

// readInto reads the body of a request where its route takes one.
func (s *server) readInto(w http.ResponseWriter, req *http.Request, r route, into any) error {
	if r.body == noBody {
		return nil
	}
	if own, ok := into.(ownBody); ok {
		data, err := s.readWhole(w, req)
		if err != nil {
			return err
		}
		return own.read(req.Header, data)
	}
	data, err := s.readBody(w, req, r.mediaTypes())
	switch {
	case err != nil:
		return err
	case string(bytes.TrimSpace(data)) == "null":
		return invalid(rentroll.FieldError{Field: "body", Message: "must be an object"}) // to a decoder, an empty one
	case data != nil:
		return decode(data, into)
	case r.body == needsBody:
		return malformed("the request needs a body: a JSON object")
	default:
		return nil
	}
}

// checkOnceHeader refuses idempotency keys that would be taken for none: who sends one relies on it.
func checkOnceHeader(h http.Header) error {
	values := h.Values(idempotencyHeader)
	switch {
	case len(values) > 1:
		return invalid(rentroll.FieldError{Field: idempotencyHeader, Message: "must be given once"})
	case slices.Contains(values, ""):
		return invalid(rentroll.FieldError{Field: idempotencyHeader, Message: "must not be empty"})
	default:
		return nil
	}
}

// answerWith makes the answer of a handler's result.
func answerWith[T any](c *call, r route, out T) (*answer[T], error) {
	body, err := encode(out)
	if err != nil {
		return nil, err
	}
	a := &answer[T]{Status: r.success(), Location: c.location, Body: ready[T]{body}}
	if c.status != 0 {
		a.Status = c.status
	}
	if c.replayed {
		a.Replayed = "true"
	}
	if !r.tagged {
		return a, nil
	}
	if a.ETag, err = tagOfAnswer(c, out, body); err != nil {
		return nil, err
	}
	if r.method() == http.MethodGet && !r.moving && c.conditions.noneMatch.matchesWeakly(a.ETag) {
		a.Status = http.StatusNotModified
	}
	return a, nil
}
