package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/demo"
)

// stage is the demo on its way: a platform that is filled in or found, and then kept at work.
type stage struct {
	*server

	isNew    bool
	platform *demo.Platform
	took     time.Duration
	summary  *demo.Summary
	working  sync.WaitGroup
}

// demoSeed makes every demo the same.
const demoSeed = 1

// prepare looks whether the database is new, before the engine starts: then the engine's clock begins a month ago. A
// demo without an operator key gets one for this start.
func prepare(ctx context.Context, s *server, store rentroll.Store) (*stage, error) {
	empty, err := demo.IsEmpty(ctx, store)
	if err != nil {
		return nil, err
	}
	if empty {
		s.clock.Rewind(demo.Month)
		s.level.Set(silent) // the engine would complain of that; what goes wrong is the fill's error
	}
	if s.secret == "" {
		s.secret = "demo-" + rand.Text() + rand.Text()
		s.credential.secret = s.secret
	}
	return &stage{server: s, isNew: empty}, nil
}

// set fills the database, or finds in it what an earlier start has filled in.
func (p *stage) set(ctx context.Context) (err error) {
	if !p.isNew {
		p.platform, err = demo.Open(ctx, p.engine)
		switch {
		case errors.Is(err, demo.ErrNotEmpty):
			return fmt.Errorf("%s: %w; %s", p.database.name, err, p.database.elsewhere())
		case errors.Is(err, demo.ErrInterrupted):
			return fmt.Errorf("the demo in %s is not filled to the end: another server is doing it, or was interrupted; wait, or %s and start again",
				p.database.name, p.database.discard())
		case err != nil:
			return fmt.Errorf("%s: %w", p.database.name, err)
		}
		return nil
	}
	if _, err := fmt.Fprintf(p.std.out, "Filling %s with a month in the life of a platform …\n", p.database.name); err != nil {
		return err
	}
	began := time.Now()
	p.platform, p.summary, err = demo.Fill(ctx, p.engine, p.clock, demoSeed)
	p.took = time.Since(began)
	p.level.Set(p.LogLevel)
	if err != nil {
		return fmt.Errorf("the demo in %s is not complete (%s to begin again): %w", p.database.name, p.database.discard(), err)
	}
	return nil
}

// begin lets the platform work until the context ends.
func (p *stage) begin(ctx context.Context) {
	p.working.Go(func() { p.platform.Traffic(ctx, p.logger, uint64(time.Now().UnixNano())) })
}

// end waits for the last of its runs.
func (p *stage) end() { p.working.Wait() }

// greet says what there is to see.
func (p *stage) greet(w *strings.Builder) {
	if s := p.summary; s != nil {
		fmt.Fprintf(w, "%d tenants, %d users, %d keys, %s runs and %s usage events were made in %.1f s.\n",
			s.Tenants, s.Users, s.Keys, number(int64(s.Runs)), number(int64(s.Events)), p.took.Seconds())
	}
	fmt.Fprintf(w, "A demonstration in %s: the tenants work while this runs. When you have seen enough, %s.\n", p.database.name, p.database.discard())
	if p.credential.secret == "" {
		w.WriteString("The operator key is the configured one.\n")
		if p.url() != defaultURL {
			fmt.Fprintf(w, "\nLet the commands find this server:\n\n    export RENTROLL_URL=%s\n", p.url())
		}
	} else {
		fmt.Fprintf(w, "\nThe operator key, for the console and the API until this server stops:\n\n    %s\n", p.export())
	}
	fmt.Fprintf(w, `
Try it in another terminal:

    rentroll tenant list
    rentroll tenant quotas %-16s # at 95 %% of its tokens
    rentroll tenant denials %-15s # out of runs for today: denied, and why

`, demo.NearLimit, demo.OutOfRuns)
}
