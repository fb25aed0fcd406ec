package main

import (
	"context"
	"fmt"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type auditPrune struct {
	AuditOf

	Before   instant `required:"" placeholder:"TIME" help:"Changes that were made before it go."`
	Unsigned bool    `help:"Do so although the server has no key to sign the checkpoint with."`
}

// Help says what is left.
func (c *auditPrune) Help() string {
	return `The audit is verified first: nothing is taken away from one that does not hold. What goes leaves a checkpoint, signed with the ` +
		`server's key, from which the chain goes on; the audit says that it was pruned, by whom and when. Export what you may need later, and ` +
		`keep the checkpoint (--json) with the signed heads.

It can be stopped at any time: the server brings to its end what was begun.`
}

// Run prunes, call by call.
func (c *auditPrune) Run(ctx context.Context, s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	pruned, err := c.prune(ctx, s)
	return s.print(err, func() error {
		k := pruned.Checkpoint
		if k == nil {
			_, err := fmt.Fprintln(s.std.out, "There is nothing to prune: no change is that old.")
			return err
		}
		return s.printFields([]field{
			{"tenant", id(k.TenantID)},
			{"pruned up to", number(k.Sequence)},
			{"hash", k.Hash.String()},
			{"last pruning", counted(k.Rows, "row") + " before " + s.when(k.Before)},
			{"at", s.when(k.At)},
			{"key id", plain(k.KeyID)},
			{"signature", plain(k.Signature)},
		})
	})
}

// prune asks until it is done.
func (c *auditPrune) prune(ctx context.Context, s *session) (*rentroll.AuditPruning, error) {
	verified, removed := s.progress("verified"), s.progress("still to be removed:")
	defer removed.end()
	defer verified.end()
	p := client.PruneAuditParams{Before: c.Before.Time, Unsigned: c.Unsigned}
	for {
		out, err := s.api.PruneAudit(ctx, c.Tenant, p)
		if err != nil || out.State == rentroll.PruningDone {
			return out, err
		}
		if p.Cursor = string(out.NextCursor); out.State == rentroll.PruningVerifies {
			verified.at(out.Verified, 0)
		} else {
			removed.at(out.Remaining, 0)
		}
	}
}
