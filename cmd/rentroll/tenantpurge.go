package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rentroll/rentroll"
)

type tenantPurge struct {
	Tenant string `arg:"" help:"Its id or slug. Of a purge that was begun: its id."`
	Yes    bool   `help:"Do not ask."`
}

// Help says what is left.
func (c *tenantPurge) Help() string {
	return `All its rows go: members, keys, runs, usage, audit. Only the platform's audit keeps when it was, by whom, and where the ` +
		`tenant's audit ended. There is no way back: export before what may be needed. The slug is free at once.

On a terminal its slug or id has to be typed once more, elsewhere --yes is needed. It can be stopped at any time: the server brings to ` +
		`its end what was begun.`
}

// Run purges, call by call.
func (c *tenantPurge) Run(ctx context.Context, s *session) error {
	if err := c.confirm(s); err != nil {
		return err
	}
	progress := s.progress("removed")
	defer progress.end()
	p, err := s.api.PurgeTenant(ctx, c.Tenant)
	for err == nil && p.EndedAt == nil {
		progress.at(p.Removed, 0)
		var more *rentroll.Purging
		if more, err = s.api.PurgeTenant(ctx, p.TenantID.String()); rentroll.CodeOf(err) == rentroll.CodeNotFound {
			err = nil // the server was faster
			break
		}
		if err == nil {
			p = more
		}
	}
	return s.print(err, func() error {
		_, err := fmt.Fprintf(s.std.out, "%s is gone: %s.\n", p.Slug, counted(p.Removed, "row"))
		return err
	})
}

// confirm has the name of the tenant typed once more.
func (c *tenantPurge) confirm(s *session) error {
	switch {
	case c.Yes:
		return nil
	case !s.std.inTTY:
		return usagef("give --yes: there is nobody to ask")
	}
	if _, err := fmt.Fprintf(s.std.err, "This removes %s with everything that there is of it, for ever. Type %s to go on: ", c.Tenant, c.Tenant); err != nil {
		return err
	}
	typed, err := bufio.NewReader(s.std.in).ReadString('\n')
	if err != nil || strings.TrimSpace(typed) != c.Tenant {
		return errors.New("nothing was removed")
	}
	return nil
}
