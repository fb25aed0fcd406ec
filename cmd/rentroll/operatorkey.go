package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rentroll/rentroll"
)

// operatorKeyVariable holds an operator key that is valid while it is set, and never stored. It is no flag: what stands
// on a command line can be read by everybody on the machine.
const operatorKeyVariable = envPrefix + "_OPERATOR_KEY"

// operatorKeyFile is written where nobody looks at a terminal: beside a new SQLite file, or in the working folder.
const operatorKeyFile = "rentroll-operator-key"

// configuredOperatorKey returns the operator key of the environment or of a file; "" where there is none.
func configuredOperatorKey(file string) (string, error) {
	secret, from := os.Getenv(operatorKeyVariable), operatorKeyVariable
	if file != "" {
		if secret != "" {
			return "", usagef("both %s and --operator-key-file are given: which one is meant?", operatorKeyVariable)
		}
		var err error
		if secret, err = readSecret(file); err != nil {
			return "", fmt.Errorf("--operator-key-file: %w", err)
		}
		from = file
	}
	if secret == "" {
		return "", nil
	}
	if n := len(secret); n < 32 || n > 200 || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("the operator key in %s must be 32 to 200 printable ASCII characters", from)
	}
	return secret, nil
}

// readSecret reads a secret from a file, without the line break at its end.
func readSecret(path string) (string, error) {
	const most = 4096
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if secret == "" || len(secret) > most {
		return "", fmt.Errorf("%s holds no key", path)
	}
	return secret, nil
}

// hasOperatorKey asks the store, before an engine makes a key that somebody must be shown.
func hasOperatorKey(ctx context.Context, store rentroll.Store) (has bool, err error) {
	err = store.View(ctx, func(r rentroll.Reader) (err error) {
		has, err = r.HasOperatorKey(ctx)
		return err
	})
	return has, err
}

// makeOperatorKey makes the first operator key of a new database and gives it to somebody: to the terminal, or to a file
// that only the program's user can read. It returns what to tell about it: nothing where another server was faster.
func makeOperatorKey(ctx context.Context, engine *rentroll.Engine, store rentroll.Store, d database, terminal bool) (credential, error) {
	if terminal {
		secret, err := engine.EnsureOperatorKey(ctx, "first")
		return credential{secret: secret}, err
	}
	path, err := d.beside(operatorKeyFile)
	if err != nil {
		return credential{}, err
	}
	// The file first: a key that can be written nowhere would be lost for ever. It gets its name when the key is made, so
	// that servers which start at once do not take each other's file for an old one.
	f, err := os.CreateTemp(filepath.Dir(path), operatorKeyFile+".*")
	if err != nil {
		return credential{}, fmt.Errorf("the operator key of this new database has no place: %w; set %s", err, operatorKeyVariable)
	}
	secret, err := firstKey(ctx, engine, store, path)
	if err != nil || secret == "" {
		return credential{}, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	_, err = f.WriteString(secret + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return credential{}, fmt.Errorf("writing the operator key: %w", err)
	}
	linked := os.Link(f.Name(), path) == nil // else a file of that name has come, or there are no links here
	if !linked {
		return credential{file: f.Name()}, nil
	}
	return credential{file: path}, os.Remove(f.Name())
}

// firstKey makes the key that is to be put in a file, "" where there is one. A file that is there already is of the
// server that has just made the key, or it is another database's key, which must not be overwritten.
func firstKey(ctx context.Context, engine *rentroll.Engine, store rentroll.Store, path string) (string, error) {
	if _, err := os.Lstat(path); err == nil {
		if known, err := hasOperatorKey(ctx, store); err != nil || known {
			return "", err
		}
		return "", fmt.Errorf(
			"%s exists, and the operator key of this new database would overwrite it: move it away, or set %s", path, operatorKeyVariable)
	}
	return engine.EnsureOperatorKey(ctx, "first")
}

// warnOfNoOperator tells where all operator keys have ended: the server serves tenants, and nobody can operate it.
func (s *server) warnOfNoOperator(ctx context.Context) error {
	if s.secret != "" {
		return nil
	}
	good, err := s.engine.ListOperatorKeys(ctx, rentroll.ListOperatorKeysParams{Page: rentroll.Page{Limit: 1}})
	if err == nil && len(good.Items) == 0 {
		s.logger.Warn("no operator key is good any more; give one by " + operatorKeyVariable + " to make others")
	}
	return err
}

// credential is how an operator gets in: a secret to show, or the file that holds it.
type credential struct{ secret, file string }

// export is the shell's command to use it.
func (c credential) export() string {
	switch {
	case c.file != "":
		return fmt.Sprintf(`export RENTROLL_KEY="$(cat %s)"`, shellQuote(c.file))
	case c.secret != "":
		return "export RENTROLL_KEY=" + shellQuote(c.secret)
	default:
		return ""
	}
}

// shellQuote quotes a word for a POSIX shell where it needs it.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
