package rentroll

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// MaxImport is how many keys one call imports at most.
const MaxImport = 500

// The secrets of imported keys may be any printable text of these lengths.
const (
	minForeignSecret = 16
	maxForeignSecret = 512
)

// ImportedKey is a key of another system, known by the SHA-256 of its secret: its owners go on using it.
type ImportedKey struct {
	SHA256            string // of the secret's text, in hex
	Name              string
	KeyPrefix         string // the start of the secret as people know it, up to 12 characters; "" where it is not known
	UserID            UserID
	Permissions       []string // nil is run:* and read:*
	AllowedWorkers    []string // nil is all
	AllowedIPs        []string // nil is all
	RateLimitRPM      *int64
	MaxConcurrentRuns *int64
	MaxTokensPerMonth *int64
	ExpiresAt         *time.Time // in the future; nil is never
}

// ImportAPIKeysParams imports keys into a tenant, 1 to MaxImport of them.
type ImportAPIKeysParams struct {
	TenantID TenantID
	Keys     []ImportedKey
}

// ImportStatus says what became of a key.
type ImportStatus string

// What becomes of keys.
const (
	ImportImported  ImportStatus = "imported"
	ImportDuplicate ImportStatus = "duplicate" // the tenant has it already, as it was imported first
	ImportRejected  ImportStatus = "rejected"
)

// ImportResult is what became of one key.
type ImportResult struct {
	SHA256   string       `json:"sha256"`
	Status   ImportStatus `json:"status"`
	APIKeyID KeyID        `json:"api_key_id"`
	Code     NullString   `json:"code"`   // why it was rejected: validation_failed, already_exists (another tenant's), quota_exceeded
	Errors   []FieldError `json:"errors"` // which of its fields are wrong
}

// ImportReceipt has the results, in the order of the keys.
type ImportReceipt struct {
	Items []ImportResult `json:"items"`
}

// ImportAPIKeys takes over keys that customers have already, by the hashes of their secrets. Each is answered for itself,
// and the good ones are stored. A secret is good in one tenant only, and a second import of it is a duplicate that changes
// nothing, so that a call may be repeated. Imported keys count against api_keys. It needs an operator.
func (e *Engine) ImportAPIKeys(ctx context.Context, p ImportAPIKeysParams) (*ImportReceipt, error) {
	if err := e.actor.mayOperate(PermKeyManage); err != nil {
		return nil, err
	}
	var bad problems
	if n := len(p.Keys); n < 1 || n > MaxImport {
		bad.add("keys", fmt.Sprintf("must have 1 to %d entries", MaxImport))
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	c := &importAPIKeys{header: header{
		tenant: p.TenantID, also: []TenantID{PlatformID}, by: e.actor, size: 2048 * len(p.Keys), rows: 3 * len(p.Keys),
	}}
	for _, k := range p.Keys {
		foreign := newForeignKey(p.TenantID, k)
		if err := e.actor.mayGive(foreign.key.Permissions); err != nil {
			return nil, err
		}
		c.keys = append(c.keys, foreign)
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return &ImportReceipt{Items: c.answer}, nil
}

// foreignKey is a key to import, checked as far as that can be done without looking at anything else.
type foreignKey struct {
	key    APIKey
	ref    DirectoryRef
	sha256 string
	wrong  problems
}

func newForeignKey(tenant TenantID, p ImportedKey) *foreignKey {
	k := &foreignKey{sha256: strings.ToLower(p.SHA256)}
	raw, err := hex.DecodeString(k.sha256)
	if err != nil || len(raw) != len(k.key.Hash) {
		k.wrong.add("sha256", "must be a SHA-256 in hex: 64 digits")
	}
	k.wrong.add("key_prefix", checkPrintable(p.KeyPrefix, 0, displayPrefixSize))
	terms := CreateAPIKeyParams{
		Name: p.Name, Permissions: p.Permissions, AllowedWorkers: p.AllowedWorkers, AllowedIPs: p.AllowedIPs,
		RateLimitRPM: p.RateLimitRPM, MaxConcurrentRuns: p.MaxConcurrentRuns, MaxTokensPerMonth: p.MaxTokensPerMonth,
	}
	k.wrong = append(k.wrong, terms.problems()...)
	k.key = APIKey{
		TenantID: tenant, Name: terms.Name, KeyPrefix: p.KeyPrefix, UserID: p.UserID, Permissions: terms.Permissions,
		AllowedWorkers: terms.AllowedWorkers, AllowedIPs: terms.AllowedIPs, RateLimitRPM: terms.RateLimitRPM,
		MaxConcurrentRuns: terms.MaxConcurrentRuns, MaxTokensPerMonth: terms.MaxTokensPerMonth, Status: KeyActive,
	}
	copy(k.key.Hash[:], raw)
	k.ref = hashRef(k.key.Hash)
	if p.ExpiresAt != nil {
		at := stamp(*p.ExpiresAt)
		k.key.ExpiresAt = &at
	}
	return k
}

// hashRef is where the directory says whose imported key has a hash.
func hashRef(hash [32]byte) DirectoryRef {
	return DirectoryRef{DirectoryKeyHash, hex.EncodeToString(hash[:])}
}

type importAPIKeys struct {
	header
	keys   []*foreignKey
	answer []ImportResult
}

func (c *importAPIKeys) wants(b *Batch) {
	for _, k := range c.keys {
		if len(k.wrong) > 0 {
			continue
		}
		b.Directory.Want(k.ref)
		ask(&b.KeyHashes, KeyHash{c.tenant, k.key.Hash})
		if !k.key.UserID.IsZero() {
			b.Users.Want(k.key.UserID)
		}
	}
}

func (c *importAPIKeys) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	if err := a.active(); err != nil {
		return err
	}
	if _, denied := a.take(plan, quota.APIKeys, int64(len(c.keys)), now); denied != nil {
		if _, err := l.expireKeys(a, now); err != nil {
			return err
		}
	}
	c.answer = make([]ImportResult, 0, len(c.keys))
	for _, k := range c.keys {
		result := k.check(l, now)
		if result.Status == ImportImported {
			if _, denied := a.take(plan, quota.APIKeys, 1, now); denied != nil {
				result = ImportResult{Status: ImportRejected, Code: NullString(CodeQuotaExceeded)}
			} else {
				result.APIKeyID = c.write(l, a, k, now)
			}
		}
		result.SHA256 = k.sha256
		c.answer = append(c.answer, result)
	}
	return nil
}

// check says what is to become of a key, its room aside.
func (k *foreignKey) check(l *ledger, now time.Time) ImportResult {
	wrong := k.wrong
	if len(wrong) == 0 {
		if id := l.KeyHashes[KeyHash{k.key.TenantID, k.key.Hash}]; !id.IsZero() {
			return ImportResult{Status: ImportDuplicate, APIKeyID: *id}
		}
		if l.Directory.Get(k.ref) != nil {
			return ImportResult{Status: ImportRejected, Code: NullString(CodeAlreadyExists)}
		}
		if !k.key.UserID.IsZero() && l.Users.Get(k.key.UserID) == nil {
			wrong.add("user_id", "there is no such user")
		}
		if at := k.key.ExpiresAt; at != nil && (!at.After(now) || at.After(now.Add(maxExpiryDays*day))) {
			wrong.add("expires_at", fmt.Sprintf("must be a time in the next %d days", maxExpiryDays))
		}
	}
	if len(wrong) > 0 {
		return ImportResult{Status: ImportRejected, Code: NullString(CodeValidationFailed), Errors: wrong}
	}
	return ImportResult{Status: ImportImported}
}

// write stores a key under its hash.
func (c *importAPIKeys) write(l *ledger, a *Account, from *foreignKey, now time.Time) KeyID {
	l.touch(a, now)
	k := from.key
	k.ID, k.CreatedAt = newID[keyKind](now, l.entropy()), now
	k.Family = k.ID
	a.APIKeys++
	a.Generation++
	a.expectExpiry(k.ExpiresAt)
	l.Keys.Put(KeyRef{c.tenant, k.ID}, &k)
	l.Directory.Put(from.ref, &DirectoryEntry{from.ref, c.tenant})
	l.KeyHashes[KeyHash{c.tenant, k.Hash}] = &k.ID // what comes after it in this transaction is a duplicate
	if k.counted() {
		l.KeyUses.Put(KeyRef{c.tenant, k.Family}, &KeyUse{TenantID: c.tenant, Family: k.Family})
	}
	l.audit(a, c.by, now, change{action: "api_key.import", kind: "api_key", id: k.ID.String(), new: &k})
	return k.ID
}

// mayBeImported reports whether a secret that is not of this program's form may be that of an imported key. Where there are
// none at all, that is known without looking.
func (e *Engine) mayBeImported(secret string) bool {
	return e.core.imports.Load() && checkPrintable(secret, minForeignSecret, maxForeignSecret) == "" && !isOperatorSecret(secret)
}

// lookForImports finds out whether there are imported keys. Once there are, nobody asks again.
func (c *core) lookForImports(ctx context.Context) error {
	if c.imports.Load() {
		return nil
	}
	return c.store.View(ctx, func(r Reader) error {
		has, err := r.HasDirectory(ctx, DirectoryKeyHash)
		if has {
			c.imports.Store(true)
		}
		return err
	})
}

// followImports takes note of imports that were committed, before anybody is answered.
func (c *core) followImports(changed *Rowset[DirectoryRef, DirectoryEntry]) {
	if !changed.changed() {
		return
	}
	note := func(e *DirectoryEntry) {
		if e.Kind == DirectoryKeyHash {
			c.imports.Store(true)
			c.keys.forget([]TenantID{{}}) // that there was no such key
		}
	}
	changed.Changes(note, note, func(DirectoryRef) {})
}
