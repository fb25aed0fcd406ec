package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rentroll/rentroll"
)

// admit is the way into the operations that huma answers.
func (s *server) admit(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if _, err := s.letIn(w, r, isPublic(ctx.Operation())); err != nil {
		s.refuse(w, r, err)
		return
	}
	r.Header.Del("Accept") // every answer is JSON; huma would pick a media type by it
	next(ctx)
}

// letIn is the way into every operation: it finds out who calls, and refuses what no operation would take. An operation
// that its documentation calls public needs no credential. It returns the query.
func (s *server) letIn(w http.ResponseWriter, r *http.Request, public bool) (url.Values, error) {
	if !public {
		if err := s.authenticate(w, r); err != nil {
			return nil, err
		}
	}
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	return readQuery(r.URL.RawQuery)
}

// isPublic reports whether an operation is documented to need no credential.
func isPublic(op *huma.Operation) bool {
	return slices.ContainsFunc(op.Security, func(way map[string][]string) bool { return len(way) == 0 })
}

// authenticate notes the caller in the request's exchange, and how it stands against its rate limits in the answer's
// headers.
func (s *server) authenticate(w http.ResponseWriter, r *http.Request) error {
	secret, err := credential(r.Header)
	if err != nil {
		return err
	}
	actor, err := s.engine.AuthenticateFrom(r.Context(), secret, s.callerAddress(r))
	showRateLimits(w.Header(), actor.RateLimits)
	if err != nil {
		return err
	}
	x := exchangeOf(r.Context())
	if x.forUser, err = actingUser(r.Header, actor); err != nil {
		return err
	}
	actor.RequestID = x.id
	actor.UserAgent = userAgent(r.UserAgent())
	x.engine = s.engine.As(actor)
	return nil
}

// credential returns the one secret of a request; "" is none, which is good for nobody.
func credential(h http.Header) (string, error) {
	var space [2]string // keeps the usual one off the heap
	found := space[:0]
	for _, value := range h["Authorization"] {
		scheme, secret, _ := strings.Cut(strings.TrimSpace(value), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			secret = "" // some other scheme is a credential too, if one that lets nobody in
		}
		found = append(found, strings.TrimSpace(secret))
	}
	found = append(found, h["X-Api-Key"]...)
	slices.Sort(found)
	found = slices.Compact(found)
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	default:
		return "", malformed("the request has two different credentials")
	}
}

// userHeader names the user for whom the holder of an operator key acts.
const userHeader = "Rentroll-User"

// actingUser returns the user that a request is made for, "" for none.
func actingUser(h http.Header, caller rentroll.Actor) (string, error) {
	given, ok := h[http.CanonicalHeaderKey(userHeader)]
	switch {
	case !ok:
		return "", nil
	case caller.Kind != rentroll.ActorOperator:
		return "", &rentroll.Error{Code: rentroll.CodeForbidden, Message: "only an operator key acts for users: " + userHeader + " does not go with an API key"}
	case len(given) > 1:
		return "", invalid(rentroll.FieldError{Field: userHeader, Message: "must be given once"})
	case given[0] == "":
		return "", invalid(rentroll.FieldError{Field: userHeader, Message: "must not be empty"})
	default:
		return given[0], nil
	}
}

// userAgent brings a header that may hold any bytes to text that the audit can keep.
func userAgent(s string) string {
	const most = 256
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}

// readQuery refuses what the parser of the query would let pass: what can't be read, and what comes twice or empty.
func readQuery(raw string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, malformed("the query can't be read")
	}
	var bad []rentroll.FieldError
	for name, given := range values {
		switch {
		case len(given) > 1:
			bad = append(bad, rentroll.FieldError{Field: clip(name), Message: "must be given once"})
		case given[0] == "":
			bad = append(bad, rentroll.FieldError{Field: clip(name), Message: "must not be empty"})
		}
	}
	slices.SortFunc(bad, func(a, b rentroll.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return values, invalid(bad...)
}

const aboutUserHeader = "With an operator key: the user for whom the call is made, an id (`usr_…`) or `external:` and an external id. " +
	"The user's role in the tenant is then what permits, and the audit names the user; a tenant in which the user is no member does not exist."
