package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/rentroll/rentroll"
)

// The targets of usage; ratios, unless the name says otherwise.
const (
	targetIngest     = 0.5    // ingestion over HTTP to bare bulk inserts of the same rows
	targetIngestRate = 30_000 // events a second of it
	targetSingle     = 0.5    // calls of one event to CreateRun
	targetReads      = 20_000 // microseconds that a summary and a series take over ten million events
	targetFlat       = 0.2    // by how much the slowest tenth of a load may be below the fastest
	targetBeside     = 2.0    // the p99 of admissions beside a load in bulk
)

// batchEvents is how many events a call of the loads in bulk has.
const batchEvents = 100

var usageMeters = []string{"pages_read", "minutes_spoken", "emails_sent"}

// eventID makes an id as programs make them: a UUID at random.
func eventID() string {
	id := random16()
	return hex.EncodeToString(id[:])
}

// random16 are bytes that no turn of a caller has had before, unlike those of its own source.
func random16() (id [16]byte) {
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// usageEvents are the events of one call, with ids or without.
func usageEvents(n int, ids bool) []rentroll.UsageParams {
	now := time.Now()
	events := make([]rentroll.UsageParams, n)
	for i := range events {
		events[i] = rentroll.UsageParams{
			Meter: usageMeters[i%len(usageMeters)], Amount: int64(1 + i%9), WorkerID: worker, Time: now.Add(-time.Duration(i) * time.Millisecond),
		}
		if ids {
			events[i].EventID = eventID()
		}
	}
	return events
}

// recordBatch records a call's events in the process.
func recordBatch(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, events []rentroll.UsageParams) error {
	out, err := e.RecordUsageBatch(ctx, rentroll.RecordUsageBatchParams{TenantID: tenant, Events: events})
	if err != nil {
		return err
	}
	for _, item := range out.Items {
		if item.Status != rentroll.UsageRecorded {
			return fmt.Errorf("an event was %s: %s", item.Status, item.Code)
		}
	}
	return nil
}

// usageBody writes the same events as the body of a request.
func usageBody(b []byte, n int, ids bool) []byte {
	b = append(b, `{"events":[`...)
	for i, in := range usageEvents(n, ids) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"meter":"`...), in.Meter...), `","amount":`...)
		b = strconv.AppendInt(b, in.Amount, 10)
		b = append(append(append(b, `,"worker_id":"`...), in.WorkerID...), `","time":"`...)
		b = append(in.Time.UTC().AppendFormat(b, time.RFC3339Nano), '"')
		if ids {
			b = append(append(append(b, `,"event_id":"`...), in.EventID...), '"')
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// poster sends usage over HTTP, with each tenant's own key, over connections that stay open.
type poster struct {
	address string
	client  *http.Client
	fixture *fixture
}

func newPoster(address string, f *fixture, connections int) *poster {
	return &poster{address, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}, f}
}

// post sends one call, and looks whether each event was recorded.
func (p *poster) post(ctx context.Context, tenant int, ids bool) (int, error) {
	body := usageBody(make([]byte, 0, 16<<10), batchEvents, ids)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address+"/v1/tenants/me/usage", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+p.fixture.secrets[tenant])
	answer, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return 0, err
	}
	if n := bytes.Count(text, []byte(`"recorded"`)); answer.StatusCode/100 != 2 || n != batchEvents {
		return 0, fmt.Errorf("%s: %d of %d events were recorded: %.300s", answer.Status, n, batchEvents, text)
	}
	return batchEvents, nil
}
