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
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/console"
)

// What the pages are made of: a platform of many tenants, of which one has many runs and keys.
const (
	consoleTenants  = 100_000
	consoleRuns     = 1_000_000
	consoleKeys     = 1_000_000
	consoleSomeRuns = 10_000 // of the second tenant, in thirty days like those of the first one
	consoleFewRuns  = 1_000  // of the third

	targetPage  = 50 * time.Millisecond // the p99 of a page's server time
	leastPages  = 100                   // how often a page is asked for at least
	operatorKey = "the operator's key of the benchmark"
)

// consolePlatform is the platform whose console is measured.
type consolePlatform struct {
	engine  *rentroll.Engine
	console *console.Console
	tenants []rentroll.TenantID // the first one has much, the second was copied, the others are for admissions: see others
	run     rentroll.RunID
	close   func() error

	store    string // its name, and how many profiles were made: for their names
	profiles int
}

// consolePages are the addresses that are measured.
func (p *consolePlatform) consolePages() []string {
	const big, simulation = "/console/tenants/tenant-0000", "/console/plans/simulate?name=free&tenant="
	return []string{
		"/console/", "/console/tenants", "/console/tenants?order=newest", "/console/tenants?q=bulk-77", "/console/tenants?plan=free&status=active",
		big, big + "/runs", big + "/runs?status=failed", big + "/runs/" + p.run.String(), big + "/audit", big + "/statements",
		"/console/plans", "/console/audit", "/console/keys", "/console/keys?q=rr_0000", "/console/keys?q=0a0b", "/console/system",
		simulation + "tenant-0000", simulation + "tenant-0001", simulation + "tenant-0002",
	}
}

// consoleBrowser is somebody who is signed in.
type consoleBrowser struct {
	console *console.Console
	cookies []*http.Cookie
}

// signIn lets the nth browser in, from an address of its own: who signs in often from one has to wait.
func (p *consolePlatform) signIn(n int) (*consoleBrowser, error) {
	request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://localhost/console/sign-in",
		strings.NewReader(url.Values{"key": {operatorKey}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1024", n/250, n%250)
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
	b, err := p.signIn(0)
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
	return p.answers(s, emit, b)
}

// answers measures what the page of a simulation fetches when it is there.
func (p *consolePlatform) answers(s settings, emit func(line), b *consoleBrowser) error {
	for i, runs := range []float64{consoleRuns, consoleSomeRuns} {
		path := fmt.Sprintf("/console/plans/simulate/answer?name=free&tenant=tenant-%04d", i)
		var took []time.Duration
		for range s.rounds {
			d, err := b.get(path)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		slices.Sort(took)
		emit(line{
			what: "what the simulation fetches " + path, load: fmt.Sprintf("%d requests one after the other; %s runs in 30 days", len(took), grouped3(runs)),
			figure: fmt.Sprintf("p50 %s, at most %s", micros(microseconds(took[len(took)/2])), micros(microseconds(took[len(took)-1]))),
		})
	}
	return nil
}

// measureConsole runs both measurements on a platform, and closes it.
func measureConsole(ctx context.Context, s settings, emit func(line), p *consolePlatform) (err error) {
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.pages(ctx, s, emit); err != nil {
		return err
	}
	return p.live(ctx, s, emit)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
