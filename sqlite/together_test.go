//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// sharedLimit is how many runs the tenant of these tests may have, and sharedTries how many each side asks for.
const (
	sharedLimit = 60
	sharedTries = 40
)

// limited makes a file with a tenant that may have sharedLimit runs.
func limited(t *testing.T) (path string, tenant rentroll.TenantID) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "rentroll.db")
	e, err := openEngine(path)
	if err != nil {
		t.Fatal(err)
	}
	tenant = newTenant(t, e, "acme").ID
	_, err = e.UpdateTenant(t.Context(), rentroll.UpdateTenantParams{TenantID: tenant, Change: func(edit *rentroll.TenantEdit) error {
		edit.LimitOverrides = quota.Limits{quota.ConcurrentRuns: quota.Of(sharedLimit)}
		return nil
	}})
	if err := errors.Join(err, e.Close()); err != nil {
		t.Fatal(err)
	}
	return path, tenant
}

// admitSome asks for runs and returns how many were admitted; all others must be denied by the limit.
func admitSome(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) (admitted int, err error) {
	for range sharedTries {
		_, err := newRun(ctx, e, tenant, []byte("1"))
		switch {
		case err == nil:
			admitted++
		case !errors.Is(err, rentroll.CodeQuotaExceeded):
			return admitted, err
		}
	}
	return admitted, nil
}

func isLimited(t *testing.T, path string, tenant rentroll.TenantID, admitted int) {
	t.Helper()
	if admitted != sharedLimit {
		t.Errorf("%d runs were admitted, the limit is %d", admitted, sharedLimit)
	}
	e := engineOn(t, path)
	if err := whole(t.Context(), e, tenant); err != nil {
		t.Error(err)
	}
	if runs, err := allRuns(t.Context(), e, tenant); err != nil || len(runs) != sharedLimit {
		t.Errorf("%d runs are there, the limit is %d (%v)", len(runs), sharedLimit, err)
	}
}

// TestTwoEngines lets two engines of one process work on one file: the limit is exact all the same, for an account is
// read under its lock each time.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	path, tenant := limited(t)
	engines := []*rentroll.Engine{engineOn(t, path), engineOn(t, path)}
	counts, errs := make(chan int, 4), make(chan error, 4)
	for i := range cap(counts) {
		go func() {
			n, err := admitSome(t.Context(), engines[i%2], tenant)
			counts <- n
			errs <- err
		}()
	}
	admitted := 0
	for range cap(counts) {
		admitted += <-counts
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	isLimited(t, path, tenant, admitted)
}

// TestTwoProcesses is the same with processes.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	path, tenant := limited(t)
	admitted := 0
	counts := make(chan string, 2)
	for range cap(counts) {
		cmd := child(t, "admit", path)
		go func() {
			out, err := cmd.CombinedOutput()
			counts <- strings.TrimSpace(fmt.Sprintln(strings.TrimSpace(string(out)), errText(err)))
		}()
	}
	for range cap(counts) {
		out := <-counts
		n, err := strconv.Atoi(out)
		if err != nil {
			t.Errorf("a process ended with %q", out)
		}
		admitted += n
	}
	isLimited(t, path, tenant, admitted)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// admit is a process of TestTwoProcesses.
func admit(path string) error {
	ctx := context.Background()
	e, err := openEngine(path)
	if err != nil {
		return err
	}
	tenant, err := e.GetTenantBySlug(ctx, "acme")
	if err != nil {
		return err
	}
	n, err := admitSome(ctx, e, tenant.ID)
	fmt.Println(n)
	return errors.Join(err, e.Close())
}

// TestTwoProcessesOpen: processes that start together on a new file all find it whole.
func TestTwoProcessesOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	outs := make(chan string, 3)
	for range cap(outs) {
		cmd := child(t, "write", path)
		go func() {
			out, err := cmd.CombinedOutput()
			outs <- string(out) + errText(err)
		}()
	}
	for range cap(outs) {
		if out := <-outs; out != "" {
			t.Errorf("a process ended with %q", out)
		}
	}
	list, err := engineOn(t, path).ListUsers(t.Context(), rentroll.ListUsersParams{})
	if err != nil || len(list.Items) != cap(outs) {
		t.Errorf("got the users %v, want one of each process (%v)", list, err)
	}
}
