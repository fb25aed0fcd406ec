package main

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/postgres"
)

// keywords recognizes the other way to name a PostgreSQL database, such as host=db user=rentroll.
var keywords = regexp.MustCompile(`(?i)(^|\s)(host|hostaddr|port|dbname|user|password|service|sslmode)\s*=`)

// mask stands where a password would.
const mask = "xxxxx"

// checkURL checks the URL of a PostgreSQL database and returns what people may see of it. Neither that nor an error
// holds the password: of a URL that is not understood nothing is quoted, for nobody knows what is the password in it.
func checkURL(dsn string) (name string, err error) {
	// The first @ or / ends the user and password. An @ behind it is one of the password, or the / before it is.
	_, rest, _ := strings.Cut(dsn, "://")
	if i := strings.IndexAny(rest, "@/"); i >= 0 && strings.Contains(rest[i+1:], "@") {
		return "", errors.New("the URL is ambiguous: in a user's name, a password and a parameter, write @ as %40, / as %2F, : as %3A, ? as %3F and % as %25")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err == nil {
		return describe(&config.ConnConfig.Config), nil
	}
	_, reason, _ := strings.Cut(err.Error(), "`: ") // before it stands the URL
	if reason == "" || strings.HasPrefix(reason, "failed to parse as URL") {
		return "", errors.New("the URL is not valid; it has the form postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE, and % in it is written as %25")
	}
	return "", fmt.Errorf("the URL is not valid: %s", reason)
}

// describe names a database without its password.
func describe(c *pgconn.Config) string {
	var b strings.Builder
	b.WriteString("postgres://")
	if c.User != "" {
		b.WriteString(url.PathEscape(c.User))
		if c.Password != "" {
			b.WriteString(":" + mask)
		}
		b.WriteByte('@')
	}
	var hosts []string
	socket := ""
	add := func(host string, port uint16) {
		if filepath.IsAbs(host) || strings.HasPrefix(host, "@") {
			socket = "?host=" + host
			return
		}
		if h := net.JoinHostPort(host, strconv.Itoa(int(port))); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	b.WriteString(strings.Join(hosts, ",") + "/" + url.PathEscape(c.Database) + socket)
	return b.String()
}

const (
	retryPause = 250 * time.Millisecond // between two tries to reach a server
	tryTimeout = 5 * time.Second        // of one
)

// awaitServer waits until a server can be reached and written to. It gives up at once where waiting is of no use: when
// the server refuses the user, or knows no such database.
func awaitServer(ctx context.Context, d database, logger *slog.Logger) error {
	patience, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	said := ""
	for began := time.Now(); ; {
		err := d.try(ctx)
		if err == nil {
			if said != "" {
				logger.Info("the database can be reached", "database", d.name, "after", time.Since(began).Round(time.Millisecond))
			}
			return nil
		}
		reason := reasonOf(err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("stopped while it waited for the database %s", d.name)
		case !passing(err):
			return fmt.Errorf("%s: %s", d.name, reason)
		case d.wait == 0:
			return fmt.Errorf("the database %s can't be reached: %s", d.name, reason)
		case patience.Err() != nil:
			return fmt.Errorf("the database %s can't be reached, after %v (--database-wait): %s", d.name, d.wait, reason)
		}
		if reason != said {
			logger.Warn("waiting for the database", "database", d.name, "patience", d.wait, "reason", reason)
			said = reason
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-patience.Done():
			pause.Stop()
		}
	}
}

// openServer opens the store of a server that could be reached. Where that server is lost again meanwhile, as one is that
// restarts, it waits once more.
func openServer(ctx context.Context, d database, logger *slog.Logger) (rentroll.Store, error) {
	patience := time.Now().Add(d.wait)
	for {
		store, err := postgres.Open(ctx, d.url, &d.options)
		if err == nil {
			return store, nil
		}
		if !interrupted(err) || ctx.Err() != nil || time.Now().After(patience) {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		logger.Warn("the database was lost while its schema was looked at", "database", d.name, "reason", reasonOf(err))
		time.Sleep(retryPause)
		if err := awaitServer(ctx, d, logger); err != nil {
			return nil, err
		}
	}
}

// errReadOnly says that a server takes no writes.
var errReadOnly = errors.New("the server is a standby, or read-only for another reason")

// try connects to the server once and looks whether it can be written to.
func (d database) try(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	answer, err := d.ask(ctx, "SHOW transaction_read_only")
	if err == nil && answer == "on" {
		err = errReadOnly
	}
	return err
}

// ask sends one statement without parameters over a connection of its own and returns the first column of its first
// row, "" where there is none. It goes through any pooler.
func (d database) ask(ctx context.Context, statement string) (answer string, err error) {
	config, err := pgxpool.ParseConfig(d.url)
	if err != nil {
		return "", err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	results, err := conn.PgConn().Exec(ctx, statement).ReadAll()
	if err != nil {
		return "", err
	}
	if len(results) > 0 && len(results[0].Rows) > 0 {
		answer = string(results[0].Rows[0][0])
	}
	return answer, nil
}

// serverVersion returns the version of the schema, 0 where there is none.
func serverVersion(ctx context.Context, d database) (version int64, err error) {
	answer, err := d.ask(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+pgx.Identifier{d.options.Schema, goose.DefaultTablename}.Sanitize())
	if e, refused := errors.AsType[*pgconn.PgError](err); refused && (e.Code == "42P01" || e.Code == "3F000") {
		return 0, nil // no such table, no such schema
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %s", d.name, reasonOf(err))
	}
	return strconv.ParseInt(answer, 10, 64)
}

// passing reports whether a failure to connect may pass by itself: the server starts, or its name or port is not there
// yet. What the server itself refuses does not, but for some answers of one that starts, stops or is full.
func passing(err error) bool {
	if e, refused := errors.AsType[*pgconn.PgError](err); refused {
		switch {
		case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "57P"), e.Code == "53300", e.Code == "25006":
			return true
		}
		return false
	}
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !distrusted
}

// interrupted reports whether a failure is that of a connection, which the next one need not have.
func interrupted(err error) bool {
	if _, answered := errors.AsType[*pgconn.PgError](err); answered {
		return passing(err)
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
}

// reasonOf says in one line why a connection failed, without the user and database that its caller names. Each reason is
// given once, though a server may be tried under several addresses and with and without TLS.
func reasonOf(err error) string {
	if failed, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = failed.Unwrap()
	}
	var reasons []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(reasons, line) {
			reasons = append(reasons, line)
		}
	}
	return strings.Join(reasons, "; ")
}
