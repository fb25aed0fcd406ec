//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// answered is what a process has answered before it was killed.
type answered struct {
	runs  map[string]int64 // by id; the tokens of a completed one, -1 of another
	pages []string         // event ids
}

// TestKill kills a process that works on a file, again and again, at whatever moment. Each time all that it had
// answered is there, and nothing is half there.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	e, err := openEngine(path)
	if err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, e, "acme").ID
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	all := answered{runs: make(map[string]int64)}
	for total, round := 0, 1; total < scaled(1000); round++ {
		n := killAfter(t, path, 1+random.IntN(200), &all)
		total += n
		if err := afterKill(t.Context(), path, tenant, all); err != nil {
			t.Fatalf("after round %d, in which %d operations were answered: %v", round, n, err)
		}
	}
}

// killAfter starts a process and kills it when it has answered so many operations. It returns how many it answered
// until it was dead.
func killAfter(t *testing.T, path string, operations int, all *answered) (n int) {
	t.Helper()
	cmd := child(t, "work", path)
	lines := start(t, cmd)
	for lines.Scan() {
		n++
		if n == operations {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		all.note(t, lines.Text())
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the process was not killed: %v", cmd.ProcessState)
	}
	return n
}

func (a *answered) note(t *testing.T, line string) {
	t.Helper()
	what, id, _ := strings.Cut(line, " ")
	switch what {
	case "created":
		a.runs[id] = -1
	case "completed":
		id, tokens, _ := strings.Cut(id, " ")
		n, err := strconv.ParseInt(tokens, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		a.runs[id] = n
	case "pages":
		a.pages = append(a.pages, id)
	default:
		t.Fatalf("the process says %q", line)
	}
}

// afterKill opens the file as the next process would, and checks it.
func afterKill(ctx context.Context, path string, tenant rentroll.TenantID, all answered) (err error) {
	e, err := openEngine(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := whole(ctx, e, tenant); err != nil {
		return err
	}
	runs, err := allRuns(ctx, e, tenant)
	if err != nil {
		return err
	}
	stored := make(map[string]*rentroll.Run)
	for _, r := range runs {
		stored[r.ID.String()] = r
	}
	for id, tokens := range all.runs {
		r := stored[id]
		switch {
		case r == nil:
			return fmt.Errorf("the run %s was answered and is not there", id)
		case tokens >= 0 && (r.TotalTokens == nil || *r.TotalTokens != tokens):
			return fmt.Errorf("the run %s was completed with %d tokens and is %s", id, tokens, r.Status)
		}
	}
	for events := range slices.Chunk(all.pages, rentroll.MaxUsageBatch) {
		receipt, err := e.RecordUsageBatch(ctx, rentroll.RecordUsageBatchParams{TenantID: tenant, Events: pagesEvents(events...)})
		if err != nil {
			return err
		}
		for i, item := range receipt.Items {
			if item.Status != rentroll.UsageDuplicate {
				return fmt.Errorf("the event %s was answered and is %s now", events[i], item.Status)
			}
		}
	}
	return nil
}

func pagesEvents(ids ...string) (out []rentroll.UsageParams) {
	for _, id := range ids {
		out = append(out, rentroll.UsageParams{Meter: "pages", Amount: 3, EventID: id})
	}
	return out
}

// work is the process of TestKill: it does what an engine does all day, and says what was answered.
func work(path string) error {
	ctx := context.Background()
	e, err := openEngine(path)
	if err != nil {
		return err
	}
	tenant, err := e.GetTenantBySlug(ctx, "acme")
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make(chan error, 8)
	for i := range cap(errs) {
		all.Go(func() {
			for n := 0; err == nil; n++ {
				err := workOnce(ctx, e, tenant.ID, fmt.Sprintf("%d-%d-%d", os.Getpid(), i, n), int64(n))
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	return <-errs
}

// workOnce does one round of work. A line is written when its operation has been answered, and whole or not at all.
func workOnce(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, name string, n int64) error {
	run, err := newRun(ctx, e, tenant, []byte(`{"n": "`+name+`"}`))
	if err != nil {
		return err
	}
	fmt.Printf("created %s\n", run.ID)
	if n%3 != 0 {
		if err := completeRun(ctx, e, run, n); err != nil {
			return err
		}
		fmt.Printf("completed %s %d\n", run.ID, n)
	}
	if _, err := e.RecordUsageBatch(ctx, rentroll.RecordUsageBatchParams{TenantID: tenant, Events: pagesEvents(name)}); err != nil {
		return err
	}
	fmt.Printf("pages %s\n", name)
	return nil
}
