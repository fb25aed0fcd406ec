package rentroll

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// ExportedFile is a file of a tenant's export, as contents.jsonl, the last one, tells of it.
type ExportedFile struct {
	File string `json:"file"`
	Rows int64  `json:"rows"`
}

// TenantExport is an export of a tenant that is ready to be written.
type TenantExport struct {
	TenantID TenantID
	Slug     string
	At       time.Time // when it began

	engine *Engine
	tenant *Tenant
}

// Export begins an export of all that is kept of a tenant, whatever its status: archived, before it is purged, too.
// The tenant's audit says who took it away. It needs an operator with tenant:export, and no other permission: everything of
// the tenant is in the export.
func (e *Engine) Export(ctx context.Context, id TenantID) (*TenantExport, error) {
	if err := e.actor.mayOperate(PermTenantExport); err != nil {
		return nil, err
	}
	c := &noteExport{header{tenant: id, by: e.actor, size: 1024}}
	if id == PlatformID {
		return nil, notFound("tenant")
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	reader := e.As(Actor{})
	t, err := reader.GetTenant(ctx, id)
	if err != nil {
		return nil, err
	}
	return &TenantExport{TenantID: id, Slug: t.Slug, At: e.now(), engine: reader, tenant: t}, nil
}

// noteExport writes an export down.
type noteExport struct{ header }

func (c *noteExport) wants(*Batch) {}

func (c *noteExport) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	l.note(a, now)
	l.audit(a, c.by, now, change{action: "tenant.export", kind: "tenant", id: c.tenant.String()})
	return nil
}

// WriteZip writes the export as a zip archive of JSON Lines (UTF-8, an object a line), one file a kind: tenant, quotas,
// members, users (of the members), workers, api_keys (never secrets), subjects, meters,
// runs (with their payloads), usage_events, statements, events, denials, audit (in the form that AuditCheck verifies,
// the checkpoint first and the head last) and contents, which says how many rows each of the others has. An archive
// without contents.jsonl is not whole.
//
// It is read a page at a time, each from a snapshot of its own: however long it takes it holds nothing up and needs the
// memory of one page, and what is changed meanwhile is in it as it was before or after. For one goroutine.
func (x *TenantExport) WriteZip(ctx context.Context, w io.Writer) error {
	archive := zip.NewWriter(w)
	var contents []any
	for _, f := range x.files(ctx) {
		rows, err := x.writeFile(archive, f)
		if err != nil {
			return err
		}
		contents = append(contents, ExportedFile{f.name + ".jsonl", rows})
	}
	if _, err := x.writeFile(archive, exportFile{"contents", each(contents, nil)}); err != nil {
		return err
	}
	return archive.Close()
}

// exportFile is the rows of one kind.
type exportFile struct {
	name string
	rows iter.Seq2[any, error]
}

func (x *TenantExport) writeFile(archive *zip.Writer, f exportFile) (rows int64, err error) {
	file, err := archive.CreateHeader(&zip.FileHeader{Name: f.name + ".jsonl", Method: zip.Deflate, Modified: x.At})
	if err != nil {
		return 0, err
	}
	out := json.NewEncoder(file)
	out.SetEscapeHTML(false)
	for row, err := range f.rows {
		if err != nil {
			return rows, err
		}
		if err := out.Encode(row); err != nil {
			return rows, err
		}
		rows++
	}
	return rows, nil
}

func (x *TenantExport) files(ctx context.Context) []exportFile {
	e, id := x.engine, x.TenantID
	return []exportFile{
		{"tenant", each([]any{x.tenant}, nil)},
		{"quotas", late(func() iter.Seq2[any, error] { return each(e.GetQuotas(ctx, id)) })},
		{"members", pages(func(p Page) (*List[*Member], error) { return e.ListMembers(ctx, ListMembersParams{id, p}) })},
		{"users", x.users(ctx)},
		{"workers", late(func() iter.Seq2[any, error] { return each(e.ListWorkers(ctx, id)) })},
		{"api_keys", pages(func(p Page) (*List[*APIKey], error) {
			return e.ListAPIKeys(ctx, ListAPIKeysParams{TenantID: id, IncludeRevoked: true, Page: p})
		})},
		{"subjects", pages(func(p Page) (*List[*SubjectStanding], error) { return e.ListSubjects(ctx, ListSubjectsParams{id, p}) })},
		{"meters", late(func() iter.Seq2[any, error] { return each(e.ListMeters(ctx, id)) })},
		{"runs", pages(func(p Page) (*List[*Run], error) { return x.runs(ctx, p) })},
		{"usage_events", x.usage(ctx)},
		{"statements", x.statements(ctx)},
		{"events", pages(func(p Page) (*List[*Event], error) { return e.ListEvents(ctx, ListEventsParams{id, p}) })},
		{"denials", pages(func(p Page) (*List[*Denial], error) { return e.ListDenials(ctx, ListDenialsParams{id, p}) })},
		{"audit", x.audit(ctx)},
	}
}

// each gives the rows of a list that comes at once.
func each[T any](list []T, err error) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for _, row := range list {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// late begins to read only when rows are asked for.
func late(begin func() iter.Seq2[any, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) { begin()(yield) }
}

// pages gives the rows of a list that comes page by page.
func pages[T any](list func(Page) (*List[T], error)) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for p := (Page{Limit: MaxPageSize}); ; {
			page, err := list(p)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range page.Items {
				if !yield(row, nil) {
					return
				}
			}
			if p.Cursor = string(page.NextCursor); p.Cursor == "" {
				return
			}
		}
	}
}

// users are those of the members.
func (x *TenantExport) users(ctx context.Context) iter.Seq2[any, error] {
	return pages(func(p Page) (*List[*User], error) {
		members, err := x.engine.ListMembers(ctx, ListMembersParams{x.TenantID, p})
		if err != nil {
			return nil, err
		}
		out := &List[*User]{NextCursor: members.NextCursor}
		for _, m := range members.Items {
			switch u, err := x.engine.GetUser(ctx, m.UserID); {
			case err == nil:
				out.Items = append(out.Items, u)
			case !errors.Is(err, CodeNotFound): // who was deleted meanwhile is no member any more
				return nil, err
			}
		}
		return out, nil
	})
}

// runs are a page of runs with their payloads.
func (x *TenantExport) runs(ctx context.Context, p Page) (*List[*Run], error) {
	page, err := x.engine.ListRuns(ctx, ListRunsParams{TenantID: x.TenantID, Page: p})
	if err != nil {
		return nil, err
	}
	return page, x.engine.view(ctx, func(r Reader) error {
		for _, run := range page.Items {
			if err := loadPayloads(ctx, r, run); err != nil {
				return err
			}
		}
		return nil
	})
}

// usage is all events that are kept, in the order of their times, each with its statement.
func (x *TenantExport) usage(ctx context.Context) iter.Seq2[any, error] {
	always := quota.Period{Start: time.Unix(0, 0).UTC(), End: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	all := &UsageExport{TenantID: x.TenantID, engine: x.engine, ranges: []quota.Period{always}}
	return func(yield func(any, error) bool) {
		for e, err := range all.Events(ctx) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func (x *TenantExport) statements(ctx context.Context) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		periods, err := x.engine.ListStatements(ctx, x.TenantID)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, p := range periods {
			if st, err := x.engine.GetStatement(ctx, x.TenantID, p.Period); !yield(st, err) || err != nil {
				return
			}
		}
	}
}

// audit is the checkpoint, if older rows were pruned, the rows, and the head.
func (x *TenantExport) audit(ctx context.Context) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for p := (Page{Limit: MaxPageSize}); ; {
			page, err := x.engine.ExportAudit(ctx, ExportAuditParams{x.TenantID, p})
			if err != nil {
				yield(nil, err)
				return
			}
			if page.Checkpoint != nil && !yield(map[string]any{"checkpoint": page.Checkpoint}, nil) {
				return
			}
			for _, row := range page.Items {
				if !yield(row, nil) {
					return
				}
			}
			if page.Head != nil {
				yield(map[string]any{"head": page.Head}, nil)
				return
			}
			p.Cursor = string(page.NextCursor)
		}
	}
}
