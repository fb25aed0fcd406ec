package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type migrateCmd struct {
	databaseFlags
	logFlags
}

// Help says when it is of use.
func (c *migrateCmd) Help() string {
	return `"rentroll serve" migrates on its start, too. Migrate first where the migration is to be a step of its own, or is made by a ` +
		`database user of its own. Programs that migrate one database at once wait for each other.`
}

// Run opens the database, which is all that a migration takes, and says what that has changed.
func (c *migrateCmd) Run(ctx context.Context, std *streams) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := c.database(poolFlags{}, false)
	if err != nil {
		return err
	}
	logger, _ := c.logger(std)
	if err := d.await(ctx, logger); err != nil {
		return err
	}
	before, err := d.version(ctx)
	if err != nil {
		return err
	}
	store, err := d.open(ctx, logger)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	after, err := d.version(ctx)
	if err != nil {
		return err
	}
	switch before {
	case after:
		_, err = fmt.Fprintf(std.out, "%s has version %d of the schema already.\n", d.name, after)
	case 0:
		_, err = fmt.Fprintf(std.out, "%s was made, with version %d of the schema.\n", d.name, after)
	default:
		_, err = fmt.Fprintf(std.out, "%s was migrated from version %d of the schema to version %d.\n", d.name, before, after)
	}
	return err
}
