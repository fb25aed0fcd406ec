package postgres_test

import (
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/storetest"
)

func open(t *testing.T) rentroll.Store {
	t.Helper()
	url, schema := pgtest.Migrated(t)
	store, err := postgres.Open(t.Context(), url, &postgres.Options{Schema: schema, Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}
