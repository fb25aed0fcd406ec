package console

import (
	"fmt"

	"github.com/rentroll/rentroll"
)

// runsPage is the list of a tenant's runs.
type runsPage struct {
	Tenant              place
	Status, Worker, Key string

	Rows  []runRow
	Next  string // the address of the next page; "" on the last
	First string // the address of the first page, on others
	Empty bool   // the tenant has no run at all, whatever the filters
}

// runsRows is how many runs a page shows.
const runsRows = 50

// runRow is a run in a table.
type runRow struct {
	*rentroll.Run

	Path  string
	Took  string // from its start to its end, or until now; "" before its start
	Spent int64  // tokens
}

func (v *visit) runs() (any, error) {
	at, err := v.place()
	if err != nil {
		return nil, err
	}
	p := &runsPage{Tenant: at, Status: v.query("status"), Worker: v.query("worker"), Key: v.query("key")}
	params := rentroll.ListRunsParams{
		TenantID: at.ID, Status: rentroll.RunStatus(p.Status), WorkerID: p.Worker,
		Page: rentroll.Page{Limit: runsRows, Cursor: v.query("cursor")},
	}
	if p.Key != "" {
		if params.APIKeyID, err = rentroll.ParseKeyID(p.Key); err != nil {
			return nil, wrong("key", "is not the id of a key: those begin with key_")
		}
	}
	list, err := v.engine.ListRuns(v, params)
	if err != nil {
		return nil, err
	}
	for _, run := range list.Items {
		p.Rows = append(p.Rows, v.runRow(at, run))
	}
	if list.NextCursor != "" {
		p.Next = v.withCursor(string(list.NextCursor))
	}
	if v.query("cursor") != "" {
		p.First = v.withCursor("")
	}
	p.Empty = len(p.Rows) == 0 && p.Status+p.Worker+p.Key+p.First+p.Next == ""
	return p, nil
}

// Command is how to admit a first run.
func (p *runsPage) Command() string {
	return fmt.Sprintf("rentroll run create %s business-builder \"Write a business plan for a bakery\"", p.Tenant.Ref)
}

func (v *visit) runRow(at place, run *rentroll.Run) runRow {
	row := runRow{Run: run, Path: at.Path + "/runs/" + run.ID.String(), Spent: run.TokensSoFar}
	if run.TotalTokens != nil {
		row.Spent = *run.TotalTokens
	}
	if run.StartedAt != nil {
		end := v.now
		if run.CompletedAt != nil {
			end = *run.CompletedAt
		}
		row.Took = span(end.Sub(*run.StartedAt))
	}
	return row
}
