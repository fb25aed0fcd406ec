//go:build unix

package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll"
)

// largeInput is as much as a run may bring.
var largeInput = []byte(`"` + strings.Repeat("x", 256<<10-2) + `"`)

// fill makes runs until the engine refuses one, and returns how many it made.
func fill(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) (made int, err error) {
	for made < 1000 {
		run, err := newRun(ctx, e, tenant, largeInput)
		if err == nil && made%2 == 0 {
			err = completeRun(ctx, e, run, 7)
		}
		if err != nil {
			return made, err
		}
		made++
	}
	return made, errors.New("a thousand large runs did not fill the disk")
}

// fullThenFree checks what an engine does while the disk is full and when it has space again: it answers unavailable
// with a reason, reads go on, nothing is half there, and what comes later is stored.
func fullThenFree(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, reason string, free func() error) error {
	for range 3 {
		_, err := fill(ctx, e, tenant)
		if !errors.Is(err, rentroll.CodeUnavailable) || !strings.Contains(err.Error(), reason) {
			return fmt.Errorf("while it is full: got %w, want it to be unavailable because %s", err, reason)
		}
		if err := whole(ctx, e, tenant); err != nil {
			return fmt.Errorf("while it is full: %w", err)
		}
	}
	before, err := allRuns(ctx, e, tenant)
	if err != nil {
		return err
	}
	if err := free(); err != nil {
		return err
	}
	for range 3 {
		run, err := newRun(ctx, e, tenant, largeInput)
		if err == nil {
			err = completeRun(ctx, e, run, 7)
		}
		if err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
	}
	after, err := allRuns(ctx, e, tenant)
	if err == nil && len(after) != len(before)+3 {
		err = fmt.Errorf("%d runs became %d with 3 more", len(before), len(after))
	}
	return errors.Join(err, whole(ctx, e, tenant))
}

// TestDiskFull lets the file grow no more, by SQLite's own limit.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	store, inside := openInside(t, nil)
	e, err := rentroll.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, e, "acme").ID
	limit := func(more int) error {
		return inside.Writer(func(c *zombiezen.Conn) error {
			count, err := pragma(c, "page_count")
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(count)
			if err != nil {
				return err
			}
			_, err = pragma(c, fmt.Sprintf("max_page_count = %d", n+more))
			return err
		})
	}
	if err := limit(500); err != nil {
		t.Fatal(err)
	}
	err = fullThenFree(t.Context(), e, tenant, "the disk is full; nothing was written", func() error { return limit(1 << 20) })
	if err != nil {
		t.Error(err)
	}
}

// TestDiskRefusesToGrow lets the log grow no more, by a limit of the system: the failure comes from writing, in the
// middle of a commit.
func TestDiskRefusesToGrow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	out, err := child(t, "cap", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e, err := openEngine(path)
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := e.GetTenantBySlug(t.Context(), "acme")
	if err == nil {
		err = whole(t.Context(), e, tenant.ID)
	}
	if err := errors.Join(err, e.Close()); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(out, []byte("healed")) {
		t.Errorf("the process ended with %q", out)
	}
}

// capped is the process of TestDiskRefusesToGrow.
func capped(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // then writing beyond the limit is an error
	ctx := context.Background()
	e, err := openEngine(path)
	if err != nil {
		return err
	}
	if _, _, err := e.PutPlan(ctx, rentroll.PutPlanParams{Name: "unlimited"}); err != nil {
		return err
	}
	tenant, err := e.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme", Plan: "unlimited"})
	if err != nil {
		return err
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	low := syscall.Rlimit{Cur: uint64(info.Size()) + 1<<20, Max: was.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &low); err != nil {
		return err
	}
	free := func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was) }
	if err := fullThenFree(ctx, e, tenant.ID, "the disk failed to read or write", free); err != nil {
		return err
	}
	fmt.Println("healed")
	return e.Close()
}
