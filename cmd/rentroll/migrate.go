package main

import (
	"context"
	"fmt"
)

type migrateCmd struct {
	Database string `placeholder:"URL" default:"rentroll.db" help:"SQLite file: a path or sqlite:PATH. Default: rentroll.db in the working folder."`
}

// Run opens the database, which is all that a migration takes.
func (c *migrateCmd) Run(ctx context.Context, std *streams) error {
	d, err := parseDatabase(c.Database)
	if err != nil {
		return err
	}
	store, err := d.open(ctx)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s has the schema of this program.\n", d.name)
	return err
}
