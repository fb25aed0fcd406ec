package simtest_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// refusable are the operations that are denied, each as a key calls it.
var refusable = map[string]func(ctx context.Context, e *rentroll.Engine, run rentroll.RunRef) error{
	"CreateRun": func(ctx context.Context, e *rentroll.Engine, run rentroll.RunRef) error {
		_, err := e.CreateRun(ctx, rentroll.CreateRunParams{TenantID: run.TenantID, WorkerID: "builder", Task: "t"})
		return err
	},
	"CreateRuns": func(ctx context.Context, e *rentroll.Engine, run rentroll.RunRef) error {
		one := rentroll.CreateRunParams{WorkerID: "builder", Task: "t"}
		_, err := e.CreateRuns(ctx, rentroll.CreateRunsParams{TenantID: run.TenantID, Runs: []rentroll.CreateRunParams{one, one}})
		return err
	},
	"RetryRun": func(ctx context.Context, e *rentroll.Engine, run rentroll.RunRef) error {
		_, err := e.RetryRun(ctx, rentroll.RetryRunParams{TenantID: run.TenantID, RunID: run.RunID})
		return err
	},
	"ReserveTokens": func(ctx context.Context, e *rentroll.Engine, run rentroll.RunRef) error {
		_, err := e.ReserveTokens(ctx, rentroll.ReserveTokensParams{TenantID: run.TenantID, RunID: run.RunID, Tokens: 5})
		return err
	},
	"Consume": func(ctx context.Context, e *rentroll.Engine, run rentroll.RunRef) error {
		_, err := e.Consume(ctx, rentroll.ConsumeParams{
			TenantID: run.TenantID, Items: []rentroll.ConsumeItem{{Meter: "pages", Amount: 1, WorkerID: "builder"}},
		})
		return err
	},
}

// TestRefusalsBeforeADecisionAreDenials: whatever refuses more use because of the tenant's status or the key's permissions
// is told among the denials in the same words, whichever operation asked, with the key that asked.
func TestRefusalsBeforeADecisionAreDenials(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name string
		open func(t *testing.T) func() rentroll.Store
	}{
		{"sqlite", func(t *testing.T) func() rentroll.Store {
			t.Helper()
			path := filepath.Join(t.TempDir(), "rentroll.db")
			return func() rentroll.Store { return openFile(t, path) }
		}},
		{"postgres", func(t *testing.T) func() rentroll.Store { t.Helper(); return openServers(t) }},
	} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			open := store.open(t)
			r := newRig(t, open(), rentroll.Options{})
			acme, other := r.tenant("acme", nil), r.tenant("other", nil)
			run := rentroll.RunRef{TenantID: acme, RunID: r.mustRun(acme).ID}
			key := func(permissions ...string) (rentroll.KeyID, string) {
				secret, key, err := r.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: acme, Name: "k", Permissions: permissions})
				if err != nil {
					t.Fatal(err)
				}
				return key.ID, secret
			}
			as := func(secret string) *rentroll.Engine {
				actor, err := r.Authenticate(t.Context(), secret)
				if err != nil {
					t.Fatal(err)
				}
				return r.As(actor)
			}
			refused := func(e *rentroll.Engine, ref rentroll.RunRef, code rentroll.Code) {
				for name, call := range refusable {
					if err := call(t.Context(), e, ref); rentroll.CodeOf(err) != code {
						t.Errorf("%s: %v, want %s", name, err, code)
					}
				}
			}
			poor, poorSecret := key("read:*")
			all, allSecret := key("*")
			refused(as(poorSecret), run, rentroll.CodeForbidden)
			refused(as(poorSecret), rentroll.RunRef{TenantID: other, RunID: run.RunID}, rentroll.CodeNotFound) // is nobody's denial
			if _, err := r.Suspend(t.Context(), rentroll.TransitionParams{TenantID: acme, Reason: "invoice overdue"}); err != nil {
				t.Fatal(err)
			}
			suspended := as(allSecret)
			refused(suspended, run, rentroll.CodeTenantSuspended)
			if _, err := suspended.StartRun(t.Context(), run); rentroll.CodeOf(err) != rentroll.CodeTenantSuspended {
				t.Errorf("a start: %v", err) // asks for nothing that was not admitted
			}
			if err := r.Close(); err != nil { // which writes them
				t.Fatal(err)
			}
			again := newRig(t, open(), rentroll.Options{})
			want := map[rentroll.Code]rentroll.KeyID{rentroll.CodeForbidden: poor, rentroll.CodeTenantSuspended: all}
			got := map[rentroll.Code]int{}
			workers := map[rentroll.Code][]string{}
			list, err := again.ListDenials(t.Context(), rentroll.ListDenialsParams{TenantID: acme})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list.Items {
				got[d.Code]++
				if d.WorkerID != "" {
					workers[d.Code] = append(workers[d.Code], string(d.WorkerID))
				}
				if d.APIKeyID != want[d.Code] || d.Reason == "" || d.Quota != "" || !d.At.Equal(noon) {
					t.Errorf("a denial: %+v", d)
				}
			}
			for code := range want {
				if got[code] != len(refusable) || !slices.Equal(workers[code], []string{"builder", "builder", "builder"}) {
					t.Errorf("%d denials %s by %v, want %d, three of which know the worker", got[code], code, workers[code], len(refusable))
				}
			}
			if len(list.Items) != 2*len(refusable) {
				t.Errorf("%d denials", len(list.Items))
			}
			if list, err := again.ListDenials(t.Context(), rentroll.ListDenialsParams{TenantID: other}); err != nil || len(list.Items) > 0 {
				t.Errorf("another tenant has denials: %v, %v", list, err)
			}
			minutes, err := again.ListActivity(t.Context(), noon.Add(-time.Minute))
			if err != nil || minutes[1].Denied != int64(2*len(refusable)) || minutes[1].Admitted != 1 {
				t.Errorf("the activity is %+v, %v", minutes, err)
			}
		})
	}
}
