package sqlstore_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/sqlite"
)

// TestBindFitsColumns: a row binds as many values as it has columns, of their kinds.
func TestBindFitsColumns(t *testing.T) {
	t.Parallel()
	for _, table := range sqlstore.Tables() {
		row := table.New()
		fill(row)
		values := table.Bind(row)
		if len(values) != len(table.Columns) {
			t.Errorf("%s has %d columns and binds %d values", table.Name, len(table.Columns), len(values))
			continue
		}
		for i, v := range values {
			if column := table.Columns[i]; v.Null || v.Kind != column.Kind {
				t.Errorf("%s.%s is of kind %d and is bound as %+v", table.Name, column.Name, column.Kind, v)
			}
		}
	}
}

// TestBindTakesEveryField: there is no field whose change makes no difference to what is stored. It holds for rows that
// are never read back, too.
func TestBindTakesEveryField(t *testing.T) {
	t.Parallel()
	for _, table := range sqlstore.Tables() {
		row := table.New()
		fill(row)
		before := table.Bind(row)
		eachField(reflect.ValueOf(row).Elem(), func(name string, field reflect.Value) {
			was := reflect.ValueOf(field.Interface())
			another(field)
			if cmp.Equal(table.Bind(row), before) {
				t.Errorf("%T.%s makes no difference to what is stored", row, name)
			}
			field.Set(was)
		})
		if !cmp.Equal(table.Bind(row), before) {
			t.Errorf("%T was not put back", row)
		}
	}
}

// eachField calls do with each exported field that belongs into a row, and with those of structs in it.
func eachField(v reflect.Value, do func(name string, field reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		_, skip := elsewhere[v.Type()][field.Name]
		switch {
		case !field.IsExported() || skip:
		case field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[time.Time]():
			eachField(v.Field(i), func(name string, f reflect.Value) { do(field.Name+"."+name, f) })
		default:
			do(field.Name, v.Field(i))
		}
	}
}

// another sets a field to another value.
func another(field reflect.Value) {
	was := field.Interface()
	for n := 1000; n < 1010; n++ {
		fillValue(field, &n)
		if !reflect.DeepEqual(field.Interface(), was) {
			return
		}
	}
	field.SetZero()
}

// TestSchema: the columns of the tables are those of the schema, of the same types, with the same key.
func TestSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	store, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	types := map[sqlstore.Kind]string{sqlstore.Int: "BIGINT", sqlstore.Text: "TEXT", sqlstore.Bytes: "BYTEA", sqlstore.ID: "UUID"}
	for _, table := range sqlstore.Tables() {
		var want, key []string
		for i, c := range table.Columns {
			want = append(want, c.Name+" "+types[c.Kind])
			if i < table.Keys {
				key = append(key, c.Name)
			}
		}
		columns, primary := schemaOf(t, db, table.Name)
		if diff := cmp.Diff(want, columns); diff != "" {
			t.Errorf("%s (-program +schema):\n%s", table.Name, diff)
		}
		if !slices.Equal(key, primary) {
			t.Errorf("%s has the key %v in the program and %v in the schema", table.Name, key, primary)
		}
	}
}

func schemaOf(t *testing.T, db *sql.DB, table string) (columns, key []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	places := make(map[int]string)
	for rows.Next() {
		var name, kind string
		var pk int
		if err := rows.Scan(&name, &kind, &pk); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, name+" "+kind)
		places[pk] = name
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for i := 1; places[i] != ""; i++ {
		key = append(key, places[i])
	}
	return columns, key
}

// TestMigrationFiles: migrations are numbered without gaps, and hold nothing but statements, of which none is for one
// database only.
func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(os.DirFS("migrations"), "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	form := regexp.MustCompile(`^\d{4}_[a-z0-9_]+\.sql$`)
	foreign := regexp.MustCompile(`(?i)\b(AUTOINCREMENT|SERIAL|CREATE (TRIGGER|FUNCTION|SEQUENCE)|NOW\(|COLLATE|JSONB)`)
	for i, name := range files {
		if !form.MatchString(name) || !strings.HasPrefix(name, fmt.Sprintf("%04d_", i+1)) {
			t.Errorf("the migration %s is not number %d", name, i+1)
		}
		text, err := os.ReadFile(filepath.Join("migrations", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(text), ";\n") {
			t.Errorf("%s does not end with a statement", name)
		}
		for line := range strings.Lines(string(text)) {
			code, comment, _ := strings.Cut(line, "--")
			if word := foreign.FindString(code); word != "" {
				t.Errorf("%s: %s is not for every database, or not for every tenant: %s", name, word, line)
			}
			if strings.Contains(comment, ";\n") {
				t.Errorf("%s: a comment that ends with a semicolon would be cut there: %s", name, line)
			}
		}
	}
}
