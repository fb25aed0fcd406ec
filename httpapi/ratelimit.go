package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// showRateLimits tells a caller how it stands against its limits of requests a minute, in the form of the IETF's draft
// "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers): structured fields, a member for each policy.
func showRateLimits(h http.Header, limits []rentroll.RateLimit) {
	if len(limits) == 0 {
		return
	}
	var policies, states []string
	retry := time.Duration(0)
	for _, l := range limits {
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=60", l.Scope, l.Limit))
		states = append(states, fmt.Sprintf("%q;r=%d;t=%d", l.Scope, l.Remaining, wholeSeconds(l.Reset)))
		retry = max(retry, l.Retry)
	}
	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
	h.Set("RateLimit", strings.Join(states, ", "))
	if retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(wholeSeconds(retry), 10))
	}
}

// wholeSeconds rounds up: who waits that long does not come too early.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
