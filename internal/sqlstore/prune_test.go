package sqlstore_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// prunedRows is how many of the tenant's rows the tests below prune.
const prunedRows = 5

// prune prunes what is older than a row, in as many calls as it takes.
func (w *tampered) prune(olderThan int) *rentroll.AuditPruning {
	w.Helper()
	p := rentroll.PruneAuditParams{TenantID: w.tenant, Before: w.written(olderThan)}
	for {
		out, err := w.engine.PruneAudit(w.Context(), p)
		if err != nil {
			w.Fatal(err)
		}
		if out.State == rentroll.PruningDone {
			return out
		}
		p.Cursor = string(out.NextCursor)
	}
}

// written is when a row was written.
func (w *tampered) written(sequence int) time.Time {
	w.Helper()
	for _, row := range w.export().Items {
		if row.Sequence == int64(sequence) {
			return row.At
		}
	}
	w.Fatalf("there is no row %d", sequence)
	return time.Time{}
}

func (w *tampered) export() *rentroll.AuditExport {
	w.Helper()
	out, err := w.engine.ExportAudit(w.Context(), rentroll.ExportAuditParams{TenantID: w.tenant, Page: rentroll.Page{Limit: 200}})
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// offline verifies an export.
func offline(x *rentroll.AuditExport, key ed25519.PublicKey) *rentroll.AuditVerification {
	check := rentroll.AuditCheck{Checkpoint: x.Checkpoint, Key: key}
	for _, row := range x.Items {
		check.Add(row)
	}
	return check.Verification(x.Head)
}

// TestPrune: what is old goes, the chain goes on from a signed checkpoint, and pruning again changes nothing.
func TestPrune(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		old, signed := w.written(prunedRows), w.head()
		out := w.prune(prunedRows + 1)
		c := out.Checkpoint
		if c == nil || c.Sequence != prunedRows || c.Rows != prunedRows || c.ChainedFrom != 1 || !c.Before.After(old) || out.Remaining != 0 {
			w.Fatalf("the pruning is %+v with %+v", out, c)
		}
		public, _ := w.key.Public().(ed25519.PublicKey)
		if err := c.Verify(public); err != nil {
			w.Error(err)
		}
		x := w.export()
		if n := len(x.Items); n != auditRows-prunedRows+1 || x.Items[0].Sequence != prunedRows+1 || x.Items[n-1].Action != "audit.prune" {
			w.Errorf("%d rows are left, the first %d, the last %s", n, x.Items[0].Sequence, x.Items[n-1].Action)
		}
		for _, v := range []*rentroll.AuditVerification{w.verify(nil), w.verify(signed), offline(x, public)} {
			w.expect(v, 0, "")
			if v.Rows != auditRows-prunedRows+1 || v.Total != auditRows+1 || v.CheckpointSignature != "valid" || *v.Checkpoint != *c || v.HeadPruned || v.ChainedFrom != 1 {
				w.Errorf("the verification is %+v", v)
			}
		}
		if again := w.prune(prunedRows + 1); *again.Checkpoint != *c || w.head().Sequence != auditRows+1 {
			w.Errorf("pruned again: %+v", again.Checkpoint)
		}
		w.rename(w.engine, "Going on")
		if next := w.prune(auditRows); next.Checkpoint.Sequence != auditRows-1 || next.Checkpoint.Rows != auditRows-1-prunedRows {
			w.Errorf("the next pruning: %+v", next.Checkpoint)
		}
		v := w.verify(nil)
		w.expect(v, 0, "")
		if v.Rows != 4 { // one of the first, two prunings, one change
			w.Errorf("%d rows hold", v.Rows)
		}
		w.expect(w.verify(signed), 0, "")
		signed.Sequence = prunedRows
		if v := w.verify(signed); !v.HeadPruned {
			w.Error("a head that was pruned is said to be contained")
		}
	})
}

// TestPruneAll: all rows may be pruned; then the chain begins with the row that says so.
func TestPruneAll(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		p := rentroll.PruneAuditParams{TenantID: w.tenant, Before: time.Now()}
		w.rename(w.engine, "Later than that")
		signed := w.head()
		out, err := w.engine.PruneAudit(w.Context(), p)
		if err != nil || out.Checkpoint.Sequence != auditRows {
			w.Fatalf("%+v, %v", out, err)
		}
		w.expect(w.verify(signed), 0, "")
		early := rentroll.PruneAuditParams{TenantID: w.tenant, Before: time.Unix(1, 0)}
		if out, err := w.engine.PruneAudit(w.Context(), early); err != nil || out.State != rentroll.PruningDone || out.Checkpoint.Sequence != auditRows {
			w.Errorf("%+v, %v", out, err)
		}
		early.Before = time.Now().Add(time.Hour)
		if _, err := w.engine.PruneAudit(w.Context(), early); rentroll.CodeOf(err) != rentroll.CodeValidationFailed {
			w.Errorf("what is to come was pruned: %v", err)
		}
	})
}

// TestPruneTampered: an audit that does not hold is not pruned, wherever it is broken, or the evidence would go.
func TestPruneTampered(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		before := w.written(prunedRows + 1)
		w.keep("kept")
		for _, sequence := range []int{1, prunedRows, prunedRows + 1, auditRows} {
			w.sql(fmt.Sprintf("UPDATE audit SET actor = 'x' WHERE tenant_id = TENANT AND sequence = %d", sequence))
			_, err := w.engine.PruneAudit(w.Context(), rentroll.PruneAuditParams{TenantID: w.tenant, Before: before})
			if rentroll.CodeOf(err) != rentroll.CodeInvalidTransition || !strings.Contains(err.Error(), fmt.Sprintf("row %d (altered", sequence)) {
				w.Errorf("row %d was altered: %v", sequence, err)
			}
			w.restore("kept")
		}
		w.expect(w.verify(nil), 0, "")
		if n := len(w.export().Items); n != auditRows {
			w.Errorf("%d rows are left", n)
		}
	})
}

// TestTamperPruned: what is done by hand to a checkpoint, or to what is before and behind it, is found.
func TestTamperPruned(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.sql("CREATE TABLE all_rows AS SELECT " + strings.Join(auditColumns(w.T), ", ") + " FROM audit")
		w.prune(prunedRows + 1)
		w.keep("kept")
		names, places := strings.Join(auditColumns(w.T), ", "), strings.Join(columnsOf("audit_checkpoints"), ", ")
		set := func(column, value string) string {
			return fmt.Sprintf("UPDATE audit_checkpoints SET %s = %s WHERE tenant_id = TENANT", column, value)
		}
		w.sql("CREATE TABLE kept_checkpoints AS SELECT " + places + " FROM audit_checkpoints")
		back := fmt.Sprintf("INSERT INTO audit (%s) SELECT %s FROM all_rows WHERE tenant_id = TENANT AND sequence <= %d", names, names, prunedRows)
		last := auditRows + 1
		for _, tampering := range []tampering{
			{"nothing", nil, 0, ""},
			{"checkpoint removed", []string{"DELETE FROM audit_checkpoints"}, 1, rentroll.AuditRemoved},
			{"sequence", []string{set("sequence", "4")}, 4, rentroll.AuditCheckpointForged},
			{"hash", []string{set("hash", of(last, "hash"))}, prunedRows, rentroll.AuditCheckpointForged},
			{"no hash", []string{set("hash", "NULL")}, prunedRows, rentroll.AuditCheckpointForged},
			{"chained_from", []string{set("chained_from", "2")}, prunedRows, rentroll.AuditCheckpointForged},
			{"pruned", []string{set("pruned", "1")}, prunedRows, rentroll.AuditCheckpointForged},
			{"older_than", []string{set("older_than", "older_than + 1")}, prunedRows, rentroll.AuditCheckpointForged},
			{"at", []string{set("at", "at + 1")}, prunedRows, rentroll.AuditCheckpointForged},
			{"key_id", []string{set("key_id", "'0123456789abcdef0123456789abcdef'")}, prunedRows, rentroll.AuditCheckpointUnknown},
			{"signature", []string{set("signature", "'AAAA'")}, prunedRows, rentroll.AuditCheckpointForged},
			{"not signed", []string{set("signature", "NULL"), set("key_id", "NULL")}, prunedRows, rentroll.AuditCheckpointUnknown},
			{"removed", []string{set("removed", "0")}, 0, ""}, // there is nothing left to remove
			{"what was pruned is back", []string{back}, 1, rentroll.AuditInserted},
			{"one row more is gone", []string{fmt.Sprintf("DELETE FROM audit WHERE tenant_id = TENANT AND sequence = %d", prunedRows+1)}, prunedRows + 1, rentroll.AuditRemoved},
			{
				"a checkpoint further on", []string{
					set("signature", "NULL"), set("key_id", "NULL"), set("sequence", "6"), set("hash", of(6, "hash")), set("removed", "6"), set("pruned", "6"),
					"DELETE FROM audit WHERE tenant_id = TENANT AND sequence = 6",
				}, 6, rentroll.AuditCheckpointUnknown,
			},
			{"the row that says so", []string{fmt.Sprintf("UPDATE audit SET new = NULL WHERE tenant_id = TENANT AND sequence = %d", last)}, int64(last), rentroll.AuditAltered},
			{"a row behind it", []string{"UPDATE audit SET actor = 'x' WHERE tenant_id = TENANT AND sequence = 7"}, 7, rentroll.AuditAltered},
		} {
			w.Run(tampering.name, func(t *testing.T) {
				again := *w
				again.T = t
				again.sql(tampering.do...)
				again.expect(again.verify(nil), tampering.at, tampering.fault)
				public, _ := w.key.Public().(ed25519.PublicKey)
				again.expect(offline(again.export(), public), tampering.at, tampering.fault)
				again.restore("kept")
				again.sql("DELETE FROM audit_checkpoints", fmt.Sprintf("INSERT INTO audit_checkpoints (%s) SELECT %s FROM kept_checkpoints", places, places))
			})
		}
		w.expect(w.verify(nil), 0, "")
	})
}

// TestPruneGoesOn: a pruning that stopped between its steps leaves an audit that holds, and goes on when it is asked for
// again.
func TestPruneGoesOn(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(w *tampered) {
		w.prune(prunedRows + 1)
		names := strings.Join(auditColumns(w.T), ", ")
		w.sql("CREATE TABLE all_rows AS SELECT "+names+" FROM audit", "UPDATE audit_checkpoints SET removed = 2")
		for sequence := 3; sequence <= prunedRows; sequence++ { // they are as good as gone, whatever they say
			w.sql(fmt.Sprintf("INSERT INTO audit (%s) SELECT %s FROM all_rows WHERE tenant_id = TENANT AND sequence = 9", names,
				strings.Replace(names, "sequence", fmt.Sprint(sequence), 1)))
		}
		w.expect(w.verify(nil), 0, "")
		public, _ := w.key.Public().(ed25519.PublicKey)
		w.expect(offline(w.export(), public), 0, "")
		if _, err := w.engine.PruneAudit(w.Context(), rentroll.PruneAuditParams{TenantID: w.tenant, Before: time.Unix(1, 0)}); err != nil {
			w.Error(err)
		}
		out := w.prune(prunedRows + 1)
		if n := len(w.export().Items); out.Remaining != 0 || n != auditRows-prunedRows+1 {
			w.Errorf("%d rows are left, %+v", n, out)
		}
		w.sql("UPDATE audit_checkpoints SET removed = sequence - 1") // the rows themselves are looked at now
		w.expect(w.verify(nil), 0, "")
	})
}
