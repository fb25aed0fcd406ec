package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

const databasePassword = "pa55-of-the-database"

// tells fails the test where a text holds a secret, or a good part of one.
func tells(t *testing.T, place, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if part := secret[len(secret)-16:]; strings.Contains(text, part) {
			t.Errorf("%s tells the secret …%s:\n%s", place, part, text)
		}
	}
}

// commandLine is what everybody on the machine can read of a process.
func commandLine(t *testing.T, pid int) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return "serve" // there is no such file; the program sets none, and on Linux it is seen
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

// TestNoSecretIsTold runs servers that know their secrets from the environment, from files and by making them, lets them
// work and fail, and looks for secrets in all that they and the commands say. Of the file that the first operator key is
// written to only the path is told.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	for name, onServer := range map[string]bool{"sqlite": false, "postgres": true} {
		for _, from := range []string{"environment", "file", "made"} {
			t.Run(name+"/"+from, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				env, args := []string{}, []string{"--log-level", "debug"}
				if onServer {
					env, _ = onPostgres(t)
					env[0] += "&password=" + databasePassword
				}
				key := configuredKey
				switch from {
				case "environment":
					env = append(env, withKey()...)
				case "file":
					file := filepath.Join(dir, "key")
					if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
					args = append(args, "--operator-key-file", file)
				}
				p := serve(t, dir, env, args...)
				if from == "made" {
					key = p.operatorKey()
				}
				secrets := append(useEverySecret(t, p, key, from == "made" && !onServer), databasePassword) // to commands all servers are alike
				line := commandLine(t, p.cmd.Process.Pid)
				p.stop()
				if !strings.Contains(line, "serve") || !strings.Contains(p.err.String(), "request_id") {
					t.Error("nothing was seen")
				}
				for place, text := range map[string]string{"the output": p.out.String(), "the log": p.err.String(), "the command line": line} {
					tells(t, place, text, secrets...)
				}
			})
		}
	}
}

// useEverySecret calls a server with good and bad keys, by the client and where it is asked to by commands, and returns all
// secrets that were used.
func useEverySecret(t *testing.T, p *process, key string, commands bool) []string {
	t.Helper()
	c, ctx := p.connect(key), t.Context()
	mustCreate(t, c, "acme")
	made, err := c.CreateAPIKey(ctx, "acme", client.CreateAPIKeyParams{Name: "k"})
	if err != nil {
		t.Fatal(err)
	}
	secret := string(made.Secret)
	wrong := key[:len(key)-1] + "!"
	if _, err := p.connect(secret).GetTenant(ctx, "me"); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{wrong, secret[:30]} {
		if _, err := p.connect(bad).GetTenant(ctx, "acme"); rentroll.CodeOf(err) != rentroll.CodeUnauthenticated {
			t.Errorf("a bad key: %v", err)
		} else {
			tells(t, "an error of the client", fmt.Sprintf("%v %+v %#v", err, err, p.connect(bad)), bad)
		}
	}
	if !commands {
		return []string{key, secret, wrong}
	}
	for _, caller := range []string{key, secret, wrong} {
		for _, line := range []string{
			"tenant get acme", "tenant list --json", "key list acme", "key verify @secret", "key verify -", "audit list acme --json",
			"key revoke acme nothing", "key verify " + secret, "nonsense", "key verify", "tenant get acme --timeout " + "1ns", "help",
		} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := program(t, dir, []string{"RENTROLL_URL=" + p.url, keyVariable + "=" + caller}, strings.Fields(line)...)
			cmd.Stdin = strings.NewReader(secret)
			r := finish(t, cmd)
			if r.out+r.err == "" {
				t.Errorf("rentroll %s says nothing", line)
			}
			tells(t, "rentroll "+line, r.out+r.err, key, secret, wrong)
		}
	}
	return []string{key, secret, wrong}
}

// TestFailedStartsTellNoSecret starts servers with configurations that can't work.
func TestFailedStartsTellNoSecret(t *testing.T) {
	t.Parallel()
	const key = "the operator's key from the environment, which is far too "
	tooLong := strings.Repeat(key, 4)
	for _, env := range [][]string{
		{"RENTROLL_DATABASE=postgres://rentroll:" + databasePassword + "@127.0.0.1:1/rentroll"},
		{"RENTROLL_DATABASE=postgres://rentroll:" + databasePassword + "@nowhere.invalid/rentroll"},
		{"RENTROLL_DATABASE=postgres://rentroll:" + databasePassword + "@127.0.0.1:notaport/rentroll"},
		{"RENTROLL_DATABASE=postgres://rentroll:%zz" + databasePassword + "@127.0.0.1/rentroll"},
		{"RENTROLL_DATABASE=postgres://rentroll:" + databasePassword + "@[::1/rentroll"},
		{"RENTROLL_DATABASE=postgres://rentroll:" + databasePassword + "\n@127.0.0.1/rentroll"},
		{"RENTROLL_DATABASE=postgres://rentroll@127.0.0.1:1/rentroll?sslmode=nonsense&password=" + databasePassword},
		{"RENTROLL_DATABASE=postgre://rentroll:" + databasePassword + "@127.0.0.1/rentroll"},
		{"RENTROLL_DATABASE=mysql://rentroll:" + databasePassword + "@127.0.0.1/rentroll"},
		{"RENTROLL_DATABASE=host=127.0.0.1 password=" + databasePassword},
		{"RENTROLL_DATABASE=sqlite:/nowhere/" + "rentroll.db", operatorKeyVariable + "=" + databasePassword},
		{operatorKeyVariable + "=" + databasePassword},
		{operatorKeyVariable + "=" + tooLong},
		{operatorKeyVariable + "=" + tooLong[:40] + "\n" + databasePassword},
		{operatorKeyVariable + "=" + tooLong[:100] + databasePassword, "RENTROLL_OPERATOR_KEY_FILE=/dev/null"},
	} {
		for _, command := range []string{"serve", "migrate"} {
			if command == "migrate" && !strings.HasPrefix(env[0], "RENTROLL_DATABASE=") {
				continue // it takes no operator key
			}
			if strings.HasPrefix(env[0], "RENTROLL_DATABASE=postgres://") {
				env = append(env, "RENTROLL_DATABASE_WAIT=0s") // which is refused with other databases
			}
			r := finish(t, program(t, t.TempDir(), env, command))
			if r.code == 0 || r.out+r.err == "" {
				t.Errorf("%s with %q ends with %d, and says %q", command, env, r.code, r.out+r.err)
			}
			tells(t, fmt.Sprintf("%s with %q", command, env), r.out+r.err, databasePassword, tooLong)
		}
	}
}
