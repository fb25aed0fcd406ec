package rentroll

// Err returns why a request that presented the key must not be served, nil where it may. Keys that are good for nobody are
// all CodeUnauthenticated, those that may not do this CodeForbidden, CodeWorkerNotAllowed, CodeTenantSuspended or
// CodeTenantTerminated; CodeRateLimited may pass later. What is no reason that this program knows is CodeUnauthenticated.
func (v *Verification) Err() error {
	if v.Valid {
		return nil
	}
	switch reason := Code(v.Code); reason {
	case CodeTenantSuspended:
		return errTenantSuspended
	case CodeTenantTerminated:
		return errTenantTerminated
	case CodeWorkerNotAllowed:
		return errorf(reason, "the API key may not run this worker")
	case "insufficient_permissions":
		return errorf(CodeForbidden, "the API key lacks the permission that is needed here")
	case CodeRateLimited:
		return errorf(reason, "the API key makes requests faster than its rate limit allows")
	default:
		return errorf(CodeUnauthenticated, "the API key is missing or not valid: %s", reason)
	}
}
