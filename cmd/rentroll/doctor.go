package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/sqlstore"
)

type doctorCmd struct {
	databaseFlags

	Reconcile bool   `help:"Compare every counter, gauge, bound and rollup, and the directory, with the rows they were made from."`
	Repair    bool   `help:"Mend what --reconcile finds, under the tenants' locks; the audit tells of it."`
	Tenant    string `placeholder:"TENANT" help:"Look at this tenant only: an id or a slug."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

// Help says what it does to the database.
func (c *doctorCmd) Help() string {
	return `It opens the database itself and needs no server. Servers may be at work on it meanwhile: each tenant is compared in one ` +
		`snapshot, and holds up nobody. It migrates nothing: a database with another version of the schema is refused.

The exit code is 0 where nothing differs, or everything that differed was mended, and 1 where something does.`
}

// maxFindings is how many differences are told before the doctor gives up counting: so much damage is one.
const maxFindings = 10_000

// Run looks at the database.
func (c *doctorCmd) Run(ctx context.Context, std *streams) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !c.Reconcile && (c.Repair || c.Tenant != "") {
		return usagef("--repair and --tenant are about --reconcile: give that, too")
	}
	d, err := c.database(poolFlags{}, false)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelError}))
	if err := d.await(ctx, logger); err != nil {
		return err
	}
	version, err := d.version(ctx)
	if err != nil {
		return err
	}
	switch known := sqlstore.SchemaVersion(); {
	case version == 0:
		return fmt.Errorf("%s holds no database of rentroll", d.name)
	case version < known:
		return fmt.Errorf("%s has version %d of the schema, and this program knows %d: use that version's program, or rentroll migrate", d.name, version, known)
	}
	store, err := d.open(ctx, logger)
	if err != nil {
		return err
	}
	engine, err := rentroll.New(store, &rentroll.Options{
		Logger: logger, SweepInterval: -1, Retention: rentroll.Retention{Interval: -1},
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	found, err := c.look(ctx, std, engine, d)
	if err := errors.Join(err, engine.Close()); err != nil {
		return err
	}
	if !found.Clean() {
		return quietError{exitFailure}
	}
	return nil
}

// look reconciles, where that is asked for, and tells what was found.
func (c *doctorCmd) look(ctx context.Context, std *streams, engine *rentroll.Engine, d database) (*rentroll.Reconciliation, error) {
	found := &rentroll.Reconciliation{Differences: []rentroll.Difference{}, Unchecked: []rentroll.Unchecked{}}
	if c.Reconcile {
		if err := c.reconcile(ctx, std, engine, found); err != nil {
			return nil, err
		}
	}
	if c.JSON {
		body, err := json.Marshal(found)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintf(std.out, "%s\n", body)
		return found, err
	}
	if !c.Reconcile {
		_, err := fmt.Fprintf(std.out, "%s opens, with version %d of the schema. --reconcile compares what it counts.\n", d.name, sqlstore.SchemaVersion())
		return found, err
	}
	return found, c.show(std, found)
}

// reconcile compares call by call and adds up.
func (c *doctorCmd) reconcile(ctx context.Context, std *streams, engine *rentroll.Engine, all *rentroll.Reconciliation) error {
	p := rentroll.ReconcileParams{Repair: c.Repair}
	if c.Tenant != "" {
		t, err := findTenant(ctx, engine, c.Tenant)
		if err != nil {
			return err
		}
		p.TenantID = t.ID
	}
	s := &session{std: std}
	progress := s.progress("compared")
	progress.noun = "tenants"
	defer progress.end()
	for {
		part, err := engine.Reconcile(ctx, p)
		if err != nil {
			return err
		}
		all.Tenants += part.Tenants
		all.Differences = append(all.Differences, part.Differences...)
		all.Unchecked = append(all.Unchecked, part.Unchecked...)
		progress.at(all.Tenants, 0)
		p.Cursor = string(part.NextCursor)
		if all.NextCursor = part.NextCursor; p.Cursor == "" || len(all.Differences) >= maxFindings {
			return nil
		}
	}
}

// findTenant looks a tenant up by its id or slug.
func findTenant(ctx context.Context, engine *rentroll.Engine, name string) (*rentroll.Tenant, error) {
	if id, err := rentroll.ParseTenantID(name); err == nil {
		return engine.GetTenant(ctx, id)
	}
	return engine.GetTenantBySlug(ctx, name)
}

// show tells people what was found.
func (c *doctorCmd) show(std *streams, found *rentroll.Reconciliation) error {
	s := &session{std: std, utc: true, now: time.Now()}
	if len(found.Differences) > 0 {
		err := printTable(s, found.Differences, []column[rentroll.Difference]{
			{"tenant", false, func(d rentroll.Difference) string { return id(d.TenantID) }},
			{"table", false, func(d rentroll.Difference) string { return d.Table }},
			{"row", false, func(d rentroll.Difference) string { return d.Key }},
			{"field", false, func(d rentroll.Difference) string { return d.Field }},
			{"stored", true, func(d rentroll.Difference) string { return d.Stored }},
			{"computed", true, func(d rentroll.Difference) string { return d.Computed }},
			{"mended", false, func(d rentroll.Difference) string { return yesNo(d.Mended) }},
			{"note", false, func(d rentroll.Difference) string { return plain(d.Note) }},
		})
		if err != nil {
			return err
		}
	}
	for _, u := range found.Unchecked {
		if _, err := fmt.Fprintf(std.out, "Not compared: %s of %s in %s: %s.\n", u.Field, u.Table, u.TenantID, u.Reason); err != nil {
			return err
		}
	}
	return summarize(std.out, found)
}

func summarize(out io.Writer, found *rentroll.Reconciliation) error {
	mended := 0
	for _, d := range found.Differences {
		if d.Mended {
			mended++
		}
	}
	text := fmt.Sprintf("%s compared: ", counted(found.Tenants, "tenant"))
	switch n := len(found.Differences); {
	case n == 0:
		text += "nothing differs from its rows."
	case mended == n:
		text += fmt.Sprintf("%s, all mended.", counted(int64(n), "difference"))
	case mended > 0:
		text += fmt.Sprintf("%s, %d of them mended.", counted(int64(n), "difference"), mended)
	default:
		text += counted(int64(n), "difference") + "; --repair mends them."
	}
	if found.NextCursor != "" {
		text += " There is more: these are the first."
	}
	_, err := fmt.Fprintln(out, text)
	return err
}
