package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type operatorKeyCmd struct {
	Remote

	Create operatorKeyCreate `cmd:"" help:"Make an operator key, and show its secret once."`
	List   operatorKeyList   `cmd:"" help:"List operator keys, newest first, never their secrets."`
	Revoke operatorKeyRevoke `cmd:"" help:"End an operator key at once."`
}

type operatorKeyCreate struct {
	Name           string   `arg:"" help:"How the audit calls who uses it."`
	Permissions    []string `placeholder:"PERMISSION" help:"What it may do, such as tenant:manage or read:*. Default: everything."`
	ExpiresInDays  int      `placeholder:"DAYS" help:"How long it is good. Default: for ever."`
	IdempotencyKey string   `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run makes the key.
func (c *operatorKeyCreate) Run(ctx context.Context, s *session) error {
	made, err := s.api.CreateOperatorKey(ctx, client.CreateOperatorKeyParams{
		Name: c.Name, Permissions: c.Permissions, ExpiresInDays: c.ExpiresInDays, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error {
		if err := s.printOperatorKey(made.OperatorKey); err != nil {
			return err
		}
		if made.Secret == "" {
			_, err := fmt.Fprintln(s.std.err, "The key was made before; its secret was shown then and can't be read again.")
			return err
		}
		_, err := fmt.Fprintf(s.std.out, "\nThe secret is shown this once and can't be read again:\n\n    %s\n", made.Secret)
		return err
	})
}

func (s *session) printOperatorKey(k *rentroll.OperatorKey) error {
	return s.printFields([]field{
		{"id", k.ID.String()},
		{"name", k.Name},
		{"begins with", plain(k.KeyPrefix)},
		{"status", string(k.Status)},
		{"permissions", operatorPermissions(k)},
		{"expires", s.whenOr(k.ExpiresAt)},
		{"created", s.when(k.CreatedAt)},
		{"revoked", s.whenOr(k.RevokedAt)},
		{"reason", plain(k.RevokedReason)},
	})
}

func operatorPermissions(k *rentroll.OperatorKey) string {
	if k.Permissions == nil {
		return "everything"
	}
	return strings.Join(k.Permissions, ", ")
}

type operatorKeyList struct {
	IncludeRevoked bool `help:"Revoked and expired keys too."`
	Paging
}

// Run lists the keys.
func (c *operatorKeyList) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.OperatorKey], error) {
		return s.api.ListOperatorKeys(ctx, client.ListOperatorKeysParams{IncludeRevoked: c.IncludeRevoked, Page: page})
	}, []column[*rentroll.OperatorKey]{
		{"id", false, func(k *rentroll.OperatorKey) string { return k.ID.String() }},
		{"name", false, func(k *rentroll.OperatorKey) string { return clip(k.Name, 30) }},
		{"begins with", false, func(k *rentroll.OperatorKey) string { return plain(k.KeyPrefix) }},
		{"status", false, func(k *rentroll.OperatorKey) string { return string(k.Status) }},
		{"permissions", false, func(k *rentroll.OperatorKey) string { return clip(operatorPermissions(k), 40) }},
		{"expires", false, func(k *rentroll.OperatorKey) string { return s.agoOr(k.ExpiresAt, "never") }},
		{"created", false, func(k *rentroll.OperatorKey) string { return s.ago(k.CreatedAt) }},
	})
}

type operatorKeyRevoke struct {
	ID     rentroll.OperatorKeyID `arg:"" name:"key" help:"The key's id."`
	Reason string                 `placeholder:"TEXT" help:"Why. Default: Manual revocation."`
}

// Run ends the key.
func (c *operatorKeyRevoke) Run(ctx context.Context, s *session) error {
	k, err := s.api.RevokeOperatorKey(ctx, c.ID, c.Reason)
	return s.print(err, func() error { return s.printOperatorKey(k) })
}
