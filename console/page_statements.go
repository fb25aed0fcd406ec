package console

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/rentroll/rentroll"
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

// statementCSV is a statement for spreadsheets: a line a meter, then a line for each adjustment.
func (v *visit) statementCSV() (*file, error) {
	p, err := v.readStatement()
	if err != nil {
		return nil, err
	}
	s := p.Statement
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	rows := [][]string{{"kind", "period", "meter", "display_name", "aggregation", "quantity", "unit", "events", "price_micros", "price_per", "amount_micros"}}
	for _, line := range s.Lines {
		rows = append(rows, csvLine("line", line))
	}
	for _, line := range s.Adjustments {
		rows = append(rows, csvLine("adjustment", line))
	}
	if err := out.WriteAll(rows); err != nil {
		return nil, err
	}
	name := p.Tenant.Ref
	if name == "me" {
		name = p.Tenant.ID.String()
	}
	return &file{name: "statement-" + name + "-" + s.Period + ".csv", contentType: "text/csv; charset=utf-8", body: b.Bytes()}, nil
}

func csvLine(kind string, l rentroll.StatementLine) []string {
	price := ""
	if l.PriceMicros != nil {
		price = strconv.FormatInt(*l.PriceMicros, 10)
	}
	return []string{
		kind, l.Period, l.Meter, csvText(string(l.DisplayName)), string(l.Aggregation), strconv.FormatInt(l.Quantity, 10), csvText(l.Unit),
		strconv.FormatInt(l.Count, 10), price, strconv.FormatInt(l.PricePer, 10), strconv.FormatInt(l.AmountMicros, 10),
	}
}

// csvText keeps a spreadsheet from taking a text that somebody else has chosen for a formula.
func csvText(s string) string {
	if strings.ContainsAny(s[:min(len(s), 1)], "=+-@\t\r") {
		return "'" + s
	}
	return s
}
