package main

import (
	"fmt"
	"testing"

	"github.com/rentroll/rentroll/httpapi"
)

// BenchmarkRecordUsageBatch measures calls of 100 events, each with an id, in the process and over HTTP. An operation is a call.
func BenchmarkRecordUsageBatch(b *testing.B) {
	for _, metadata := range []bool{false, true} {
		b.Run(fmt.Sprintf("metadata=%t", metadata), func(b *testing.B) {
			f := &fixture{path: b.TempDir() + "/usage.db"}
			if err := f.settle(b.Context(), 1); err != nil {
				b.Fatal(err)
			}
			engine, err := open(b.Context(), f.path)
			if err != nil {
				b.Fatal(err)
			}
			defer engine.Close()
			spread(b, ingestCallers, func(*caller) error {
				events := usageEvents(batchEvents, true)
				for i := range events {
					if metadata {
						events[i].Metadata = fmt.Appendf(nil, `{"model":"m%02d","region":"eu-west-1"}`, i%20)
					}
				}
				return recordBatch(b.Context(), engine, f.tenants[0], events)
			})
		})
	}
	b.Run("over HTTP", func(b *testing.B) {
		f := &fixture{path: b.TempDir() + "/usage.db"}
		if err := f.settle(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
		engine, err := open(b.Context(), f.path)
		if err != nil {
			b.Fatal(err)
		}
		defer engine.Close()
		address, stop, err := listen(b.Context(), httpapi.New(engine, nil))
		if err != nil {
			b.Fatal(err)
		}
		defer stop()
		to := newPoster(address, f, ingestCallers)
		spread(b, ingestCallers, func(*caller) error {
			_, err := to.post(b.Context(), 0, true)
			return err
		})
	})
}
