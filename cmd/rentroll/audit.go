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

type auditCmd struct {
	Remote

	List   auditList   `cmd:"" help:"List the changes of a tenant, or of the platform, newest first."`
	Verify auditVerify `cmd:"" help:"Find out whether no change was removed, altered, reordered or put in."`
	Head   auditHead   `cmd:"" help:"Show where the audit ends now, signed, to be kept elsewhere."`
	Export auditExport `cmd:"" help:"Write all changes as JSON Lines, oldest first, to be verified elsewhere."`
	Prune  auditPrune  `cmd:"" help:"Take the oldest changes away, up to a signed checkpoint."`
}

// AuditOf says whose audit is meant.
type AuditOf struct {
	Tenant   string `arg:"" optional:"" help:"Its id or slug, or me for the tenant of the API key."`
	Platform bool   `help:"The changes that belong to no tenant instead: plans, users, operator keys."`
}

func (o AuditOf) check() error {
	if (o.Tenant == "") != o.Platform {
		return usagef("name a tenant, or give --platform")
	}
	return nil
}

type auditList struct {
	AuditOf
	Actor    string  `placeholder:"WHO" help:"Only what this actor did, as the column says."`
	Resource string  `placeholder:"ID" help:"Only changes of what has this id."`
	Since    instant `placeholder:"TIME" help:"Only changes from then on, such as 2026-01-31T00:00:00Z."`
	Until    instant `placeholder:"TIME" help:"Only changes before then."`
	Paging
}

// Run lists the changes.
func (c *auditList) Run(ctx context.Context, s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
		p := client.ListAuditParams{Actor: c.Actor, ResourceID: c.Resource, Start: c.Since.Time, End: c.Until.Time, Page: page}
		if c.Platform {
			return s.api.ListPlatformAudit(ctx, p)
		}
		return s.api.ListAudit(ctx, c.Tenant, p)
	}, []column[*rentroll.AuditRow]{
		{"#", true, func(r *rentroll.AuditRow) string { return number(r.Sequence) }},
		{"at", false, func(r *rentroll.AuditRow) string { return s.ago(r.At) }},
		{"actor", false, func(r *rentroll.AuditRow) string { return r.Actor }},
		{"action", false, func(r *rentroll.AuditRow) string { return r.Action }},
		{"resource", false, func(r *rentroll.AuditRow) string { return r.ResourceID }},
		{"change", false, func(r *rentroll.AuditRow) string { return clip(changeText(r), 60) }},
	})
}

// changeText says what a change changed; what was made or deleted whole needs no list.
func changeText(r *rentroll.AuditRow) string {
	var before, after map[string]json.RawMessage
	if json.Unmarshal(r.Old, &before) != nil || json.Unmarshal(r.New, &after) != nil || before == nil || after == nil {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if string(before[name]) != string(after[name]) {
			parts = append(parts, fmt.Sprintf("%s: %s → %s", name, orNothing(before[name]), orNothing(after[name])))
		}
	}
	return strings.Join(parts, ", ")
}

func orNothing(v json.RawMessage) string {
	if len(v) == 0 || string(v) == "null" {
		return "nothing"
	}
	return string(v)
}
