package storetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

var subjects = noun[rentroll.SubjectRef, rentroll.Subject]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.SubjectRef, rentroll.Subject] { return &b.Subjects },
	key: func(r *rentroll.Subject) rentroll.SubjectRef {
		return rentroll.SubjectRef{TenantID: r.TenantID, Subject: r.Subject}
	},
	full: func(s *scene) *rentroll.Subject {
		return &rentroll.Subject{
			TenantID: newID[rentroll.TenantID](s), Subject: "käthe/ 4711", Limits: quota.Limits{quota.RunsPerDay: quota.Of(3)}, Reason: "trial",
			ConcurrentRuns: 1, TokensReserved: 2, CreatedAt: after(9),
			Runs:   rentroll.Tally{Used: 3, Ahead: 4, Start: after(5), End: after(6)},
			Tokens: rentroll.Tally{Used: 7, Ahead: 8, Start: after(10), End: after(11)},
		}
	},
	bare: func(s *scene) *rentroll.Subject {
		return &rentroll.Subject{TenantID: newID[rentroll.TenantID](s), Subject: "a"}
	},
	edit: func(r *rentroll.Subject) { r.ConcurrentRuns, r.Limits = 7, nil },
}

func subjectTests() []test {
	return append(subjects.tests(), test{"List", listSubjects}, test{"Open", openSubjects})
}

func listSubjects(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	names := []string{"b", "B", "a", "ä", "aa"}
	for _, name := range names {
		subjects.put(s, &rentroll.Subject{TenantID: tenant, Subject: name, CreatedAt: after(1)})
	}
	subjects.put(s, subjects.full(s)) // another tenant's
	slices.Sort(names)
	for after, want := range map[string][]string{"": names[:3], "a": names[2:], "ä": nil} {
		var got []string
		s.view(func(ctx context.Context, r rentroll.Reader) error {
			rows, err := r.ListSubjects(ctx, tenant, after, 3)
			for _, row := range rows {
				got = append(got, row.Subject)
			}
			return err
		})
		same(s, "the list behind "+after, got, want)
	}
}

// openSubjects adds up what open runs hold, by subject.
func openSubjects(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	put := func(of rentroll.TenantID, subject string, status rentroll.RunStatus, reserved int64) {
		r := runOf(s, of)
		r.Subject, r.Status, r.ReservedTokens = rentroll.NullString(subject), status, reserved
		runs.put(s, r)
	}
	put(tenant, "ada", rentroll.RunQueued, 5)
	put(tenant, "ada", rentroll.RunRunning, 7)
	put(tenant, "ada", rentroll.RunFailed, 100)
	put(tenant, "Ada", rentroll.RunQueued, 1)
	put(tenant, "", rentroll.RunQueued, 1000)
	put(newID[rentroll.TenantID](s), "ada", rentroll.RunQueued, 1)
	nobody := newID[rentroll.TenantID](s)
	b := &rentroll.Batch{OpenSubjects: map[rentroll.TenantID]*map[string]rentroll.HeldSum{tenant: nil, nobody: nil}}
	s.view(func(ctx context.Context, r rentroll.Reader) error { return r.Load(ctx, b) })
	same(s, "what is open", *b.OpenSubjects[tenant], map[string]rentroll.HeldSum{"ada": {Runs: 2, Reserved: 12}, "Ada": {Runs: 1, Reserved: 1}})
	if answer := b.OpenSubjects[nobody]; answer == nil || len(*answer) > 0 {
		s.Errorf("of nobody: %v", answer)
	}
}

// engineSubjects: as many of a subject's callers get a run as its limits allow, whenever these are set and taken away.
func engineSubjects(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{
		quota.RunsPerDay: quota.NoLimit(), quota.ConcurrentRuns: quota.NoLimit(), quota.ForSubjects(quota.ConcurrentRuns): quota.Of(3),
	})
	ask := func(subject string) (*rentroll.Run, error) {
		return h.CreateRun(h.Context(), rentroll.CreateRunParams{TenantID: tenant, WorkerID: "writer", Task: "t", Subject: subject, ReserveTokens: 10})
	}
	storm := func(subject string) int64 {
		var admitted atomic.Int64
		s.together(32, func(int) error {
			_, err := ask(subject)
			var denied *rentroll.QuotaExceededError
			switch {
			case err == nil:
				admitted.Add(1)
			case !errors.As(err, &denied) || denied.Scope != rentroll.ScopeSubject:
				return err
			}
			return nil
		})
		return admitted.Load()
	}
	same(s, "of ada", storm("ada"), int64(3))
	same(s, "of bob", storm("bob"), int64(3))
	put := func(subject string, limits quota.Limits) {
		_, err := h.PutSubject(h.Context(), rentroll.PutSubjectParams{TenantID: tenant, Subject: subject, Limits: limits})
		h.must(err)
	}
	put("ada", quota.Limits{quota.ConcurrentRuns: quota.Of(5)})
	same(s, "of ada with limits of her own", storm("ada"), int64(2))

	// Without any limit nothing is counted; what is open then counts as soon as there is one.
	h.overrides(tenant, quota.Limits{quota.RunsPerDay: quota.NoLimit(), quota.ConcurrentRuns: quota.NoLimit()})
	for range 4 {
		_, err := ask("eve")
		h.must(err)
	}
	put("eve", quota.Limits{quota.ConcurrentRuns: quota.Of(6), quota.RunsPerDay: quota.Of(100)})
	same(s, "of eve, who had four", storm("eve"), int64(2))
	h.clean()
	h.must(h.DeleteSubject(h.Context(), tenant, "eve"))
	if _, err := h.GetSubject(h.Context(), tenant, "eve"); !errors.Is(err, rentroll.CodeNotFound) {
		s.Errorf("a subject that nothing limits: %v", err)
	}
	for _, run := range h.runsOf(rentroll.ListRunsParams{TenantID: tenant}) {
		_, err := h.CompleteRun(h.Context(), rentroll.CompleteRunParams{TenantID: tenant, RunID: run.ID, Success: true, TotalTokens: 7})
		h.must(err)
	}
	ada, err := h.GetSubject(h.Context(), tenant, "ada")
	h.must(err)
	same(s, "ada's runs today, open, and tokens", []int64{ada.Quotas[0].Used, ada.Quotas[1].Used, ada.Quotas[2].Used}, []int64{5, 0, 35})
	h.clean()

	// When nothing stands in a row any more it goes, but for one with limits of its own.
	h.pass(45 * 24 * time.Hour)
	_, err = h.Prune(h.Context())
	h.must(err)
	list, err := h.ListSubjects(h.Context(), rentroll.ListSubjectsParams{TenantID: tenant})
	h.must(err)
	if len(list.Items) != 1 || list.Items[0].Subject != "ada" || list.NextCursor != "" {
		s.Errorf("after pruning: %+v", list.Items)
	}
	h.clean()
}
