// Command rentroll is the server of a Rentroll platform, and the command line of its operators and programs.
//
//	rentroll serve                              run the server
//	rentroll tenant create acme --plan pro      and everything else against a running one
//
// Flags and environment variables are the fields of one struct, below; a noun is a file. The commands against a server
// go through package client and know nothing that the HTTP API does not tell everybody.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/rentroll/rentroll/client"
)

// cli is the whole command line. Every flag has an environment variable, RENTROLL_ and its name, shown in the help.
type cli struct {
	Serve   serveCmd   `cmd:"" group:"server" help:"Run the server."`
	Migrate migrateCmd `cmd:"" group:"server" help:"Bring a database to this program's schema, and stop."`

	Doctor doctorCmd `cmd:"" group:"server" help:"Look whether a database is sound: what it counts against its rows."`

	Tenant  tenantCmd  `cmd:"" group:"nouns" help:"Tenants: their plans, limits and lives."`
	Plan    planCmd    `cmd:"" group:"nouns" help:"Plans: named sets of limits."`
	Key     keyCmd     `cmd:"" group:"nouns" help:"API keys of a tenant."`
	User    userCmd    `cmd:"" group:"nouns" help:"Users of the platform."`
	Member  memberCmd  `cmd:"" group:"nouns" help:"Members of a tenant."`
	Subject subjectCmd `cmd:"" group:"nouns" help:"End users of a tenant, and their limits."`
	Worker  workerCmd  `cmd:"" group:"nouns" help:"Workers that a tenant has enabled."`
	Run     runCmd     `cmd:"" group:"nouns" help:"Runs: admission, progress and end."`
	Usage   usageCmd   `cmd:"" group:"nouns" help:"Usage: record it, add it up."`
	Event   eventCmd   `cmd:"" group:"nouns" help:"What has happened that somebody should hear of."`
	Meter   meterCmd   `cmd:"" group:"nouns" help:"Meters: what is counted, and at what price."`
	Audit   auditCmd   `cmd:"" group:"nouns" help:"Who changed what, and when."`

	OperatorKey operatorKeyCmd `cmd:"" group:"nouns" help:"Keys of those who run the platform."`

	Version    versionCmd    `cmd:"" group:"program" help:"Show this program's version."`
	Completion completionCmd `cmd:"" group:"program" help:"Print the completion script of a shell."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:"" help:"Complete a command line."`
}

// streams are the program's connections to the world.
type streams struct {
	in       io.Reader
	out, err io.Writer
	inTTY    bool // somebody types
	outTTY   bool // somebody looks at what out gets
	errTTY   bool
}

func main() {
	os.Exit(run(os.Args[1:], &streams{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		inTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		outTTY: term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
	}))
}

// The exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// envPrefix begins the name of every variable of the environment that the program reads.
const envPrefix = "RENTROLL"

// run executes one command line and returns the exit code.
func run(args []string, std *streams) int {
	if err := forgetEmptyVariables(); err != nil {
		return report(std, err)
	}
	parser, err := newParser(std)
	if err != nil {
		return report(std, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
			return report(std, usageError{fmt.Errorf("%w (see %s --help)", err, commandPath(parse.Context))})
		}
		return report(std, usageError{err})
	}
	if err := command.Run(); err != nil {
		return report(std, err)
	}
	return 0
}

// newParser makes the parser of the command line.
func newParser(std *streams) (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("rentroll"),
		kong.Description("The tenant engine of a multi-tenant platform: tenants, plans, keys, hard limits, usage, audit."),
		kong.Writers(std.out, std.err),
		kong.Bind(std),
		kong.BindTo(context.Background(), (*context.Context)(nil)),
		kong.DefaultEnvars(envPrefix),
		kong.ExplicitGroups([]kong.Group{
			{Key: "server", Title: "The server:"},
			{Key: "postgres", Title: "A database in PostgreSQL:"},
			{Key: "nouns", Title: "Against a server (RENTROLL_URL, RENTROLL_KEY):"},
			{Key: "program", Title: "The program:"},
			{Key: "remote", Title: "The server to call, and the form of the answer:"},
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Help(printHelp),
	)
}

// commandPath names the command as far as it was recognized.
func commandPath(c *kong.Context) string {
	if selected := c.Selected(); selected != nil {
		return selected.FullPath()
	}
	return c.Model.Name
}

// forgetEmptyVariables makes a variable that is set to nothing the same as one that is not set, as people expect who
// write RENTROLL_LISTEN=${LISTEN}.
func forgetEmptyVariables() error {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if value == "" && strings.HasPrefix(name, envPrefix+"_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// usageError is a mistake in the command line rather than a failure of what it asks for.
type usageError struct{ error }

// Unwrap returns the mistake itself.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// quietError ends the program with an exit code of its own after it has said everything.
type quietError struct{ code int }

func (e quietError) Error() string { return "" }

// passwords recognizes one in a URL that somebody has put where none belongs.
var passwords = regexp.MustCompile(`(://[^:@/\s]*):[^@\s]*@`)

// report prints an error in one line and returns the exit code.
func report(std *streams, err error) int {
	if quiet, ok := errors.AsType[quietError](err); ok {
		return quiet.code
	}
	text := err.Error()
	if remote, ok := errors.AsType[*client.Error](err); ok && remote.Status == 0 && errors.Unwrap(remote) != nil {
		text = fmt.Sprintf("%s: is the server running, and is RENTROLL_URL (--url) right?", text)
	}
	text = passwords.ReplaceAllString(strings.Join(strings.Fields(text), " "), "${1}:"+mask+"@")
	_, _ = fmt.Fprintln(std.err, "rentroll:", text) // there is nobody else to tell
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailure
}
