package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
)

// verifyOverHTTP compares the API with a handler that decodes the same question and encodes the same answer, and does nothing
// between the two.
func verifyOverHTTP(ctx context.Context, s settings, engine *rentroll.Engine, f *fixture, emit func(line)) error {
	operator, err := engine.EnsureOperatorKey(ctx, "bench")
	if err != nil {
		return err
	}
	v, err := engine.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: f.secrets[0]})
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"secret": f.secrets[0], "permission": string(rentroll.PermRunCreate)})
	if err != nil {
		return err
	}
	q := question{"POST", "/v1/api-keys/verify", map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + operator}, string(body), 200}
	return besideBare(ctx, s, httpapi.New(engine, nil), bareJSON(v), q, func(c wireComparison) {
		emit(c.line("POST /v1/api-keys/verify", targetVerifyHTTP))
	})
}

// bareJSON decodes a question and encodes an answer.
func bareJSON(answer *rentroll.Verification) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Secret     string `json:"secret"`
			Permission string `json:"permission"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Secret == "" {
			http.Error(w, "no secret", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// forwardAuth compares forward authentication with a handler that only looks whether there is a credential and answers with
// the same four headers about the caller.
func forwardAuth(ctx context.Context, s settings, emit func(line)) error {
	return onKeys(ctx, func(f *fixture, engine *rentroll.Engine) error {
		v, err := engine.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: f.secrets[0]})
		if err != nil {
			return err
		}
		bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			h := w.Header()
			h.Set("Rentroll-Tenant-Id", v.TenantID.String())
			h.Set("Rentroll-Key-Id", v.APIKeyID.String())
			h.Set("Rentroll-Plan", string(v.Plan))
			h.Set("Rentroll-Permissions", strings.Join(v.Permissions, " "))
			w.WriteHeader(http.StatusNoContent)
		})
		q := question{"GET", "/v1/forward-auth", map[string]string{"Authorization": "Bearer " + f.secrets[0]}, "", 204}
		return besideBare(ctx, s, httpapi.New(engine, nil), bare, q, func(c wireComparison) {
			emit(c.line("GET /v1/forward-auth", targetForward))
		})
	})
}

// wireComparison is what two handlers came to, in turns.
type wireComparison struct{ ours, bare, ratios []float64 }

func (c wireComparison) line(what string, target float64) line {
	ratio := median(c.ratios)
	return line{
		what: what, load: "32 connections of wrk", figure: perSecond(median(c.ours)),
		by: "a bare handler: " + perSecond(median(c.bare)), ratio: times(ratio),
		target: fmt.Sprintf("≥ %g", target), met: atLeast(ratio, target),
	}
}

// question is the request that is sent all the time, and the status that it must be answered with.
type question struct {
	method, path string
	header       map[string]string
	body         string
	status       int
}

// script is the question for wrk.
func (q question) script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wrk.method = %q\nwrk.path = %q\n", q.method, q.path)
	if q.body != "" {
		fmt.Fprintf(&b, "wrk.body = %q\n", q.body)
	}
	for name, value := range q.header {
		fmt.Fprintf(&b, "wrk.headers[%q] = %q\n", name, value)
	}
	return b.String()
}

// ask sends the question once. wrk itself only tells good answers from others: to look at each would make it the slowest of all.
func (q question) ask(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, q.method, address+q.path, strings.NewReader(q.body))
	if err != nil {
		return err
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if answer.StatusCode != q.status {
		err = fmt.Errorf("%s %s: %s", q.method, q.path, answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}

// besideBare lets wrk ask two handlers in turns, in alternating order, after a turn each that does not count.
func besideBare(ctx context.Context, s settings, ours, bare http.Handler, q question, done func(wireComparison)) error {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return errors.New("the comparison over HTTP needs wrk (Debian: apt-get install wrk)")
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("rentroll-wrk-%d.lua", os.Getpid()))
	if err := os.WriteFile(path, []byte(q.script()), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	var addresses [2]string
	var stop [2]func()
	for i, handler := range []http.Handler{ours, bare} {
		if addresses[i], stop[i], err = listen(ctx, handler); err != nil {
			return err
		}
		if err := q.ask(ctx, addresses[i]); err != nil {
			return err
		}
	}
	defer stop[0]()
	defer stop[1]()
	var c wireComparison
	for round := range s.rounds + 1 {
		var rates [2]float64
		for i := range addresses {
			at := (i + round) % len(addresses)
			if rates[at], err = drive(ctx, wrk, path, addresses[at], round == 0); err != nil {
				return err
			}
		}
		if round > 0 {
			c.ours, c.bare, c.ratios = append(c.ours, rates[0]), append(c.bare, rates[1]), append(c.ratios, rates[0]/rates[1])
		}
	}
	done(c)
	return s.profile(fileName(strings.ReplaceAll(q.path, "/", "-")), func() error {
		if s.profiles == "" {
			return nil
		}
		_, err := drive(ctx, wrk, path, addresses[0], false)
		return err
	})
}

// listen serves a handler on a port of its own.
func listen(ctx context.Context, handler http.Handler) (address string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // which ends with the server
	return "http://" + l.Addr().String(), func() { _ = server.Close() }, nil
}

var (
	wrkRate  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkWrong = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

// drive lets wrk ask for two seconds, half of one to warm up, and returns how many answers a second it got.
func drive(ctx context.Context, wrk, script, address string, warmUp bool) (float64, error) {
	long := "2s"
	if warmUp {
		long = "1s"
	}
	out, err := exec.CommandContext(ctx, wrk, "-t", "1", "-c", "32", "-d", long, "-s", script, address).CombinedOutput() //nolint:gosec // its own arguments
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if wrong := wrkWrong.Find(out); wrong != nil {
		return 0, fmt.Errorf("wrk: %s", wrong)
	}
	found := wrkRate.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("wrk gave no rate: %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
