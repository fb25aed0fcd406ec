package pgtest

import (
	"fmt"
	"sync"
	"testing"
)

// Pool holds schemas of one server whose tables tests have used and are done with. The zero value is an empty one. Safe
// for concurrent use.
type Pool struct {
	mu   sync.Mutex
	free []string
}

// empty deletes the rows of all tables of a schema, the last made first: others refer to those that were made first.
// Whoever still holds a lock there has not closed its store, and one that has grown large is not worth keeping.
const empty = `BEGIN; SET LOCAL lock_timeout = '10s'; SET LOCAL client_min_messages = warning;
	DO $$ DECLARE t record; size bigint := 0; BEGIN
		FOR t IN SELECT oid, relname FROM pg_class WHERE relnamespace = '%[1]s'::regnamespace AND relkind = 'r'
			AND relname NOT LIKE 'goose%%' ORDER BY oid DESC
		LOOP
			EXECUTE 'DELETE FROM %[1]s.' || t.relname;
			size := size + pg_relation_size(t.oid);
		END LOOP;
		IF size > 4 * 1024 * 1024 THEN DROP SCHEMA %[1]s CASCADE; END IF;
	END $$; COMMIT`

// Schema returns the name of a schema of the server that no other test uses until this one has ended. It is new, without
// tables, or has a store's tables without rows.
func (p *Pool) Schema(tb testing.TB, url string) string {
	tb.Helper()
	schema := p.take()
	tb.Cleanup(func() {
		if tb.Failed() { // which may be why it is not as it should be
			if err := drop(url, schema); err != nil {
				tb.Error(err)
			}
			return
		}
		if err := execute(url, fmt.Sprintf(empty, schema)); err != nil {
			tb.Errorf("emptying the schema of the test: %v", err)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, schema)
	})
	return schema
}

func (p *Pool) take() (schema string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return newSchema()
	}
	schema, p.free = p.free[last], p.free[:last]
	return schema
}
