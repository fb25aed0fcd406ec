package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// database is where the rows are kept, as the command line names it.
type database struct {
	name string // for people, without a password
	path string // of the SQLite file
}

// parseDatabase understands what --database may be: a path, sqlite:PATH, or the URL of a server.
func parseDatabase(s string) (database, error) {
	scheme, rest, isURL := strings.Cut(s, "://")
	path, isSQLite := strings.CutPrefix(s, "sqlite:")
	switch {
	case isSQLite && strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return database{}, usagef("--database: sqlite:PATH has no host; write sqlite:%s", strings.TrimLeft(rest, "/"))
	case isSQLite:
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		return database{}, usagef("--database: this build of rentroll has no PostgreSQL store; use a SQLite file")
	case isURL:
		return database{}, usagef("--database: rentroll keeps no data at %s://; use a SQLite file", scheme)
	default:
		path = s
	}
	if path == "" {
		return database{}, usagef("--database: the path of the SQLite file is empty")
	}
	return database{name: path, path: path}, nil
}

// open opens the store, which makes the file where there is none and brings its schema up to date.
func (d database) open(ctx context.Context) (rentroll.Store, error) {
	if info, err := os.Stat(d.path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; --database names a file", d.path)
	}
	return sqlite.Open(ctx, d.path, nil)
}

// beside returns the path of a file in the database's folder.
func (d database) beside(name string) (string, error) {
	path, err := filepath.Abs(d.path)
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(path), name), nil
}
