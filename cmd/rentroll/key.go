package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type keyCmd struct {
	Remote

	Create keyCreate `cmd:"" help:"Make an API key, and show its secret once."`
	List   keyList   `cmd:"" help:"List a tenant's keys, newest first, never their secrets."`
	Find   keyFind   `cmd:"" help:"Find keys by the beginning or the end of their secrets."`
	Get    keyGet    `cmd:"" help:"Show a key, never its secret."`
	Rotate keyRotate `cmd:"" help:"Replace a key by a new one, and show its secret once."`
	Import keyImport `cmd:"" help:"Take over keys that customers have already, by the hashes of their secrets."`
	Revoke keyRevoke `cmd:"" help:"End a key at once."`
	Verify keyVerify `cmd:"" help:"Ask whether a secret is good, and for what."`
}

type keyCreate struct {
	ofTenant

	Name              string          `required:"" placeholder:"TEXT" help:"What it is for."`
	UserID            rentroll.UserID `name:"user-id" placeholder:"USER" help:"Whose key it is."`
	Permissions       []string        `placeholder:"PERMISSION" help:"What it may do, such as run:create or read:*. Default: run:*,read:*."`
	AllowedWorkers    []string        `placeholder:"WORKER" help:"Which workers it may run. Default: all."`
	AllowedIPs        []string        `name:"allowed-ips" placeholder:"NETWORK" help:"Where it may be used from, such as 192.0.2.0/24 or 2001:db8::7. Default: anywhere."`
	ExpiresInDays     int             `placeholder:"DAYS" help:"How long it is good. Default: for ever."`
	RateLimitRPM      *int64          `name:"rate-limit-rpm" placeholder:"N" help:"How many requests a minute it may make. Default: any number."`
	MaxConcurrentRuns *int64          `placeholder:"N" help:"Its own limit, beside the tenant's."`
	MaxTokensPerMonth *int64          `placeholder:"N" help:"Its own limit, beside the tenant's."`
	IdempotencyKey    string          `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run makes the key.
func (c *keyCreate) Run(ctx context.Context, s *session) error {
	made, err := s.api.CreateAPIKey(ctx, c.Tenant, client.CreateAPIKeyParams{
		Name: c.Name, UserID: c.UserID, Permissions: c.Permissions, AllowedWorkers: c.AllowedWorkers, AllowedIPs: c.AllowedIPs,
		ExpiresInDays: c.ExpiresInDays, RateLimitRPM: c.RateLimitRPM, MaxConcurrentRuns: c.MaxConcurrentRuns,
		MaxTokensPerMonth: c.MaxTokensPerMonth, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error { return s.printNewKey(made) })
}

func (s *session) printNewKey(made *client.NewAPIKey) error {
	if made.Secret == "" {
		if _, err := fmt.Fprintln(s.std.err, "The key was made before; its secret was shown then and can't be read again."); err != nil {
			return err
		}
		return s.printKey(made.APIKey)
	}
	if err := s.printKey(made.APIKey); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.std.out, "\nThe secret is shown this once and can't be read again:\n\n    %s\n", made.Secret)
	return err
}

func (s *session) printKey(k *rentroll.APIKey) error {
	workers, from := "all", "anywhere"
	if k.AllowedWorkers != nil {
		workers = strings.Join(k.AllowedWorkers, ", ")
	}
	if k.AllowedIPs != nil {
		from = strings.Join(k.AllowedIPs, ", ")
	}
	return s.printFields([]field{
		{"id", k.ID.String()},
		{"name", k.Name},
		{"begins with", k.KeyPrefix},
		{"ends with", plain(k.KeySuffix)},
		{"status", string(k.Status)},
		{"user", id(k.UserID)},
		{"permissions", strings.Join(k.Permissions, ", ")},
		{"workers", workers},
		{"from", from},
		{"requests a minute", maybe(k.RateLimitRPM)},
		{"concurrent runs", maybe(k.MaxConcurrentRuns)},
		{"tokens a month", maybe(k.MaxTokensPerMonth)},
		{"expires", s.whenOr(k.ExpiresAt)},
		{"created", s.when(k.CreatedAt)},
		{"last used", s.whenOr(k.LastUsedAt)},
		{"requests", number(k.TotalRequests)},
		{"revoked", s.whenOr(k.RevokedAt)},
		{"reason", plain(k.RevokedReason)},
		{"rotated to", id(k.RotatedTo)},
	})
}

type keyList struct {
	Tenant         string `arg:"" optional:"" help:"Its id or slug, or me for the tenant of the API key. With --expiring none is all tenants."`
	IncludeRevoked bool   `help:"Revoked and expired keys too."`
	Expiring       int    `placeholder:"DAYS" help:"Only active keys that expire within so many days, the earliest first."`
	Paging
}

// Run lists the keys.
func (c *keyList) Run(ctx context.Context, s *session) error {
	if c.Tenant == "" && c.Expiring == 0 {
		return usagef("name a tenant, or ask for the keys of all tenants that are --expiring")
	}
	columns := s.keyColumns()
	if c.Expiring != 0 {
		columns = append(columns, column[*rentroll.APIKey]{"rotated to", false, func(k *rentroll.APIKey) string { return id(k.RotatedTo) }})
	}
	if c.Tenant == "" {
		columns = slices.Insert(columns, 0, whoseKey)
	}
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		if c.Tenant == "" {
			return s.api.ListExpiringAPIKeys(ctx, client.ListExpiringAPIKeysParams{WithinDays: c.Expiring, Page: page})
		}
		return s.api.ListAPIKeys(ctx, c.Tenant, client.ListAPIKeysParams{
			IncludeRevoked: c.IncludeRevoked, ExpiringWithinDays: c.Expiring, Page: page,
		})
	}, columns)
}

// keyColumns are the columns of tables of keys.
func (s *session) keyColumns() []column[*rentroll.APIKey] {
	return []column[*rentroll.APIKey]{
		{"id", false, func(k *rentroll.APIKey) string { return k.ID.String() }},
		{"name", false, func(k *rentroll.APIKey) string { return clip(k.Name, 30) }},
		{"begins with", false, func(k *rentroll.APIKey) string { return k.KeyPrefix }},
		{"status", false, func(k *rentroll.APIKey) string { return string(k.Status) }},
		{"requests", true, func(k *rentroll.APIKey) string { return number(k.TotalRequests) }},
		{"last used", false, func(k *rentroll.APIKey) string { return s.agoOr(k.LastUsedAt, "never") }},
		{"expires", false, func(k *rentroll.APIKey) string { return s.agoOr(k.ExpiresAt, "never") }},
	}
}

// whoseKey is the column of tables with keys of several tenants.
var whoseKey = column[*rentroll.APIKey]{"tenant", false, func(k *rentroll.APIKey) string { return id(k.TenantID) }}

type keyFind struct {
	Part   string `arg:"" help:"The beginning of a secret, up to 12 characters, or its last 4, or both with ... between them."`
	Tenant string `placeholder:"TENANT" help:"Whose keys: an id or slug, or me for the tenant of the API key. Default: all tenants."`
	Paging
}

// Help says what is found by what.
func (c *keyFind) Help() string {
	return "Four letters and digits are the end of a secret; with ... behind them they are its beginning. Revoked and expired keys are found, too. Imported keys, and keys that were made before their ends were kept, are found by their beginning only. Never give a whole secret: what stands on a command line can be read by everybody on the machine."
}

// Run finds the keys.
func (c *keyFind) Run(ctx context.Context, s *session) error {
	columns := slices.Insert(s.keyColumns(), 3, column[*rentroll.APIKey]{"ends with", false, func(k *rentroll.APIKey) string { return plain(k.KeySuffix) }})
	if c.Tenant == "" {
		columns = slices.Insert(columns, 0, whoseKey)
	}
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		return s.api.FindAPIKeys(ctx, client.FindAPIKeysParams{Tenant: c.Tenant, Query: c.Part, Page: page})
	}, columns)
}

// ofKey is a command on one key.
type ofKey struct {
	ofTenant

	ID rentroll.KeyID `arg:"" name:"key" help:"The key's id."`
}

type keyGet struct{ ofKey }

// Run shows the key.
func (c *keyGet) Run(ctx context.Context, s *session) error {
	k, err := s.api.GetAPIKey(ctx, c.Tenant, c.ID)
	return s.print(err, func() error { return s.printKey(k) })
}

type keyRevoke struct {
	ofKey

	Reason string `placeholder:"TEXT" help:"Why. Default: Manual revocation."`
}

// Run ends the key.
func (c *keyRevoke) Run(ctx context.Context, s *session) error {
	k, err := s.api.RevokeAPIKey(ctx, c.Tenant, c.ID, c.Reason)
	return s.print(err, func() error { return s.printKey(k) })
}

type keyRotate struct {
	ofKey

	Overlap        *time.Duration `placeholder:"TIME" help:"How long the old key stays good, up to 720h; 0s ends it at once. Default: 24h."`
	IdempotencyKey string         `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Help says what to do where the secret was lost.
func (c *keyRotate) Help() string {
	return "The new key has the limits of the old one, and its counters go on. Where the secret was lost before anybody used it, rotate the old key again: the new one that nobody got is revoked."
}

// Run replaces the key.
func (c *keyRotate) Run(ctx context.Context, s *session) error {
	if c.Overlap != nil && *c.Overlap%time.Second != 0 {
		return usagef("--overlap is given in whole seconds")
	}
	made, err := s.api.RotateAPIKey(ctx, c.Tenant, c.ID, client.RotateAPIKeyParams{Overlap: c.Overlap, IdempotencyKey: c.IdempotencyKey})
	return s.print(err, func() error { return s.printNewKey(made) })
}

type keyVerify struct {
	Secret     string  `arg:"" optional:"" default:"-" help:"Where the secret is: - for standard input, @FILE for a file. A terminal is asked for it."`
	Permission string  `placeholder:"PERMISSION" help:"Also ask for this permission."`
	WorkerID   string  `name:"worker-id" placeholder:"WORKER" help:"Also ask for this worker."`
	IP         address `name:"ip" placeholder:"ADDRESS" help:"From where it was presented. A key that is restricted to networks is not good without it."`
}

// address is an IP address on the command line.
type address struct{ netip.Addr }

// Help says why the secret is no argument.
func (c *keyVerify) Help() string {
	return "The secret itself is no argument: what stands on a command line can be read by everybody on the machine. The exit code is 1 where the secret is not good."
}

// Run asks for the secret, then about it.
func (c *keyVerify) Run(ctx context.Context, s *session) error {
	if c.Secret != "-" && !strings.HasPrefix(c.Secret, "@") {
		return usagef("give the secret on standard input (-) or in a file (@FILE), not as an argument")
	}
	secret, err := c.read(s)
	if err != nil {
		return err
	}
	v, err := s.api.VerifyAPIKey(ctx, client.VerifyAPIKeyParams{
		Secret: secret, Permission: rentroll.Permission(c.Permission), WorkerID: c.WorkerID, IP: c.IP.Addr,
	})
	err = s.print(err, func() error {
		verdict := "valid"
		if !v.Valid {
			verdict = "not valid: " + plain(v.Code)
		}
		return s.printFields([]field{
			{"secret", verdict},
			{"tenant", id(v.TenantID)},
			{"tenant status", plain(v.TenantStatus)},
			{"key", id(v.APIKeyID)},
			{"plan", plain(v.Plan)},
			{"permissions", strings.Join(v.Permissions, ", ")},
			{"workers", strings.Join(v.AllowedWorkers, ", ")},
		})
	})
	if err == nil && !v.Valid {
		return quietError{exitFailure}
	}
	return err
}

func (c *keyVerify) read(s *session) (string, error) {
	if c.Secret == "-" && s.std.inTTY {
		if _, err := fmt.Fprint(s.std.err, "Secret: "); err != nil {
			return "", err
		}
		const stdin = 0
		typed, err := term.ReadPassword(stdin)
		_, _ = fmt.Fprintln(s.std.err)
		return strings.TrimSpace(string(typed)), err
	}
	data, err := readInput(s.std, c.Secret)
	return strings.TrimSpace(string(data)), err
}
