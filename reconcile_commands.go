package rentroll

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// reconcileSteps is how many snapshots one call compares: the counters of a tenant, a stretch of its rollups, or a page of
// the directory each.
const reconcileSteps = 200

// Reconcile compares what is stored of tenants with the rows that it was made from: every counter and gauge, the bounds,
// the counters of key families, of subjects and of limited meters, the rollups with those of kept dimensions and largest
// amounts, the statements, the event ids, how much of events was taken back, the large amounts
// and what was told of the present periods, the values that are told apart,
// and the directory. Each tenant is compared in one snapshot, its
// rollups in a snapshot for each stretch of time, so it may be asked while everything is at work. A call goes on for so long
// and then returns a cursor. It needs an operator with tenant:manage.
//
// Where Repair is set, differences are mended under the tenant's lock, by what is too much or missing, and audited. What
// can't be computed any more because some of its rows were pruned is in Unchecked, and stays as it is: sums over times whose
// events are not all kept, and the tokens of subjects where runs that used some are gone.
func (e *Engine) Reconcile(ctx context.Context, p ReconcileParams) (*Reconciliation, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	repair := "compare"
	if p.Repair {
		repair = "repair"
	}
	scope := cursorScope("reconcile", p.TenantID.String(), repair)
	w := &reconciler{Engine: e, params: p, out: &Reconciliation{Differences: []Difference{}, Unchecked: []Unchecked{}}}
	if p.Cursor != "" {
		position, ok := decodeCursor(scope, p.Cursor)
		if !ok || !w.at.decode(position) {
			return nil, problems{{"cursor", "is not a cursor of this reconciliation"}}.err()
		}
	} else if !p.TenantID.IsZero() {
		w.at.tenant = p.TenantID
	}
	for step := 0; w.at.stage != stageDone && len(w.out.Differences) < MaxDifferences; step++ {
		if step >= reconcileSteps && w.at.short() {
			break
		}
		if err := w.step(ctx); err != nil {
			return nil, err
		}
	}
	if w.at.stage != stageDone {
		w.out.NextCursor = NullString(encodeCursor(scope, w.at.encode()))
	}
	return w.out, nil
}

// The stages of a reconciliation. Those of a tenant come in turn, then the next tenant's, and at last the directory's.
const (
	stageCounters    byte = 0
	stageRollups     byte = 1 // and one more for each further dimension
	stageKept             = stageRollups + byte(len(rolledDimensions))
	stageStatements       = stageKept + 1
	stageLost             = stageStatements + 1
	stageMarks            = stageLost + 1
	stageCorrections      = stageMarks + 1
	stageHeavy            = stageCorrections + 1
	stageValues           = stageHeavy + 1
	stageDirectory        = stageValues + 1
	stageUsers            = stageDirectory + 1
	stageDone             = stageUsers + 1
)

// rolledDimensions are the dimensions of the rollups, in the order of their stages.
var rolledDimensions = [...]string{dimensionTotal, dimensionWorker, dimensionKey}

// place is how far a reconciliation has come.
type place struct {
	stage  byte
	tenant TenantID     // being compared
	from   time.Time    // of stageRollups and stageKept: the next bucket; of stageStatements: the next period; of stageMarks: the earliest event; of stageLost and stageCorrections: the next; of stageValues: the last month
	entry  DirectoryRef // of stageDirectory: the last one; of stageMarks: the last event id; of stageValues: the last meter and dimension
	user   UserID       // of stageUsers: the last one
}

// maxPlaceValue is how long the value of a directory entry may be for a cursor to name it.
const maxPlaceValue = 256

// short reports whether the place can be told by a cursor.
func (p *place) short() bool { return len(p.entry.Value) <= maxPlaceValue }

func (p *place) encode() []byte {
	b := append([]byte{p.stage}, p.tenant[:]...)
	b = append(b, p.user[:]...)
	var micros int64
	if !p.from.IsZero() {
		micros = p.from.UnixMicro()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(micros))
	b = append(b, byte(len(p.entry.Kind)))
	return append(append(b, p.entry.Kind...), p.entry.Value...)
}

func (p *place) decode(b []byte) bool {
	const fixed = 1 + 16 + 16 + 8 + 1
	if len(b) < fixed || b[0] >= stageDone || len(b) < fixed+int(b[fixed-1]) {
		return false
	}
	p.stage, p.tenant, p.user = b[0], TenantID(b[1:17]), UserID(b[17:33])
	if micros := int64(binary.BigEndian.Uint64(b[33:])); micros != 0 {
		p.from = time.UnixMicro(micros).UTC()
	}
	kind := b[fixed : fixed+int(b[fixed-1])]
	p.entry = DirectoryRef{DirectoryKind(kind), string(b[fixed+len(kind):])}
	return true
}

// reconciler is one call of Reconcile.
type reconciler struct {
	*Engine

	params ReconcileParams
	at     place
	out    *Reconciliation
}

// step compares what can be compared in one snapshot, and moves on.
func (w *reconciler) step(ctx context.Context) error {
	switch {
	case w.at.stage == stageDirectory:
		return w.directory(ctx)
	case w.at.stage == stageUsers:
		return w.users(ctx)
	case w.at.stage == stageCounters && w.at.tenant.IsZero():
		return w.nextTenant(ctx)
	case w.at.stage == stageCounters:
		err := w.compare(ctx, func(c *recount) error {
			if err := c.told(ctx); err != nil { // first: whatever is mended touches the account, by which what was forgotten is told
				return err
			}
			if err := c.counters(ctx); err != nil {
				return err
			}
			return c.names(ctx)
		})
		w.at.stage++
		return err
	}
	switch w.at.stage {
	case stageMarks:
		return w.marks(ctx)
	case stageValues:
		return w.values(ctx)
	}
	var next time.Time
	err := w.compare(ctx, func(c *recount) (err error) {
		switch w.at.stage {
		case stageKept:
			next, err = c.keptRollups(ctx, w.at.from)
		case stageStatements:
			next, err = c.statements(ctx, w.at.from)
		case stageLost:
			next, err = c.lost(ctx, w.at.from)
		case stageCorrections:
			next, err = c.corrections(ctx, w.at.from)
		case stageHeavy:
			err = c.heavy(ctx)
		default:
			next, err = c.rollups(ctx, rolledDimensions[w.at.stage-stageRollups], w.at.from)
		}
		return err
	})
	if w.at.from = next; err != nil || !next.IsZero() {
		return err
	}
	w.at.stage++
	return nil
}

// marks compares a page of event ids with the corrections of their events, and moves on: behind the last, to those events.
func (w *reconciler) marks(ctx context.Context) error {
	var last string
	var begin time.Time
	err := w.compare(ctx, func(c *recount) (err error) {
		last, begin, err = c.marks(ctx, w.at.entry.Value, w.at.from)
		return err
	})
	if err != nil {
		return err
	}
	if w.at.entry.Value, w.at.from = last, begin; last != "" {
		return nil
	}
	w.at.stage = stageCorrections
	if begin.IsZero() { // there is nothing that could be corrected
		w.at.stage++
	}
	return nil
}

// values compares the values of a kept dimension in one month, and moves on: behind the last, to the next tenant.
func (w *reconciler) values(ctx context.Context) error {
	var next ValueRef
	err := w.compare(ctx, func(c *recount) (err error) {
		next, err = c.values(ctx, ValueRef{Meter: string(w.at.entry.Kind), Dimension: w.at.entry.Value, Month: w.at.from})
		return err
	})
	if w.at.entry, w.at.from = (DirectoryRef{DirectoryKind(next.Meter), next.Dimension}), next.Month; err != nil || next != (ValueRef{}) {
		return err
	}
	w.out.Tenants++
	w.at.stage = stageDone
	if w.params.TenantID.IsZero() {
		w.at.stage = stageCounters
		return w.nextTenant(ctx)
	}
	return nil
}

// nextTenant goes on to the tenant that was made before the present one.
func (w *reconciler) nextTenant(ctx context.Context) error {
	return w.view(ctx, func(r Reader) error {
		rows, err := r.ListTenants(ctx, TenantFilter{Before: w.at.tenant, Limit: 1})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			w.at = place{stage: stageDirectory}
			return nil
		}
		w.at = place{tenant: rows[0].Profile.TenantID}
		return nil
	})
}

// mendTries bounds how often a tenant is compared again because it was changed between the finding and the mending.
const mendTries = 8

// compare compares one tenant in one snapshot, and mends what differs where that is asked for.
func (w *reconciler) compare(ctx context.Context, count func(c *recount) error) error {
	for try := 0; ; try++ {
		diff := &tenantDiff{tenant: w.at.tenant}
		var was Account
		err := w.viewTenant(ctx, w.at.tenant, func(r Reader, a *Account) error {
			was = *a
			return count(&recount{
				Reader: r, tenantDiff: diff, account: a, now: w.now(), graces: w.core.graces, unknown: make(map[int64]bool),
			})
		})
		if err != nil {
			return err
		}
		settled := true
		if w.params.Repair {
			if settled, err = w.mend(ctx, &was, diff.found); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(diff.found, func(d Difference) bool { return d.Mended && d.mend.lowers }) {
			// A larger amount may have come between the snapshot and the lowering, which then took it away. From the lowering on
			// every event raises what is there, so that one more comparison finds whatever that was, and raises it. So it is with
			// values that were removed.
			settled = false
		}
		if settled || try == mendTries {
			w.out.Differences = append(w.out.Differences, diff.found...)
			w.out.Unchecked = append(w.out.Unchecked, diff.unchecked...)
			return nil
		}
		for _, d := range diff.found { // what was mended is not found again
			if d.Mended {
				w.out.Differences = append(w.out.Differences, d)
			}
		}
	}
}

// mendAtOnce is how many differences one transaction mends.
const mendAtOnce = 100

// mend puts differences of a tenant right that were found when its account was as it was. It reports whether that was
// still so.
func (w *reconciler) mend(ctx context.Context, was *Account, found []Difference) (settled bool, err error) {
	sequence := was.AuditSequence
	var mendable []*Difference
	for i := range found {
		if found[i].Note == "" {
			mendable = append(mendable, &found[i])
		}
	}
	for len(mendable) > 0 {
		part := mendable[:min(mendAtOnce, len(mendable))]
		c := &mendTenant{
			header:   header{tenant: was.TenantID, by: w.actor, size: rowOverhead * len(part), rows: len(part)},
			sequence: sequence, day: was.Day, month: was.Month, part: part,
		}
		for _, d := range part {
			if d.Table == tableDirectory {
				c.also = []TenantID{PlatformID}
			}
		}
		if err := w.do(ctx, c); err != nil {
			return false, err
		}
		if c.stale {
			return false, nil
		}
		for _, d := range part {
			d.Mended = !c.left[d]
		}
		sequence, mendable = c.next, mendable[len(part):]
	}
	return true, nil
}

// mendTenant puts differences right. They were found in a snapshot of the past; every change since has moved counters and
// rows alike, and so left the difference between them as it was, unless something was mended since, which the audit
// would tell, or a period has ended.
type mendTenant struct {
	header
	sequence   int64
	day, month quota.Period
	part       []*Difference

	stale bool                 // the account has moved on: compare again
	next  int64                // its audit sequence afterwards
	left  map[*Difference]bool // what could not be mended
}

func (c *mendTenant) wants(b *Batch) {
	for _, d := range c.part {
		switch d.Table {
		case tableKeyUses:
			b.KeyUses.Want(d.mend.use)
		case tableMeters:
			b.Meters.Want(d.mend.meter)
		case tableValues:
			b.Values.Want(d.mend.value)
		case tableMarks:
			b.Marks.Want(MarkRef{c.tenant, d.mend.event.EventID})
		case tableSubjects:
			b.Subjects.Want(d.mend.whose)
		case tableDirectory:
			d.mend.wants(b)
		}
	}
}

func (c *mendTenant) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	for _, d := range c.part {
		if d.Table == tableDirectory {
			if err := l.wantHolder(d); err != nil {
				return err
			}
		}
	}
	c.left = make(map[*Difference]bool)
	c.stale = a.AuditSequence != c.sequence || !a.Day.Start.Equal(c.day.Start) || !a.Month.Start.Equal(c.month.Start)
	c.stale = c.stale || c.overtaken(l, a, now)
	l.touch(a, now) // also where it is stale: then the periods that have begun are written down, and can be compared
	if c.stale {
		return nil
	}
	old, mended := map[string]string{}, map[string]string{}
	for _, d := range c.part {
		if !l.mend(a, d) {
			c.left[d] = true
			continue
		}
		what := d.Table + "." + d.Field
		if d.Key != "" {
			what = d.Table + "[" + d.Key + "]." + d.Field
		}
		old[what], mended[what] = d.Stored, d.Computed
	}
	if len(mended) > 0 {
		l.audit(a, c.by, now, change{action: "tenant.reconcile", kind: "tenant", id: c.tenant.String(), old: old, new: mended})
	}
	c.next = a.AuditSequence
	return nil
}

// overtaken reports whether something that is not counted, and so is not mended by what is missing, is not as it was.
func (c *mendTenant) overtaken(l *ledger, a *Account, now time.Time) bool {
	return slices.ContainsFunc(c.part, func(d *Difference) bool {
		switch d.Field {
		case fieldHeavy:
			return !heavyMonth(now).Equal(d.mend.at)
		case fieldMarks, fieldDayMark, fieldMonthMark:
			mark := l.markOf(a, d)
			return mark == nil || *mark != d.mend.was
		case fieldValue:
			return (l.Values.Get(d.mend.value) == nil) != (d.Stored == "")
		default:
			return false
		}
	})
}

// mend puts one difference right, in an account that is open for changes. It reports whether it could.
func (l *ledger) mend(a *Account, d *Difference) bool {
	switch d.Table {
	case tableAccounts:
		switch counter := counters[d.Field]; {
		case counter != nil:
			*counter(a) += d.mend.by.Total
		case d.Field == fieldNextLease:
			a.expectLease(d.mend.at)
		case d.Field == fieldNextKey:
			a.expectExpiry(&d.mend.at)
		case d.Field == fieldMarks:
			*l.markOf(a, d) = d.mend.mark // what that leaves to be told is told behind this command
		default:
			return false
		}
	case tableKeyUses:
		use := KeyUse{TenantID: d.mend.use.TenantID, Family: d.mend.use.KeyID}
		if stored := l.KeyUses.Get(d.mend.use); stored != nil {
			use = *stored
		}
		use.Tokens = use.Tokens.in(a.Month)
		*useCounters[d.Field](&use) += d.mend.by.Total
		l.KeyUses.Put(d.mend.use, &use)
	case tableSubjects:
		s := l.Subjects.Get(d.mend.whose)
		if s == nil || !s.CreatedAt.Equal(d.mend.at) {
			return false // what was compared is gone: another row counts from later on
		}
		next := *s
		next.Runs, next.Tokens = s.Runs.in(a.Day), s.Tokens.in(a.Month)
		*subjectCounters[d.Field](&next) += d.mend.by.Total
		l.Subjects.Put(d.mend.whose, &next)
	case tableMeters:
		m := l.Meters.Get(d.mend.meter)
		switch {
		case d.Field == fieldHeavy:
			l.weighAgain(d.mend.meter, d.mend.by.Total, d.mend.at)
			return true
		case m == nil || !m.Use.Counted:
			return false
		case d.Field == fieldDayMark || d.Field == fieldMonthMark:
			l.forget(a, d)
			return true
		}
		next := *m
		next.Use.Day, next.Use.Month = m.Use.Day.in(a.Day), m.Use.Month.in(a.Month)
		*meterCounters[d.Field](&next.Use) += d.mend.by.Total
		l.Meters.Put(d.mend.meter, &next)
	case tableValues:
		if d.Field == fieldValue {
			if d.Computed == "" { // an event with it that came since the snapshot is looked for once more: see compare
				l.Values.Delete(d.mend.value)
			} else {
				l.Values.Put(d.mend.value, &KeptValue{ValueRef: d.mend.value})
			}
			break
		}
		next := KeptValue{ValueRef: d.mend.value}
		if stored := l.Values.Get(d.mend.value); stored != nil {
			next = *stored
		}
		next.Known += d.mend.by.Total
		l.Values.Put(d.mend.value, &next)
	case tableMarks:
		return l.mendMark(d)
	case tablePeriods:
		l.Periods = append(l.Periods, d.mend.period)
	case tableRollups:
		l.addTo(d.mend.rollup, d.mend.by)
	case tablePeaks:
		if d.mend.lowers { // what came since the snapshot is looked for once more: see compare
			l.Sunk = append(l.Sunk, d.mend.rollup)
		}
		l.raiseTo(d.mend.rollup, d.mend.by.Total)
	case tableDirectory:
		return l.mendEntry(d)
	default:
		return false
	}
	return true
}
