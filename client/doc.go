// Package client calls the HTTP API of a Rentroll server. A program that embeds the engine does not need it.
//
//	c, err := client.New("http://127.0.0.1:8080", os.Getenv("RENTROLL_KEY"), nil)
//	run, err := c.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "…", ReserveTokens: 20_000})
//	if errors.Is(err, rentroll.CodeQuotaExceeded) {
//		// err is a *client.Error that names the quota, its numbers and when it resets.
//	}
//
// The nouns are those of package rentroll, whose types are also their JSON. Where a method takes a tenant, it takes an
// id, a slug, or "me" for the tenant of the calling API key.
//
// # Errors
//
// Every refusal is an [*Error] with the code of the API. errors.Is takes a [rentroll.Code], and errors.As also a
// *rentroll.Error or *rentroll.QuotaExceededError: code that was written for the embedded engine works unchanged.
// A server that can't be reached is rentroll.CodeUnavailable with Status 0.
//
// # Repeating
//
// A request is sent again when it was refused as overloaded, or when the answer was lost or is 502, 503 or 504 and
// repeating can do nothing twice: it only reads, it sets something to what it already is, or it carries an idempotency
// key. Operations that create or count get such a key made for them where the caller gives none. Between tries the
// client waits for as long as the server says, or longer and longer, with jitter.
//
// A secret is shown in one answer only. If that answer was lost, the repeated CreateAPIKey returns the key without it:
// revoke that key and make another.
//
// # In front of an API
//
// [RequireKey] is for programs that are called with tenants' keys themselves: it lets in requests with a good key, and tells
// the handler whose it is.
package client
