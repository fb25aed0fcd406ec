package client_test

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

// An API that lets in whoever has a key that may create runs.
func ExampleRequireKey() {
	c, err := client.New("http://127.0.0.1:8080", os.Getenv("RENTROLL_KEY"), nil)
	if err != nil {
		log.Fatal(err)
	}
	guard := client.RequireKey(c, &client.RequireKeyOptions{Permission: rentroll.PermRunCreate})
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := client.VerifiedKey(r.Context())
		_, _ = fmt.Fprintf(w, "hello, %s on plan %s\n", key.TenantID, key.Plan)
	})
	http.Handle("/", guard(api))
}
