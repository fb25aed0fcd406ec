package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// The headers that tell an API who calls, as net/http spells them. A proxy copies them from a forward authentication's answer into the request that
// it lets through, and must let none of them in from outside.
const (
	tenantHeader      = "Rentroll-Tenant-Id"
	keyHeader         = "Rentroll-Key-Id"
	planHeader        = "Rentroll-Plan"
	permissionsHeader = "Rentroll-Permissions"
	denialHeader      = "Rentroll-Denial"
)

// maxSecret is the longest text that is looked at as a key, in bytes.
const maxSecret = 1024

const aboutForwardAuth = "For the `auth_request` of nginx, the ForwardAuth of Traefik, the `forward_auth` of Caddy: the request is a copy of the one that the proxy holds, with its key in `Authorization: Bearer` or `X-API-Key`. " +
	"204 lets it pass, and its headers tell the API who calls; 401 is a key that is good for nobody, 403 one that may not do this; `Rentroll-Denial` says why. Counts as a use of the key. " +
	"Public like the verification of one's own key: whoever asks learns of the key that it presents, and of no other. The proxy must remove headers that begin with `Rentroll-` from what comes in."

// forwardAuthParams are what the proxy's configuration asks of the key beside being good.
type forwardAuthParams struct {
	Permission string `query:"permission"`
	WorkerID   string `query:"worker_id"`
}

// forwardAuth answers a proxy that asks whether the request which it holds may pass. The request is somebody else's: all
// that counts of it is the key, and the answer tells only what whoever has the key may know. So it needs no credential
// beside the key.
func (s *server) forwardAuth(c *call, p *forwardAuthParams, _ *none) (nothing, error) {
	x := exchangeOf(c)
	secret, err := credential(x.request.Header)
	switch {
	case err != nil || len(secret) > maxSecret:
		return nothing{}, denied(x, "malformed") // 400 elsewhere, but a proxy knows 401 and 403 only
	case secret == "":
		return nothing{}, denied(x, "missing")
	}
	v, err := s.engine.VerifyAPIKey(c, rentroll.VerifyAPIKeyParams{
		Secret: secret, Permission: rentroll.Permission(p.Permission), WorkerID: p.WorkerID, IP: s.callerAddress(x.request),
	})
	if err != nil {
		return nothing{}, err
	}
	x.asker = v.APIKeyID
	h := x.writer.Header()
	showRateLimits(h, v.RateLimits)
	if !v.Valid {
		return nothing{}, denied(x, string(v.Code))
	}
	withoutBody(h)
	told := [...]string{v.TenantID.String(), v.APIKeyID.String(), string(v.Plan), strings.Join(v.Permissions, " ")}
	for i, name := range [...]string{tenantHeader, keyHeader, planHeader, permissionsHeader} {
		h[name] = told[i : i+1 : i+1] // one piece of memory for all of them
	}
	return nothing{}, nil
}

// denied refuses a request for a reason, which is the code of a verification or "missing". It is told in a header, too,
// since proxies drop the body or pass it on unread.
func denied(x *exchange, reason string) error {
	x.writer.Header().Set(denialHeader, reason)
	return (&rentroll.Verification{Code: rentroll.NullString(reason)}).Err()
}

// forwardAuthRoute adds the route and what is said of its parameters and of the headers of its answers.
func (s *server) forwardAuthRoute() {
	r := route{
		at: "GET /v1/forward-auth", id: "forwardAuth", does: "Whether the request that a proxy holds may pass", more: aboutForwardAuth,
		status: http.StatusNoContent, relayed: true,
		codes: codes{
			rentroll.CodeUnauthenticated, rentroll.CodeForbidden, rentroll.CodeTenantSuspended, rentroll.CodeTenantTerminated,
			rentroll.CodeWorkerNotAllowed, rentroll.CodeRateLimited, rentroll.CodeOverloaded,
		},
	}
	add(s, r, s.forwardAuth)
	op := operationAt(s.api.OpenAPI(), r)
	op.Tags = []string{"API keys"}
	for _, p := range op.Parameters {
		switch p.Name {
		case "permission":
			p.Description = "Also ask for this permission."
		case "worker_id":
			p.Description = "Also ask for this worker."
		}
	}
	answers := func(status int, headers map[string]string) {
		answer := op.Responses[strconv.Itoa(status)]
		if answer.Headers == nil {
			answer.Headers = map[string]*huma.Header{}
		}
		for name, meaning := range headers {
			answer.Headers[name] = header(meaning)
		}
	}
	answers(http.StatusNoContent, map[string]string{
		tenantHeader: "Id of the key's tenant.", keyHeader: "Id of the key.", planHeader: "The tenant's plan.",
		permissionsHeader: "The key's permissions, with a space between two.",
	})
	const reason = "Why not: the code of a verification, or `missing`."
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests} {
		answers(status, map[string]string{denialHeader: reason})
	}
	for _, status := range []int{http.StatusNoContent, http.StatusTooManyRequests} {
		answers(status, map[string]string{
			"RateLimit-Policy": "The limits of requests a minute that the key and its tenant have, where there are any.", "RateLimit": "What is left of each, and the seconds until it is whole again.",
		})
	}
}
