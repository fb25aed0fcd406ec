package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/sqlite"
)

// An API that lets in whoever has a key that may create runs.
func ExampleRequireKey() {
	rentrollURL, stop := exampleServer()
	defer stop()
	c, err := client.New(rentrollURL, operatorSecret, nil)
	if err != nil {
		panic(err)
	}

	guard := client.RequireKey(c, &client.RequireKeyOptions{Permission: rentroll.PermRunCreate})
	api := httptest.NewServer(guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := client.VerifiedKey(r.Context())
		_, _ = fmt.Fprintf(w, "hello on plan %s, you may %v", key.Plan, key.Permissions)
	})))
	defer api.Close()

	ctx := context.Background()
	if _, err := c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}); err != nil {
		panic(err)
	}
	for _, permissions := range [][]string{{"run:*"}, {"read:*"}} {
		made, err := c.CreateAPIKey(ctx, "acme", client.CreateAPIKeyParams{Name: "ci", Permissions: permissions})
		if err != nil {
			panic(err)
		}
		call(api.URL, string(made.Secret))
	}
	// Output:
	// 200 hello on plan free, you may [run:*]
	// 403 {"type":"about:blank","title":"Forbidden","status":403,"detail":"the API key lacks the permission that is needed here","code":"forbidden"}
}

// call calls an API with a key and prints what it answers.
func call(url, key string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(res.StatusCode, string(body))
}

// exampleServer starts a server on a new database.
func exampleServer() (url string, stop func()) {
	folder, err := os.MkdirTemp("", "rentroll")
	if err != nil {
		panic(err)
	}
	store, err := sqlite.Open(context.Background(), filepath.Join(folder, "rentroll.db"), nil)
	if err != nil {
		panic(err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret})
	if err != nil {
		panic(err)
	}
	s := httptest.NewServer(httpapi.New(engine, nil))
	return s.URL, func() {
		s.Close()
		if err := engine.Close(); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(folder) // of the machine's temporary files
	}
}
