package rentroll

import (
	"crypto"
	"crypto/rand"
	"io"
	"log/slog"
	"time"
)

// Options tune an Engine. Nil and the zero value are fine: every field says what it then means.
type Options struct {
	// Now is the clock. nil is the machine's. It is the only source of time of the engine's decisions.
	Now func() time.Time

	// Random is the source of secrets and ids. nil is the operating system's.
	Random io.Reader

	// Logger is told what an operator should know. nil discards it.
	Logger *slog.Logger

	// KeyPrefix begins the secrets of new API keys: 2 to 6 lower-case letters, not ending in "op". "" is "rr". Keys with
	// other prefixes stay valid.
	KeyPrefix string

	// OperatorSecret is an operator key that is valid while it is set and never stored: 32 to 200 printable characters.
	// "" is none.
	OperatorSecret string

	// AuditSigner signs the heads of the audit's chains: an ed25519.PrivateKey, or whatever keeps one and signs with it.
	// nil is none; the heads are then not signed.
	AuditSigner crypto.Signer

	// TenantQueue bounds how many commands of one tenant may wait; further ones are CodeOverloaded. 0 is 4,096. Usage in
	// bulk, which is calls of more than 16 events, waits in a queue of its own, of the same length.
	TenantQueue int

	// QueueBytes bounds what all waiting commands may hold in memory; further ones are CodeUnavailable. 0 is 64 MiB. Half
	// of it may be usage in bulk, and half of that one tenant's.
	QueueBytes int

	// Lanes is how many transactions may be written at once, within what the store can use. 0 is the store's choice.
	Lanes int

	// CachedKeys is how many API keys are kept in memory to verify them without the store. 0 is 100,000, less than 0 none.
	// What is kept of a key takes about a kilobyte.
	CachedKeys int

	// StaleFor is how long, while the store does not answer, API keys that are in memory are still good. Verifications
	// say then that they are stale: a revocation may have been missed. 0 refuses them, with CodeUnavailable.
	StaleFor time.Duration

	// StatementGrace is for how long after its end a period's statement takes events of that period; later ones are
	// adjustments of the next statement. A change holds for periods that begin behind it: each keeps the grace with which it
	// began, and where nothing is written of a tenant for months, they keep that of the last one that was. So a final statement
	// stays final. 0 is 72 hours, and less than a microsecond is one.
	StatementGrace time.Duration

	// DimensionValues is how many values of a dimension that a meter keeps from metadata are told apart in a month; all
	// further ones are "other". 0 is 10,000.
	DimensionValues int

	// StatisticsInterval is how often denials and the use of keys are written. 0 is one second.
	StatisticsInterval time.Duration

	// SweepInterval is how often runs over their lease and expired keys of quiet tenants are looked for. 0 is 15 seconds,
	// less than 0 is never. Limits are exact without it.
	SweepInterval time.Duration

	// Retention says how long old rows are kept.
	Retention Retention
}

const (
	defaultTenantQueue = 4096
	defaultQueueBytes  = 64 << 20

	defaultDimensionValues = 10_000
)

// withDefaults returns a complete copy, or what is wrong.
func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Now == nil {
		opts.Now = systemClock
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.KeyPrefix == "" {
		opts.KeyPrefix = DefaultKeyPrefix
	}
	if opts.TenantQueue <= 0 {
		opts.TenantQueue = defaultTenantQueue
	}
	if opts.QueueBytes <= 0 {
		opts.QueueBytes = defaultQueueBytes
	}
	if opts.StatementGrace <= 0 {
		opts.StatementGrace = defaultStatementGrace
	}
	opts.StatementGrace = max(opts.StatementGrace.Truncate(time.Microsecond), time.Microsecond) // as it is kept
	if opts.DimensionValues <= 0 {
		opts.DimensionValues = defaultDimensionValues
	}
	if opts.StatisticsInterval <= 0 {
		opts.StatisticsInterval = time.Second
	}
	if opts.SweepInterval == 0 {
		opts.SweepInterval = defaultSweepInterval
	}
	var p problems
	opts.Retention.complete(&p)
	if !validKeyPrefix(opts.KeyPrefix) {
		p.add("KeyPrefix", "must be 2 to 6 lower-case letters that do not end in \"op\"")
	}
	if opts.OperatorSecret != "" {
		p.add("OperatorSecret", checkPrintable(opts.OperatorSecret, 32, 200))
	}
	if opts.AuditSigner != nil {
		if _, err := AuditKeyID(opts.AuditSigner.Public()); err != nil {
			p.add("AuditSigner", err.Error())
		}
	}
	return opts, p.err()
}
