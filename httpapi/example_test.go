package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/sqlite"
)

// A server is an engine behind a handler.
func ExampleNew() {
	folder, err := os.MkdirTemp("", "rentroll")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	store, err := sqlite.Open(context.Background(), filepath.Join(folder, "rentroll.db"), nil)
	if err != nil {
		panic(err)
	}
	engine, err := rentroll.New(store, nil)
	if err != nil {
		panic(err)
	}
	defer engine.Close()

	server := httptest.NewServer(httpapi.New(engine, &httpapi.Options{Version: "1.0.0"}))
	defer server.Close()

	res, err := http.Get(server.URL + "/readyz")
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(res.StatusCode, string(body))
	// Output: 200 {"status":"ok","version":"1.0.0"}
}
