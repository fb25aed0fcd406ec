package rentroll

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// command is one operation that changes an account. It says what it reads, then decides over what was read. Its answer
// stays in itself. decide may be called again after a failed transaction, and must then forget what it answered before.
type command interface {
	head() *header
	wants(b *Batch)
	decide(l *ledger) error
}

// header is what every command has.
type header struct {
	tenant TenantID   // whose account it changes first, and in whose queue it waits
	also   []TenantID // further accounts that it locks
	by     Actor
	once   *once // nil where no idempotency key was given
	size   int   // about how many bytes it writes
	rows   int   // about how many rows it writes
	bulk   bool  // it writes so many that others are not to wait for it in one queue

	holds func(object any) bool // of a conditional one: whether it may be decided; nil where it may always
}

func (h *header) head() *header { return h }

// conditional is a command that changes one object, and may be made to depend on how it is.
type conditional interface {
	command
	// object returns what a read would answer; nil where there is nothing yet. It writes nothing.
	object(l *ledger) (any, error)
}

var (
	errPrecondition  = &Error{Code: CodePreconditionFailed, Message: "the resource has changed since it was read"}
	errUnconditional = &Error{Code: CodeMalformedRequest, Message: "the operation is no change of one object, of which anything could hold"}
)

// there returns an object that has to exist for its command.
func there[T any](object *T, name string) (any, error) {
	if object == nil {
		return nil, notFound(name)
	}
	return object, nil
}

// once makes a command idempotent: its key and parameters, and what came of it.
type once struct {
	ref         OnceRef
	fingerprint [32]byte
	result      string // the id of what was made, set by decide or found in the record
	replayed    bool   // the result is an earlier one's
}

// errMore is how a decision says that it has named further rows and wants to be asked again when they are loaded.
var errMore = errors.New("rentroll: the decision needs more rows")

// ledger is what a decision sees: the batch's rows, the plans, and now. Decisions check first and write last, so that
// one that refuses has changed nothing.
type ledger struct {
	*Batch
	plans   map[string]*Plan
	ids     *rand.ChaCha8
	now     time.Time                   // when this transaction decides; an account's own now may be later
	open    map[TenantID]*Account       // working copies of this transaction
	watches map[TenantID]*watch         // of accounts that were looked at for thresholds
	plain   map[*Plan]*watch            // and of those that have neither overrides nor marks, by their plan
	touched []TenantID                  // by the command that is being decided
	moved   map[MeterRef]meterLimits    // by the command that is being decided: meters whose counters it moved, with their limits
	ended   map[TenantID][]quota.Period // months that ended and are not written down yet
	fresh   map[UsageRef]*UsageEvent    // events of this transaction that have an event id

	values int // how many values of a kept dimension are told apart in a month
	graces graces
}

func newLedger(b *Batch, plans map[string]*Plan, ids *rand.ChaCha8, now time.Time) *ledger {
	return &ledger{
		Batch: b, plans: plans, ids: ids, now: now,
		open: make(map[TenantID]*Account), ended: make(map[TenantID][]quota.Period),
		watches: make(map[TenantID]*watch), plain: make(map[*Plan]*watch),
	}
}

// run decides one command, once only where it has an idempotency key.
func (l *ledger) run(c command) error {
	h := c.head()
	if err := l.stillMember(h.by); err != nil {
		return err
	}
	if err := l.know(h); err != nil {
		return err
	}
	if h.once == nil {
		return l.decide(c)
	}
	if record := l.Once.Get(h.once.ref); record != nil {
		if record.Fingerprint != h.once.fingerprint {
			return errorf(CodeIdempotencyMismatch, "the idempotency key was used before with other parameters")
		}
		h.once.result, h.once.replayed = record.Result, true
		return nil
	}
	h.once.replayed = false
	if err := l.decide(c); err != nil {
		return err
	}
	l.Once.Put(h.once.ref, &OnceRecord{
		OnceRef: h.once.ref, Fingerprint: h.once.fingerprint, Result: h.once.result, CreatedAt: l.now,
	})
	return nil
}

// met refuses a conditional command whose object is not as its caller says.
func (l *ledger) met(cmd command) error {
	holds := cmd.head().holds
	if holds == nil {
		return nil
	}
	c, ok := cmd.(conditional)
	if !ok {
		return errUnconditional
	}
	object, err := c.object(l)
	if err == nil && !holds(object) {
		err = errPrecondition
	}
	return err
}

// decide decides one command, and tells of what it has passed.
func (l *ledger) decide(c command) error {
	err := l.met(c)
	if err == nil {
		err = c.decide(l)
	}
	if !errors.Is(err, errMore) {
		l.tellAll()
	}
	return err
}

// account returns the working copy of a tenant's account, with its periods at now, and the now that counts for it. It
// is only to be read before touch.
func (l *ledger) account(id TenantID) (*Account, time.Time, error) {
	a := l.open[id]
	if a == nil {
		stored := l.Accounts.Get(id)
		if stored.gone() {
			return nil, time.Time{}, notFound("tenant")
		}
		working := *stored
		a = &working
		l.open[id] = a
	}
	now := a.clock(l.now)
	if id != PlatformID {
		if month, ended := a.roll(now); ended {
			for ; month.Start.Before(a.Month.Start); month, _ = quota.Advance(month, month.End, quota.Month, a.zone(), a.AnchorDay) {
				l.ended[id] = append(l.ended[id], month)
			}
		}
	}
	return a, now, nil
}

// touch opens an account for changes, which are then written. Nothing may refuse the command after it.
func (l *ledger) touch(a *Account, now time.Time) {
	l.note(a, now)
	if a.TenantID != PlatformID && !slices.Contains(l.touched, a.TenantID) {
		l.touched = append(l.touched, a.TenantID)
	}
}

// note is touch where nothing that is counted changes, so that there is nothing to tell.
func (l *ledger) note(a *Account, now time.Time) {
	a.LastNow = now
	l.Accounts.Put(a.TenantID, a)
	if ended := l.ended[a.TenantID]; ended != nil {
		for _, month := range ended {
			l.Periods = append(l.Periods, l.pastMonth(a, month))
		}
		a.StatementGrace = l.graces.now // of the month that has begun
		delete(l.ended, a.TenantID)
	}
}

// planned is account, with the tenant's plan.
func (l *ledger) planned(id TenantID) (*Account, *Plan, time.Time, error) {
	a, now, err := l.account(id)
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	plan, err := l.plan(a.Plan)
	return a, plan, now, err
}

// plan returns the plan of an account: as this transaction has it, else as it is cached. A plan that is not cached is
// looked up, and one that does not exist is a failure: an account without limits must never come of it.
func (l *ledger) plan(name string) (*Plan, error) {
	if l.Plans.Knows(name) {
		if p := l.Plans.Get(name); p != nil {
			return p, nil
		}
		return nil, errorf(CodeInternal, "the tenant's plan %q does not exist", name)
	}
	if p := l.plans[name]; p != nil {
		return p, nil
	}
	l.Plans.Want(name)
	return nil, errMore
}

func (l *ledger) entropy() (e [10]byte) {
	_, _ = l.ids.Read(e[:]) // a ChaCha8 never fails
	return e
}

// change is one thing for the audit. Old and New are marshaled to JSON; nil is null.
type change struct {
	action   string
	kind     string
	id       string
	old, new any
}

func (l *ledger) salt() (s AuditSalt) {
	_, _ = l.ids.Read(s[:]) // a ChaCha8 never fails
	return s
}

// audit writes an audit row and chains it to the account's last one; the account must be open for changes.
func (l *ledger) audit(a *Account, by Actor, now time.Time, c change) {
	a.AuditSequence++
	row := &AuditRow{
		ID: newID[auditKind](now, l.entropy()), TenantID: a.TenantID, Sequence: a.AuditSequence, At: now,
		Actor: by.String(), Action: c.action, ResourceType: c.kind, ResourceID: c.id,
		Old: auditJSON(c.old), New: auditJSON(c.new),
		RequestID: auditText(by.RequestID), IP: auditText(by.IP), UserAgent: auditText(by.UserAgent),
	}
	row.chain(a.AuditHash, l.salt())
	a.AuditHash = row.Hash
	l.Audit = append(l.Audit, row)
}

// auditText makes any text fit for the audit: what a caller's headers say must not make a change fail.
func auditText(s string) NullString {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if runes := []rune(s); len(runes) > maxReason {
		s = string(runes[:maxReason])
	}
	return NullString(s)
}

func auditJSON(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("rentroll: an audit value has no JSON form: " + err.Error())
	}
	return data
}

// roll puts an event into one bucket.
func (l *ledger) roll(e *UsageEvent, dimension, value string, aggregation Aggregation) {
	l.add(e, dimension, value)
	if aggregation == AggregateMax {
		l.peak(e, dimension, value)
	}
}

// add puts an amount into one bucket of the rollups.
func (l *ledger) add(e *UsageEvent, dimension, value string) {
	l.addTo(bucketOf(e, dimension, value), RollupSum{Total: e.Amount, Events: 1})
}

func bucketOf(e *UsageEvent, dimension, value string) RollupKey {
	return RollupKey{TenantID: e.TenantID, Dimension: dimension, Bucket: e.Time.Truncate(bucketSize), Meter: e.Meter, Value: value}
}

func (l *ledger) addTo(k RollupKey, by RollupSum) {
	if l.Rollups == nil {
		l.Rollups = make(map[RollupKey]RollupSum)
	}
	sum := l.Rollups[k]
	sum.Total += by.Total
	sum.Events += by.Events
	l.Rollups[k] = sum
}

// peak raises the largest amount of one bucket.
func (l *ledger) peak(e *UsageEvent, dimension, value string) {
	l.raiseTo(bucketOf(e, dimension, value), e.Amount)
}

func (l *ledger) raiseTo(k RollupKey, amount int64) {
	if l.Peaks == nil {
		l.Peaks = make(map[RollupKey]int64)
	}
	l.Peaks[k] = max(l.Peaks[k], amount)
}

// record writes a usage event, adds it to the rollups, and moves the token month where it is about tokens. The account
// must be open for changes; use is the row of the key's family, nil where it has none.
func (l *ledger) record(a *Account, use *KeyUse, e *UsageEvent) { l.recordAs(AggregateSum, a, use, e) }

// recordAs is record for a meter that aggregates otherwise.
func (l *ledger) recordAs(aggregation Aggregation, a *Account, use *KeyUse, e *UsageEvent) {
	l.Usage = append(l.Usage, e)
	if e.EventID != "" {
		if l.fresh == nil {
			l.fresh = make(map[UsageRef]*UsageEvent)
		}
		l.fresh[UsageRef{e.TenantID, e.Time, e.ID}] = e
	}
	l.roll(e, dimensionTotal, "", aggregation)
	l.bill(a, e, aggregation)
	if e.WorkerID != "" {
		l.roll(e, dimensionWorker, string(e.WorkerID), aggregation)
	}
	if !e.APIKeyID.IsZero() {
		l.roll(e, dimensionKey, e.APIKeyID.String(), aggregation)
	}
	for name, value := range e.Dimensions {
		l.roll(e, dimensionKept+name, value, aggregation)
	}
	if e.Meter != MeterTokensUsed {
		return
	}
	a.spend(e.Amount, e.Time)
	if use != nil && !e.Time.Before(a.Month.Start) {
		next := *use
		next.Tokens.add(a.Month, e.Amount, e.Time)
		l.KeyUses.Put(KeyRef{use.TenantID, use.Family}, &next)
	}
}
