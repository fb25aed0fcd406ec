package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type usageStatement struct {
	ofTenant

	Period string `arg:"" optional:"" help:"The period, by the date on which it starts, such as 2026-11-01. Without one: which periods there are."`
	Format string `enum:"table,csv" default:"table" help:"table, or csv for a row a line. Default: ${default}."`
}

// Run shows a statement, or which there are.
func (c *usageStatement) Run(ctx context.Context, s *session) error {
	if c.Format == client.FormatCSV {
		return c.csv(ctx, s)
	}
	if c.Period == "" {
		return list(s, noPaging, everything(s.api.ListStatements(ctx, c.Tenant)), []column[rentroll.StatementPeriod]{
			{"period", false, func(p rentroll.StatementPeriod) string { return p.Period }},
			{"from", false, func(p rentroll.StatementPeriod) string { return s.when(p.Start) }},
			{"to", false, func(p rentroll.StatementPeriod) string { return s.when(p.End) }},
			{"final", false, func(p rentroll.StatementPeriod) string { return yesNo(p.Final) }},
			{"final at", false, func(p rentroll.StatementPeriod) string { return s.when(p.FinalAt) }},
		})
	}
	st, err := s.api.GetStatement(ctx, c.Tenant, c.Period)
	return s.print(err, func() error {
		state := "not final until " + s.when(st.FinalAt)
		if st.Final {
			state = "final since " + s.when(st.FinalAt)
		}
		if _, err := fmt.Fprintf(s.std.out, "from %s\nto   %s\n%s\n\n", s.when(st.Start), s.when(st.End), state); err != nil {
			return err
		}
		return printTable(s, slices.Concat(st.Lines, st.Adjustments), []column[rentroll.StatementLine]{
			{"period", false, func(l rentroll.StatementLine) string { return l.Period }},
			{"meter", false, func(l rentroll.StatementLine) string { return l.Meter }},
			{"quantity", true, func(l rentroll.StatementLine) string { return number(l.Quantity) }},
			{"unit", false, func(l rentroll.StatementLine) string { return l.Unit }},
			{"price", true, func(l rentroll.StatementLine) string { return price(l.PriceMicros, l.PricePer) }},
			{"amount", true, func(l rentroll.StatementLine) string { return money(&l.AmountMicros) }},
		})
	})
}

// csv prints a statement as the server writes it.
func (c *usageStatement) csv(ctx context.Context, s *session) error {
	switch {
	case c.Period == "":
		return usagef("name the period whose statement is to be CSV")
	case s.json:
		return usagef("give --format csv or --json, but not both")
	}
	text, err := s.api.GetStatementCSV(ctx, c.Tenant, c.Period)
	if err != nil {
		return err
	}
	_, err = s.std.out.Write(text)
	return err
}
