//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/rentroll/rentroll"
)

// Some tests need a process of their own: to kill it, to be another user, or to be the second on a file. Such a process
// is this test binary again, started with the name of a role and a path.
const (
	roleVariable = "RENTROLL_TEST_ROLE"
	pathVariable = "RENTROLL_TEST_PATH"
)

var roles = map[string]func(path string) error{
	"work":  work,
	"admit": admit,
	"write": write,
	"cap":   capped,
}

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](os.Getenv(pathVariable)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child prepares a process that plays a role on a file. It ends with the test at the latest.
func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	// The path of the binary may be in a folder that only this user can enter; this name of it needs no folder.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	if _, err := os.Stat(cmd.Path); err != nil {
		cmd = exec.CommandContext(t.Context(), os.Args[0])
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	return cmd
}

// nobody makes the process another user's, where this one is root's, to whom the modes of files mean nothing.
func nobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}

// start starts a process and returns the lines that it writes.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(stdout)
}

// write opens a file, changes something through the engine and says how far it came.
func write(path string) error {
	e, err := openEngine(path)
	if err != nil {
		return err
	}
	_, err = e.CreateUser(context.Background(), rentroll.CreateUserParams{Email: "a@example.com"})
	return errors.Join(err, e.Close())
}
