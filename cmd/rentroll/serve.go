package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/internal/demo"
)

type serveCmd struct {
	databaseFlags
	poolFlags

	Listen          string        `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where to listen: host:port. Default: ${default}."`
	OperatorKeyFile string        `placeholder:"FILE" help:"File with an operator key of 32 to 200 printable characters, valid while it is given and never stored; or RENTROLL_OPERATOR_KEY holds the key itself. Without one, the first start makes a key."`
	KeyPrefix       string        `default:"rr" placeholder:"LETTERS" help:"What the secrets of new API keys begin with: 2 to 6 lower-case letters. Default: ${default}."`
	KeysStaleFor    time.Duration `placeholder:"TIME" help:"While the database does not answer, how long API keys that are in memory stay good, though a revocation may have been missed. Default: 0, they are refused."`
	Demo            bool          `help:"Fill an empty database with a believable platform, and keep it at work."`
	TrustedProxies  []network     `placeholder:"NETWORK" help:"Networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8. Default: none, and a call came from whoever is connected."`
	DrainTimeout    time.Duration `default:"30s" placeholder:"TIME" help:"How long a stop waits for requests that are being answered. Default: ${default}."`
	PprofListen     string        `placeholder:"ADDR" help:"Serve Go's profiles at this address, for trusted people only. Default: nowhere."`

	keepFlags

	AuditSigningKeyFile string `placeholder:"FILE" help:"File with the Ed25519 private key (PEM, PKCS #8) that signs the heads of the audit. Default: they are not signed."`

	NoConsole       bool          `help:"Serve no console. Default: it is at /console/."`
	ConsoleHosts    []string      `placeholder:"NAME" help:"Names of this server, without ports, under which browsers reach the console; addresses and localhost need no naming. Default: none."`
	ConsoleIdle     time.Duration `default:"30m" placeholder:"TIME" help:"After how long a session of the console that nobody uses ends, between 1m and 720h. Default: ${default}."`
	ConsoleLifetime time.Duration `default:"12h" placeholder:"TIME" help:"After how long a session of the console ends in any case, at most 720h. Default: ${default}."`

	logFlags
}

// Help says what the flags can't.
func (c *serveCmd) Help() string {
	return `The database's tables are made and migrated on start. The first start makes an operator key, which a terminal is shown once; ` +
		`where there is no terminal it is written to rentroll-operator-key, readable by this user only: beside the SQLite file, or for ` +
		`PostgreSQL in the working folder.

The password of a PostgreSQL user is better kept out of the command line: in RENTROLL_DATABASE, PGPASSWORD, or a file that PGPASSFILE ` +
		`names, with a line HOST:PORT:DATABASE:USER:PASSWORD. It is never shown or logged.

SIGTERM and SIGINT stop the server: it accepts nothing more, finishes what it has accepted and exits with 0. A second signal ends it at once.`
}

// Run serves until a signal or a failure ends it.
func (c *serveCmd) Run(ctx context.Context, std *streams) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal has its usual effect: it ends the process at once

	d, err := c.database(c.poolFlags, c.Demo)
	if err != nil {
		return err
	}
	if err := c.checkConsole(); err != nil {
		return err
	}
	secret, err := configuredOperatorKey(c.OperatorKeyFile)
	if err != nil {
		return err
	}
	signer, err := readSigningKey(c.AuditSigningKeyFile)
	if err != nil {
		return usagef("--audit-signing-key-file: %w", err)
	}
	s := &server{serveCmd: c, std: std, signer: signer, database: d, secret: secret, clock: demo.NewClock(time.Now), deaf: stop}
	s.logger, s.level = c.logger(std)
	// Nobody is let wait at an address before there is a database to answer from.
	if err := d.await(ctx, s.logger); err != nil {
		return err
	}
	// The addresses before the tables: a start that fails must not have made a key.
	if s.listener, err = listen(ctx, "--listen", c.Listen); err != nil {
		return err
	}
	defer s.listener.Close()
	if c.PprofListen != "" {
		if s.profiles, err = listen(ctx, "--pprof-listen", c.PprofListen); err != nil {
			return err
		}
		defer s.profiles.Close()
	}
	return s.run(ctx)
}

// listen opens an address and explains why it can't be opened.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program, perhaps another rentroll: stop it, or choose another address with %s", addr, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on %s: choose another address with %s", addr, flag)
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", flag, addr, err)
	}
	return l, nil
}

// server is a start of the server, from the open store to the last answer.
type server struct {
	*serveCmd

	std      *streams
	logger   *slog.Logger
	level    *slog.LevelVar // of the logger
	database database
	secret   string // the configured operator key
	listener net.Listener
	profiles net.Listener // nil where none are served
	clock    *demo.Clock
	deaf     func() // gives signals their usual effect again

	signer crypto.Signer // of the audit's heads; nil for none

	engine     *rentroll.Engine
	credential credential // what to tell of a key that was made
	play       *stage     // of the demo
}

func (s *server) run(ctx context.Context) error {
	store, err := s.database.open(ctx, s.logger)
	if err != nil {
		return err
	}
	if err := s.start(ctx, store); err != nil {
		return errors.Join(err, s.close(store))
	}
	return errors.Join(s.serve(ctx), s.close(store))
}

// start brings the engine up, and the demo's platform into it.
func (s *server) start(ctx context.Context, store rentroll.Store) (err error) {
	if s.Demo {
		if s.play, err = prepare(ctx, s, store); err != nil {
			return err
		}
	}
	known, err := hasOperatorKey(ctx, store)
	if err != nil {
		return err
	}
	s.engine, err = rentroll.New(store, &rentroll.Options{
		Now: s.clock.Now, Logger: s.logger, KeyPrefix: s.KeyPrefix, OperatorSecret: s.secret, StaleFor: s.KeysStaleFor,
		AuditSigner: s.signer, Retention: s.retention(),
	})
	var refused *rentroll.Error
	switch {
	case errors.As(err, &refused) && len(refused.Fields) > 0 && refused.Fields[0].Field == "KeyPrefix":
		return usagef("--key-prefix %s", refused.Fields[0].Message)
	case errors.As(err, &refused) && len(refused.Fields) > 0:
		return usagef("%s %s", keepFlag(refused.Fields[0].Field), refused.Fields[0].Message)
	case err != nil:
		return err
	}
	if s.play != nil {
		return s.play.set(ctx)
	}
	if known || s.secret != "" {
		return s.warnOfNoOperator(ctx)
	}
	// A stop that comes now must not keep the key from whoever it is for.
	if s.credential, err = makeOperatorKey(context.WithoutCancel(ctx), s.engine, store, s.database, s.std.outTTY); err != nil {
		return err
	}
	return s.tell()
}

// tell says where the key is that was just made, at once: it exists, whatever happens next.
func (s *server) tell() (err error) {
	switch {
	case s.credential.secret != "":
		_, err = fmt.Fprintf(s.std.out, "This database is new. Its operator key is shown this once and can't be read again:\n\n    %s\n\n", s.credential.secret)
	case s.credential.file != "":
		_, err = fmt.Fprintf(s.std.out, "The operator key of this new database is in %s, readable by this user only.\n", s.credential.file)
	}
	return err
}

// close closes the engine, which closes the store, or the store where there is no engine yet.
func (s *server) close(store rentroll.Store) error {
	if s.engine != nil {
		return s.engine.Close()
	}
	return store.Close()
}

// serve answers requests until the context ends, then finishes those that were accepted.
func (s *server) serve(ctx context.Context) error {
	handler := httpapi.New(s.engine, &httpapi.Options{
		Logger: s.logger, Version: programVersion(), TrustedProxies: plainNetworks(s.TrustedProxies),
		Ready: func(probe context.Context) error {
			if ctx.Err() != nil {
				return errors.New("the server is stopping")
			}
			return s.engine.Ready(probe)
		},
	})
	handler, pages := s.withConsole(handler)
	srv := httpapi.NewServer(s.listener.Addr().String(), handler)
	srv.RegisterOnShutdown(pages)
	srv.ErrorLog = slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn)
	if s.profiles != nil {
		defer s.profile().Close()
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.listener) }()
	if err := s.greet(); err != nil {
		s.logger.Warn("nobody reads the standard output", "error", err)
	}
	if s.play != nil {
		s.play.begin(ctx)
		defer s.play.end()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.deaf() // before anybody is told
	s.logger.Info("stopping", "drain_timeout", s.DrainTimeout)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.DrainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("requests were still open after %v and were cut off: %w", s.DrainTimeout, err), srv.Close())
	}
	s.logger.Info("stopped")
	return nil
}

// profile serves Go's profiles at an address of their own.
func (s *server) profile() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.logger.Info("profiles are served", "url", "http://"+s.profiles.Addr().String()+"/debug/pprof/")
	go func() {
		if err := srv.Serve(s.profiles); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("profiles are not served any more", "error", err)
		}
	}()
	return srv
}

// url is how a program on this machine reaches the server.
func (s *server) url() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return "http://" + s.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// greet says where the server listens, and how to begin.
func (s *server) greet() error {
	var b strings.Builder
	fmt.Fprintf(&b, "rentroll listens on http://%s\n", s.listener.Addr())
	if !s.NoConsole {
		fmt.Fprintf(&b, "Its console, for browsers, is at %s/console/\n", s.url())
	}
	switch {
	case s.play != nil:
		s.play.greet(&b)
	case s.credential != (credential{}) && s.std.outTTY:
		fmt.Fprintf(&b, "\nTry it in another terminal:\n\n    %s\n    %s\n    %s\n\n", s.export(),
			`rentroll tenant create acme --name "Acme Inc." --plan pro`,
			`curl -H "Authorization: Bearer $RENTROLL_KEY" `+s.url()+`/v1/tenants/acme/quotas`)
	}
	_, err := fmt.Fprint(s.std.out, b.String())
	return err
}

// export is the shell's command that lets the other commands find this server and get in.
func (s *server) export() string {
	line := s.credential.export()
	if s.url() != defaultURL {
		line += " RENTROLL_URL=" + s.url()
	}
	return line
}
