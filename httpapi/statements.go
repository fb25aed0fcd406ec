package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

func listStatements(c *call, _ *ofTenant, _ *none) (*rentroll.List[rentroll.StatementPeriod], error) {
	periods, err := c.engine.ListStatements(c, c.tenant)
	if err != nil {
		return nil, err
	}
	return list(periods), nil
}

type ofStatement struct {
	Tenant string `path:"tenant"`
	Period string `path:"period"`
	Format string `query:"format"`
}

func (p ofStatement) tenantRef() string { return p.Tenant }

func getStatement(c *call, p *ofStatement, _ *none) (*rentroll.Statement, error) {
	var bad fieldErrors
	csv := p.Format == "csv"
	if !csv && p.Format != "" && p.Format != "json" {
		bad.add("format", "must be json or csv")
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	if p.Format == "" {
		csv = bad.format(exchangeOf(c).request, "")
	}
	st, err := c.engine.GetStatement(c, c.tenant, p.Period)
	if err == nil && csv {
		c.stream = func(w http.ResponseWriter, _ *http.Request) error { return writeStatement(w, st) }
	}
	return st, err
}

// writeStatement answers with a statement as CSV.
func writeStatement(w http.ResponseWriter, st *rentroll.Statement) error {
	body := csvrow.Statement(st)
	h := w.Header()
	h.Set("Content-Type", csvType+"; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="statement-`+strings.ReplaceAll(st.Period, ":", "")+`.csv"`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // nobody is left to tell that the client went away
	return nil
}
