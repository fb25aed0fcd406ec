package simtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

// Opener opens an empty store that lives as long as the test. The engine closes it.
type Opener func(testing.TB) rentroll.Store

// Clock is a clock that is moved by hand. Safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the time that the clock was set to.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock, in either direction.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// keep is how long things are kept in histories: as short as may be, so that many are pruned.
var keep = model.Keep{Usage: 43 * 24 * time.Hour, Runs: 7 * 24 * time.Hour}

// side is one engine on one store, with the ids that it gave to the model's names.
type side struct {
	store   rentroll.Store
	kept    *written
	engine  *rentroll.Engine
	ids     map[model.Ref][16]byte
	refs    map[[16]byte]model.Ref
	secrets map[model.Ref]string
	met     Tally // what answers had in them
}

// newSide starts an engine whose ids and secrets come from the seed.
func newSide(t testing.TB, open Opener, clock *Clock, seed uint64) *side {
	t.Helper()
	kept := &written{Store: open(t)}
	store := rentroll.Store(kept)
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	engine, err := rentroll.New(store, &rentroll.Options{
		Now: clock.Now, Random: rand.NewChaCha8(key), StatisticsInterval: time.Hour, SweepInterval: -1, DimensionValues: model.TellApart,
		Retention: rentroll.Retention{Usage: keep.Usage, Runs: keep.Runs, Interval: -1},
	})
	if err != nil {
		t.Fatalf("starting an engine: %v", err)
	}
	return &side{
		store: store, kept: kept, engine: engine,
		ids: map[model.Ref][16]byte{}, refs: map[[16]byte]model.Ref{}, secrets: map[model.Ref]string{}, met: Tally{},
	}
}

// named takes note of the id of a new thing.
func (s *side) named(ref model.Ref, id [16]byte) {
	if _, known := s.refs[id]; !known {
		s.ids[ref], s.refs[id] = id, ref
	}
}

// id returns the engine's id of a thing; of one that was never made, an id that names nothing.
func (s *side) id(ref model.Ref) (id [16]byte) {
	if ref == 0 {
		return id
	}
	if id, known := s.ids[ref]; known {
		return id
	}
	id = [16]byte{0xff, 6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(ref))
	return id
}

// ref returns the model's name of a thing, -1 where it has none.
func (s *side) ref(id [16]byte) model.Ref {
	if id == [16]byte{} {
		return 0
	}
	if ref, known := s.refs[id]; known {
		return ref
	}
	for ref := model.Ref(1); ref < 1<<16; ref++ { // an id of a thing that was never made, handed back
		if _, known := s.ids[ref]; !known && s.id(ref) == id {
			return ref
		}
	}
	return -1
}

func (s *side) tenant(ref model.Ref) rentroll.TenantID { return s.id(ref) }
func (s *side) user(ref model.Ref) rentroll.UserID     { return s.id(ref) }
func (s *side) key(ref model.Ref) rentroll.KeyID       { return s.id(ref) }
func (s *side) run(ref model.Ref) rentroll.RunID       { return s.id(ref) }

// unknownSecret is well-formed and nobody's.
const unknownSecret = "rr_unknown"

// as returns the engine as a caller sees it who presents the secret of a key.
func (s *side) as(ctx context.Context, by model.Ref) (*rentroll.Engine, error) {
	if by == model.Program {
		return s.engine, nil
	}
	actor, err := s.engine.Authenticate(ctx, s.secret(by))
	if err != nil {
		return nil, err
	}
	return s.engine.As(actor), nil
}

func (s *side) secret(ref model.Ref) string {
	if secret := s.secrets[ref]; secret != "" {
		return secret
	}
	return unknownSecret
}

// refusal turns an error of the engine into the model's form. Failures that the model
// does not know keep their text.
func refusal(err error) *model.Refusal {
	if err == nil {
		return nil
	}
	if q, denied := asDenial(err); denied {
		return &model.Refusal{
			Code: string(rentroll.CodeQuotaExceeded), Quota: q.Quota, Scope: string(q.Scope), Limit: q.Limit, Current: q.Current,
			ResetsAt: utc(q.ResetsAt), Run: fieldOf(q.Fields),
		}
	}
	if plain := (*rentroll.Error)(nil); errors.As(err, &plain) && strings.HasPrefix(fieldOf(plain.Fields), "runs[") && plain.Code != rentroll.CodeValidationFailed {
		return &model.Refusal{Code: string(plain.Code), Run: fieldOf(plain.Fields)}
	}
	switch code := rentroll.CodeOf(err); code {
	case rentroll.CodeInternal, rentroll.CodeUnavailable, rentroll.CodeOverloaded:
		return &model.Refusal{Code: fmt.Sprintf("%s: %s", code, err.Error())}
	default:
		return &model.Refusal{Code: string(code)}
	}
}

func fieldOf(fields []rentroll.FieldError) string {
	if len(fields) == 0 {
		return ""
	}
	return fields[0].Field
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
