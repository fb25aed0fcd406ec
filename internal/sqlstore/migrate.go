package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// ErrNewerSchema says that a database was made by a newer program than this one.
var ErrNewerSchema = errors.New("the database was made by a newer version of rentroll; use that version, or a newer one")

// Migrator is what a database needs for its migrations.
type Migrator struct {
	Dialect   goose.Dialect
	Clustered string // replaces the mark of tables that are kept in the order of their key
	Bytes     string // replaces the mark of a text's bytes; has %s for the column
	Opening   string // a statement to begin each transaction with; "" for none
	Table     string // of the versions; "" is goose's own
	Options   []goose.ProviderOption
}

// Migrate brings a database to the newest schema, a numbered step after the other, each in a transaction of its own. A
// database made by a newer program is refused with ErrNewerSchema and left alone.
func (m Migrator) Migrate(ctx context.Context, db *sql.DB) error {
	if m.Table == "" {
		m.Table = goose.DefaultTablename
	}
	migrations, err := m.list()
	if err != nil {
		return err
	}
	options := append([]goose.ProviderOption{
		goose.WithGoMigrations(migrations...), goose.WithDisableGlobalRegistry(true), goose.WithTableName(m.Table),
	}, m.Options...)
	provider, err := goose.NewProvider(m.Dialect, db, nil, options...)
	if err != nil {
		return fmt.Errorf("sqlstore: preparing migrations: %w", err)
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: reading the schema's version: %w", err)
	}
	if current > newest {
		return fmt.Errorf("schema version %d, this program knows %d: %w", current, newest, ErrNewerSchema)
	}
	for {
		if _, err := provider.Up(ctx); err == nil {
			return nil
		} else if !errors.Is(err, errApplied) {
			return fmt.Errorf("sqlstore: migrating: %w", err)
		}
	}
}

// errApplied ends a migration that another program has applied since this one looked. It goes on with the next.
var errApplied = errors.New("sqlstore: the migration has just been applied by another program")

// unapplied checks in a migration's own transaction that it is still to be applied. Where transactions do not exclude
// each other, a locker in the options of Migrate does.
func (m Migrator) unapplied(ctx context.Context, tx *sql.Tx, version int64) error {
	applied := 0
	query := "SELECT COUNT(*) FROM " + m.Table + " WHERE version_id = $1"
	if err := tx.QueryRowContext(ctx, query, version).Scan(&applied); err != nil {
		return err
	}
	if applied > 0 {
		return errApplied
	}
	return nil
}

// list reads the embedded migrations. A file is named NUMBER_what.sql and holds statements that end in a
// semicolon at the end of a line.
func (m Migrator) list() ([]*goose.Migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("sqlstore: listing migrations: %w", err)
	}
	var out []*goose.Migration
	for _, name := range files {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: %s: %w", name, err)
		}
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: %w", err)
		}
		statements := splitStatements(m.fillIn(string(text)))
		up := func(ctx context.Context, tx *sql.Tx) error {
			if m.Opening != "" {
				if _, err := tx.ExecContext(ctx, m.Opening); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if err := m.unapplied(ctx, tx, version); err != nil {
				return err
			}
			for _, statement := range statements {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		}
		out = append(out, goose.NewGoMigration(version, &goose.GoFunc{RunTx: up}, nil))
	}
	return out, nil
}

var bytesMark = regexp.MustCompile(`\{\{bytes:(\w+)\}\}`)

// fillIn puts what differs between databases in the place of its marks.
func (m Migrator) fillIn(text string) string {
	text = strings.ReplaceAll(text, "{{clustered}}", m.Clustered)
	return bytesMark.ReplaceAllStringFunc(text, func(mark string) string {
		return strings.ReplaceAll(m.Bytes, "%s", bytesMark.FindStringSubmatch(mark)[1])
	})
}

// SchemaVersion is the version of the schema that this program knows: the number of its newest migration.
func SchemaVersion() int64 {
	migrations, err := Migrator{}.list()
	if err != nil {
		panic("the embedded migrations can't be read: " + err.Error())
	}
	newest := int64(0)
	for _, m := range migrations {
		newest = max(newest, m.Version)
	}
	return newest
}

func splitStatements(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ";\n") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
