package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/console"
)

// What the pages are made of: a platform of many tenants, of which one has many runs and keys.
const (
	consoleTenants = 100_000
	consoleRuns    = 1_000_000
	consoleKeys    = 1_000_000
	consoleStreams = 200
	consoleCallers = 64

	targetPage    = 50 * time.Millisecond // the p99 of a page's server time
	targetStreams = 0.95                  // admissions with open live pages to those without
	leastPages    = 100                   // how often a page is asked for at least
	operatorKey   = "the operator's key of the benchmark"
)

// consolePlatform is the platform whose console is measured.
type consolePlatform struct {
	engine  *rentroll.Engine
	console *console.Console
	tenants []rentroll.TenantID // the first one has much, the second was copied, the others are for admissions
	run     rentroll.RunID
	close   func() error
}

// consolePages are the addresses that are measured.
func (p *consolePlatform) consolePages() []string {
	const big = "/console/tenants/tenant-0000"
	return []string{
		"/console/", "/console/tenants", "/console/tenants?order=newest", "/console/tenants?q=bulk-77", "/console/tenants?plan=free&status=active",
		big, big + "/runs", big + "/runs?status=failed", big + "/runs/" + p.run.String(), big + "/audit", big + "/statements",
		"/console/plans", "/console/audit", "/console/keys", "/console/keys?q=rr_0000", "/console/keys?q=0a0b", "/console/system",
	}
}

// consoleBrowser is somebody who is signed in.
type consoleBrowser struct {
	console *console.Console
	cookies []*http.Cookie
}

func (p *consolePlatform) signIn() (*consoleBrowser, error) {
	request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://localhost/console/sign-in",
		strings.NewReader(url.Values{"key": {operatorKey}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	p.console.ServeHTTP(answer, request)
	if answer.Code != http.StatusSeeOther {
		return nil, fmt.Errorf("signing in was answered %d", answer.Code)
	}
	return &consoleBrowser{p.console, answer.Result().Cookies()}, nil
}

// get asks for a page and returns how long the server took.
func (b *consoleBrowser) get(path string) (time.Duration, error) {
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://localhost"+path, http.NoBody)
	request.Header.Set("Accept-Encoding", "gzip")
	for _, c := range b.cookies {
		request.AddCookie(c)
	}
	answer := httptest.NewRecorder()
	began := time.Now()
	b.console.ServeHTTP(answer, request)
	took := time.Since(began)
	if answer.Code != http.StatusOK {
		return took, fmt.Errorf("%s was answered %d", path, answer.Code)
	}
	return took, nil
}

// pages measures the server time of every page.
func (p *consolePlatform) pages(ctx context.Context, s settings, emit func(line)) error {
	b, err := p.signIn()
	if err != nil {
		return err
	}
	for _, path := range p.consolePages() {
		if _, err := b.get(path); err != nil { // what is made once, such as the order of all tenants
			return err
		}
		var took []time.Duration
		for began := time.Now(); len(took) < leastPages || time.Since(began) < time.Duration(s.rounds)*s.slice; {
			d, err := b.get(path)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		emit(line{
			what: "console page " + path, load: fmt.Sprintf("%d requests one after the other; %s tenants, one with %s runs and %s keys", len(took), grouped3(consoleTenants), grouped3(consoleRuns), grouped3(consoleKeys)),
			figure: fmt.Sprintf("p50 %s, p99 %s", micros(microseconds(took[len(took)/2])), micros(microseconds(p99))), target: "p99 ≤ 50 ms", met: atMost(p99.Seconds(), targetPage.Seconds()),
		})
	}
	return nil
}

// streams compares admissions with many live pages open to those without, in turns.
func (p *consolePlatform) streams(ctx context.Context, s settings, emit func(line)) error {
	server := httptest.NewServer(p.console)
	defer server.Close()
	defer p.console.Drain()
	var with, without, ratios []float64
	for range s.rounds {
		before, err := p.admit(ctx, s.slice)
		if err != nil {
			return err
		}
		leave, err := p.watch(ctx, server.URL)
		if err != nil {
			return err
		}
		beside, err := p.admit(ctx, s.slice)
		leave()
		if err != nil {
			return err
		}
		without, with, ratios = append(without, before), append(with, beside), append(ratios, beside/before)
	}
	ratio := median(ratios)
	emit(line{
		what: "CreateRun beside the console", load: fmt.Sprintf("%d callers, %d open live pages", consoleCallers, consoleStreams),
		figure: perSecond(median(with)), by: "without: " + perSecond(median(without)), ratio: times(ratio), target: "≥ 0.95", met: atLeast(ratio, targetStreams),
	})
	return nil
}

// watch opens live pages, each in a browser of its own, and returns when news came to all.
func (p *consolePlatform) watch(ctx context.Context, base string) (leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	b, err := p.signIn()
	if err != nil {
		cancel()
		return nil, err
	}
	pages := []string{"/console/", "/console/tenants", "/console/tenants/tenant-0000", "/console/tenants/tenant-0000/runs", "/console/system"}
	var streams sync.WaitGroup
	began := make(chan error, consoleStreams)
	for i := range consoleStreams {
		streams.Go(func() {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/console/live?at="+url.QueryEscape(pages[i%len(pages)]), http.NoBody)
			if err != nil {
				began <- err
				return
			}
			for _, c := range b.cookies {
				request.AddCookie(c)
			}
			answer, err := (&http.Transport{}).RoundTrip(request)
			if err == nil && answer.StatusCode != http.StatusOK {
				err = errors.Join(fmt.Errorf("a stream was answered %d", answer.StatusCode), answer.Body.Close())
			}
			if err != nil {
				began <- err
				return
			}
			defer answer.Body.Close()
			buffer := make([]byte, 64<<10)
			_, err = answer.Body.Read(buffer)
			began <- err
			for err == nil {
				_, err = answer.Body.Read(buffer)
			}
		})
	}
	leave = func() { cancel(); streams.Wait() }
	for range consoleStreams {
		err = errors.Join(err, <-began)
	}
	if err != nil {
		leave()
	}
	return leave, err
}

// admit admits runs by many callers for a while, and returns how many there were in a second.
func (p *consolePlatform) admit(ctx context.Context, turn time.Duration) (float64, error) {
	var admitted atomic.Int64
	var callers sync.WaitGroup
	failed := make(chan error, consoleCallers)
	began := time.Now()
	for n := range consoleCallers {
		callers.Go(func() {
			tenant := p.tenants[2+n%(len(p.tenants)-2)]
			for time.Since(began) < turn {
				run, err := p.engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant, WorkerID: worker, Task: task})
				if err == nil {
					admitted.Add(1)
					_, err = p.engine.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: tenant, RunID: run.ID, Success: true})
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	callers.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(admitted.Load()) / took.Seconds(), nil
	}
}

// measureConsole runs both measurements on a platform, and closes it.
func measureConsole(ctx context.Context, s settings, emit func(line), p *consolePlatform) (err error) {
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.pages(ctx, s, emit); err != nil {
		return err
	}
	return p.streams(ctx, s, emit)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
