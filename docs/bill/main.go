// Command bill makes the invoice of a tenant's billing period, twice: from the statement, and from the single events behind it.
// It fails where the two differ by as much as a millionth.
//
//	RENTROLL_KEY=… go run ./docs/bill -tenant acme -period 2026-10-01
//
// It is an example for finance: what it does with the two files, a spreadsheet can do as well. See docs/billing.md.
package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/rentroll/rentroll/client"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:8080", "the server")
	tenant := flag.String("tenant", "", "the tenant, by id or slug")
	period := flag.String("period", "", "the date on which the period starts")
	flag.Parse()
	api, err := client.New(*url, os.Getenv("RENTROLL_KEY"), nil) //nolint:forbidigo // a program
	if err == nil {
		err = bill(context.Background(), api, *tenant, *period, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bill:", err)
		os.Exit(1) //nolint:forbidigo // a program
	}
}

// row is a row of CSV by the names of its columns.
type row map[string]string

func (r row) number(column string) int64 {
	n, err := strconv.ParseInt(r[column], 10, 64)
	if err != nil {
		panic(fmt.Errorf("the column %s of %v is no number", column, r))
	}
	return n
}

// rows reads CSV with a header.
func rows(in io.Reader, each func(row)) error {
	lines := csv.NewReader(in)
	header, err := lines.Read()
	for err == nil {
		var fields []string
		if fields, err = lines.Read(); err == nil {
			r := row{}
			for i, name := range header {
				r[name] = fields[i]
			}
			each(r)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// line names a line of a statement: a meter in the period that it was used in.
type line struct{ period, meter string }

// used is what the events of a line come to.
type used struct{ sum, events, largest int64 }

// bill prints the invoice of a period, once statement and events agree on it.
func bill(ctx context.Context, api *client.Client, tenant, period string, out io.Writer) error {
	events, err := add(ctx, api, tenant, period)
	if err != nil {
		return err
	}
	text, err := api.GetStatementCSV(ctx, tenant, period)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "period\tmeter\tquantity\tunit\tevents\tamount\t") // Flush tells
	var total, count int64
	var wrong []error
	err = rows(bytes.NewReader(text), func(r row) {
		of := line{r["period"], r["meter"]}
		wrong = append(wrong, compare(r, events[of]))
		delete(events, of)
		total += r.number("amount_micros")
		count += r.number("events")
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t\n", r["period"], r["meter"], r["quantity"], r["unit"], r["events"], money(r.number("amount_micros")))
	})
	for of := range events {
		wrong = append(wrong, fmt.Errorf("the statement has no line for the events of %s in %s", of.meter, of.period))
	}
	st, lost := api.GetStatement(ctx, tenant, period)
	if err := errors.Join(append(wrong, err, lost)...); err != nil {
		return err
	}
	if st.TotalMicros != total {
		return fmt.Errorf("the lines come to %d, the statement to %d", total, st.TotalMicros)
	}
	_, _ = fmt.Fprintf(table, "\ttotal\t\t\t%d\t%s\t\n", count, money(total))
	if err := table.Flush(); err != nil {
		return err
	}
	state := "It is final."
	if !st.Final {
		state = "It is not final yet: more may come."
	}
	_, err = fmt.Fprintf(out, "\nStatement and events agree. %s\n", state)
	return err
}

// add adds up the events of a statement, line by line.
func add(ctx context.Context, api *client.Client, tenant, period string) (map[line]used, error) {
	export, err := api.OpenUsageExport(ctx, tenant, client.ExportUsageParams{Statement: period}, client.FormatCSV)
	if err != nil {
		return nil, err
	}
	defer export.Close()
	sums := map[line]used{}
	err = rows(export, func(r row) {
		of := line{r["statement"], r["meter"]}
		if r["adjusts"] != "" {
			of.period = r["adjusts"]
		}
		amount, u := r.number("amount"), sums[of]
		sums[of] = used{u.sum + amount, u.events + 1, max(u.largest, amount)}
	})
	return sums, err
}

// compare says how a line of the statement differs from its events; nil for not at all.
func compare(r row, events used) error {
	quantity := events.sum
	if r["aggregation"] == "max" {
		// Of an adjustment only what it is above earlier statements is billed, which they have to tell.
		if quantity = events.largest; r["kind"] == "adjustment" {
			quantity = min(quantity, r.number("quantity"))
		}
	}
	amount := int64(0)
	if r["price_micros"] != "" {
		amount = rounded(quantity, r.number("price_micros"), r.number("price_per"))
	}
	if quantity != r.number("quantity") || events.events != r.number("events") || amount != r.number("amount_micros") {
		return fmt.Errorf("%s in %s: the statement has %s (%s events, %s millionths), the events come to %d (%d events, %d millionths)",
			r["meter"], r["period"], r["quantity"], r["events"], r["amount_micros"], quantity, events.events, amount)
	}
	return nil
}

// rounded is quantity × price / per, rounded once, half away from zero.
func rounded(quantity, price, per int64) int64 {
	n := new(big.Int).Mul(big.NewInt(2*quantity), big.NewInt(price))
	n.Add(n, big.NewInt(per*int64(n.Sign())))
	return n.Quo(n, big.NewInt(2*per)).Int64()
}

// money is an amount in whole units.
func money(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return fmt.Sprintf("%s%d.%06d", sign, micros/1_000_000, micros%1_000_000)
}
