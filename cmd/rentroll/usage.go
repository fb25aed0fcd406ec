package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type usageCmd struct {
	Remote

	Record    usageRecord    `cmd:"" help:"Record usage: one event, or several."`
	Consume   usageConsume   `cmd:"" help:"Use something up, if its quotas allow it."`
	Summary   usageSummary   `cmd:"" help:"Add up a tenant's usage per meter."`
	Statement usageStatement `cmd:"" help:"Show the statement of a billing period."`
	Export    usageExport    `cmd:"" help:"Export single usage events, as CSV or JSON Lines."`
	Series    usageSeries    `cmd:"" help:"Add up a meter over time, by worker, key or a kept dimension."`
}

type usageRecord struct {
	ofTenant

	Meter          string         `arg:"" optional:"" help:"What is counted, such as emails_sent."`
	Amount         *int64         `arg:"" optional:"" help:"How much."`
	Unit           string         `placeholder:"UNIT" help:"Its unit, fixed by the meter's first event. Default: the meter's; count for a new one."`
	Time           instant        `placeholder:"TIME" help:"When it was used. Default: now."`
	WorkerID       string         `name:"worker-id" placeholder:"WORKER" help:"Which worker used it."`
	APIKeyID       rentroll.KeyID `name:"api-key-id" placeholder:"KEY" help:"Which key used it."`
	RunID          rentroll.RunID `name:"run-id" placeholder:"RUN" help:"Which run used it."`
	EventID        string         `name:"event-id" placeholder:"ID" help:"Names the event: it then counts once, however often it is sent."`
	Corrects       string         `placeholder:"ID" help:"Takes AMOUNT back of the event with this id. Give it an --event-id of its own."`
	Metadata       string         `placeholder:"JSON" help:"A JSON object of the program's own: JSON, @FILE, or - for standard input."`
	Events         string         `placeholder:"JSON" help:"Several events instead: a JSON list of objects as the API takes them, @FILE, or - for standard input."`
	IdempotencyKey string         `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run records the events. Where one is rejected the exit code is 1, after the good ones have been stored.
func (c *usageRecord) Run(ctx context.Context, s *session) error {
	events, err := c.events(s)
	if err != nil {
		return err
	}
	receipt, err := s.api.RecordUsage(ctx, c.Tenant, client.RecordUsageParams{Events: events, IdempotencyKey: c.IdempotencyKey})
	err = s.print(err, func() error {
		rejected := slices.ContainsFunc(receipt.Items, func(r rentroll.UsageResult) bool { return r.Status == rentroll.UsageRejected })
		if len(receipt.Items) > 1 && !rejected {
			return s.done(nil, "%s", receiptText(receipt))
		}
		return printTable(s, receipt.Items, []column[rentroll.UsageResult]{
			{"status", false, func(r rentroll.UsageResult) string { return string(r.Status) }},
			{"event id", false, func(r rentroll.UsageResult) string { return plain(r.EventID) }},
			{"code", false, func(r rentroll.UsageResult) string { return plain(r.Code) }},
			{"why", false, func(r rentroll.UsageResult) string { return fieldErrors(r.Errors) }},
		})
	})
	if err != nil {
		return err
	}
	for _, r := range receipt.Items {
		if r.Status == rentroll.UsageRejected {
			return quietError{exitFailure}
		}
	}
	return nil
}

func receiptText(r *rentroll.UsageReceipt) string {
	count := map[rentroll.UsageStatus]int64{}
	for _, item := range r.Items {
		count[item.Status]++
	}
	text := number(count[rentroll.UsageRecorded]) + " events are recorded"
	if n := count[rentroll.UsageDuplicate]; n > 0 {
		text += ", " + number(n) + " had been before"
	}
	return text + "."
}

func fieldErrors(list []rentroll.FieldError) string {
	var parts []string
	for _, e := range list {
		parts = append(parts, e.Field+" "+e.Message)
	}
	return strings.Join(parts, "; ")
}

// events reads the events of the command line.
func (c *usageRecord) events(s *session) ([]client.UsageParams, error) {
	if c.Events == "" {
		if c.Meter == "" || c.Amount == nil {
			return nil, usagef("name a meter and an amount, or give --events")
		}
		metadata, err := readJSON(s.std, "--metadata", c.Metadata)
		if c.Corrects != "" { // a minus sign would be taken for a flag
			*c.Amount = -*c.Amount
		}
		return []client.UsageParams{{
			Meter: c.Meter, Amount: *c.Amount, Unit: c.Unit, Time: c.Time.Time, WorkerID: c.WorkerID, APIKeyID: c.APIKeyID,
			RunID: c.RunID, EventID: c.EventID, Metadata: metadata, Corrects: c.Corrects,
		}}, err
	}
	if c.Meter != "" {
		return nil, usagef("give a meter and an amount, or --events, but not both")
	}
	data, err := readJSON(s.std, "--events", c.Events)
	if err != nil {
		return nil, err
	}
	var events []client.UsageParams
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, usagef("--events is no list of events: %w", err)
	}
	return events, nil
}

type usageConsume struct {
	ofTenant

	Meter          string         `arg:"" optional:"" help:"What is used up, such as emails_sent."`
	Amount         int64          `arg:"" optional:"" default:"1" help:"How much. Default: ${default}."`
	Unit           string         `placeholder:"UNIT" help:"Its unit, fixed by the meter's first event. Default: the meter's; count for a new one."`
	WorkerID       string         `name:"worker-id" placeholder:"WORKER" help:"Which worker uses it."`
	APIKeyID       rentroll.KeyID `name:"api-key-id" placeholder:"KEY" help:"Which key uses it."`
	EventID        string         `name:"event-id" placeholder:"ID" help:"Names the event: it then counts once, however often it is sent."`
	Metadata       string         `placeholder:"JSON" help:"A JSON object of the program's own: JSON, @FILE, or - for standard input."`
	Items          string         `placeholder:"JSON" help:"Several things instead, all or none: a JSON list of objects as the API takes them, @FILE, or - for standard input."`
	IdempotencyKey string         `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run consumes, or fails with the denial.
func (c *usageConsume) Run(ctx context.Context, s *session) error {
	items, err := c.items(s)
	if err != nil {
		return err
	}
	out, err := s.api.Consume(ctx, c.Tenant, client.ConsumeParams{Items: items, IdempotencyKey: c.IdempotencyKey})
	return s.print(err, func() error {
		said := "Done."
		switch {
		case out.OverSoftLimit:
			said = "Done, beyond a soft limit."
		case !slices.ContainsFunc(out.Items, func(r rentroll.UsageResult) bool { return r.Status == rentroll.UsageRecorded }):
			said = "It had been done before."
		}
		if err := s.done(nil, "%s", said); err != nil || len(out.Quotas) == 0 {
			return err
		}
		return s.printQuotas(out.Quotas)
	})
}

// items reads the items of the command line.
func (c *usageConsume) items(s *session) ([]client.ConsumeItem, error) {
	if c.Items == "" {
		if c.Meter == "" {
			return nil, usagef("name a meter, or give --items")
		}
		metadata, err := readJSON(s.std, "--metadata", c.Metadata)
		return []client.ConsumeItem{{
			Meter: c.Meter, Amount: c.Amount, Unit: c.Unit, WorkerID: c.WorkerID, APIKeyID: c.APIKeyID, EventID: c.EventID, Metadata: metadata,
		}}, err
	}
	if c.Meter != "" {
		return nil, usagef("give a meter, or --items, but not both")
	}
	data, err := readJSON(s.std, "--items", c.Items)
	if err != nil {
		return nil, err
	}
	var items []client.ConsumeItem
	if err := json.Unmarshal(data, &items); err != nil {
		return nil, usagef("--items is no list of items: %w", err)
	}
	return items, nil
}

type usageSummary struct {
	ofTenant

	Start instant `placeholder:"TIME" help:"From then on. Default: the beginning of the present billing month."`
	End   instant `placeholder:"TIME" help:"Until then. Default: now."`
}

// Run adds up.
func (c *usageSummary) Run(ctx context.Context, s *session) error {
	sum, err := s.api.GetUsageSummary(ctx, c.Tenant, client.UsageSummaryParams{Start: c.Start.Time, End: c.End.Time})
	return s.print(err, func() error {
		_, err := fmt.Fprintf(s.std.out, "from %s\nto   %s\n\n", s.when(sum.Period.Start), s.when(sum.Period.End))
		if err != nil {
			return err
		}
		return printTable(s, slices.Sorted(maps.Keys(sum.Meters)), []column[string]{
			{"meter", false, func(m string) string { return m }},
			{"total", true, func(m string) string { return number(sum.Meters[m].Total) }},
			{"unit", false, func(m string) string { return sum.Meters[m].Unit }},
			{"events", true, func(m string) string { return number(sum.Meters[m].Count) }},
		})
	})
}
