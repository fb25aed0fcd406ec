package rentroll

import (
	"context"
	"strings"
	"time"
)

// auditScan is how many rows a page of a filtered list looks at, and auditChunk how many of them are read at once.
const (
	auditScan  = 2000
	auditChunk = 250
)

// maxAuditFilter is how many characters a filter of the audit may have.
const maxAuditFilter = 255

// filtered reports whether anything but a page is asked for.
func (p *ListAuditParams) filtered() bool {
	return p.Actor != "" || p.ResourceID != "" || !p.Start.IsZero() || !p.End.IsZero()
}

// check says what is wrong with the filters.
func (p *ListAuditParams) check(bad *problems) {
	bad.add("actor", checkText(p.Actor, 0, maxAuditFilter))
	bad.add("resource_id", checkText(p.ResourceID, 0, maxAuditFilter))
	if !p.Start.IsZero() && !p.End.IsZero() && !p.Start.Before(p.End) {
		bad.add("end", "must be after start")
	}
}

// scope names the list with its filters.
func (p *ListAuditParams) scope(account TenantID) string {
	if !p.filtered() {
		return cursorScope("audit", account.String())
	}
	return cursorScope("audit", account.String(), p.Actor, p.ResourceID, p.Start.UTC().String(), p.End.UTC().String())
}

// matches reports whether a row is asked for, its time excepted. Whoever acts for a user is named behind "via".
func (p *ListAuditParams) matches(row *AuditRow) bool {
	if p.ResourceID != "" && row.ResourceID != p.ResourceID {
		return false
	}
	user, via, _ := strings.Cut(row.Actor, " via ")
	return p.Actor == "" || row.Actor == p.Actor || user == p.Actor || via == p.Actor
}

// search reads the rows that are asked for, newest first. next is the sequence before which to go on; 0 at the end.
func (p *ListAuditParams) search(ctx context.Context, r Reader, a *Account, f AuditFilter) (found []*AuditRow, next int64, err error) {
	limit := f.Limit - 1
	if f.Before == 0 {
		f.Before = a.AuditSequence + 1
	}
	if !p.End.IsZero() {
		from, err := auditSince(ctx, r, a, p.End)
		if err != nil {
			return nil, 0, err
		}
		f.Before = min(f.Before, from)
	}
	f.Limit = auditChunk
	for scanned := 0; scanned < auditScan; scanned += auditChunk {
		rows, err := r.ListAudit(ctx, f)
		if err != nil {
			return nil, 0, err
		}
		for _, row := range rows {
			if !p.Start.IsZero() && row.At.Before(p.Start) {
				return found, 0, nil
			}
			if !p.matches(row) {
				continue
			}
			if len(found) == limit {
				return found, f.Before, nil
			}
			found, f.Before = append(found, row), row.Sequence
		}
		if len(rows) < auditChunk {
			return found, 0, nil
		}
		f.Before = rows[len(rows)-1].Sequence
	}
	return found, f.Before, nil
}

// auditSince returns the sequence of an account's first row at or after an instant, one behind the last where there is
// none. Within an account rows are in the order of their times, since its now never steps back: halving finds it.
func auditSince(ctx context.Context, r Reader, a *Account, at time.Time) (int64, error) {
	low, high := int64(1), a.AuditSequence+1 // the answer is in [low, high]
	for low < high {
		middle := low + (high-low)/2
		rows, err := r.ListAudit(ctx, AuditFilter{TenantID: a.TenantID, Before: middle + 1, Limit: 1})
		if err != nil {
			return 0, err
		}
		if len(rows) == 1 && !rows[0].At.Before(at) {
			high = rows[0].Sequence
		} else { // or it was pruned
			low = middle + 1
		}
	}
	return low, nil
}
