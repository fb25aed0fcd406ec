package console

import (
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

// statementsPage is the list of a tenant's statements.
type statementsPage struct {
	Tenant place
	Rows   []rentroll.StatementPeriod
}

// statementPage is one statement.
type statementPage struct {
	Tenant    place
	Statement *rentroll.Statement
}

// Total is what is to be paid.
func (p *statementPage) Total() *int64 { return &p.Statement.TotalMicros }

// Cost is what the runs of the period reported.
func (p *statementPage) Cost() *int64 { return &p.Statement.CostMicros }

func (v *visit) statements() (any, error) {
	at, err := v.place()
	if err != nil {
		return nil, err
	}
	p := &statementsPage{Tenant: at}
	p.Rows, err = v.engine.ListStatements(v, at.ID)
	return p, err
}

func (v *visit) statement() (any, error) {
	p, err := v.readStatement()
	if err != nil {
		return nil, err
	}
	v.title = "Statement of " + p.Statement.Period
	return p, nil
}

func (v *visit) readStatement() (*statementPage, error) {
	at, err := v.place()
	if err != nil {
		return nil, err
	}
	p := &statementPage{Tenant: at}
	p.Statement, err = v.engine.GetStatement(v, at.ID, v.r.PathValue("period"))
	return p, err
}

// statementCSV is a statement for spreadsheets, with the columns of the API's.
func (v *visit) statementCSV() (*file, error) {
	p, err := v.readStatement()
	if err != nil {
		return nil, err
	}
	name := p.Tenant.Ref
	if name == "me" {
		name = p.Tenant.ID.String()
	}
	return &file{
		name: "statement-" + name + "-" + strings.ReplaceAll(p.Statement.Period, ":", "") + ".csv", contentType: "text/csv; charset=utf-8; header=present", body: csvrow.Statement(p.Statement),
	}, nil
}
