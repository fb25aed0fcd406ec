// Package httpapi serves an engine over HTTP: JSON, OpenAPI 3.1, RFC 9457 problems.
//
// A request walks straight through, and every answer, the router's included, is made by the same few functions:
//
//	net/http ─▶ server      request id, log, metrics, panics, time limit          server.go
//	         ─▶ router      unknown paths and methods                             router.go
//	         ─▶ huma        the query and the path, by the types of the route     routes.go
//	            or direct   where these are plain texts or none                   direct.go
//	         ─▶ step        who calls, which tenant, the strict body              auth.go, step.go, body.go
//	         ─▶ a handler   one call of an engine method                          a file a noun
//	         ─▶ step        status, ETag, JSON as it is stored                    answer.go
//	         ─▶ problem     or: the one map from an error to its answer           problem.go
//
// No rule lives here: who may do what, what is valid, and what is denied is the engine's to say. What this package adds
// is what only HTTP knows: that a body must be strict JSON, that a field was given at all, that an object has not
// changed since it was read.
//
// What a route needs, takes and may answer stands in the list of routes.go, from which the OpenAPI document is made;
// tests hold the document against what the server really does.
package httpapi
