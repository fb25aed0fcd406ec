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
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
)

// The targets of verifying keys.
const (
	targetVerifications = 2_000_000 // a second, on one core, of keys in memory
	targetAllocations   = 2
	targetVerifyHTTP    = 0.8 // of a bare handler
)

// verifyKeys measures verifications of keys in memory on one core, and over HTTP beside a handler that only decodes and
// encodes as much JSON, both driven by wrk.
func verifyKeys(ctx context.Context, s settings, emit func(line)) (err error) {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	st, err := newStage(f, platformTenants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	engine, err := st.engine(ctx, "keys")
	if err != nil {
		return err
	}
	for tenant := range platformTenants { // into memory
		if err := verifyKey(ctx, engine, f, tenant); err != nil {
			return err
		}
	}
	if err := onOneCore(ctx, s, engine, f, emit); err != nil {
		return err
	}
	return overHTTP(ctx, s, engine, f, emit)
}

func onOneCore(ctx context.Context, s settings, engine *rentroll.Engine, f *fixture, emit func(line)) (err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c, err := compare(ctx, settings{rounds: s.rounds, slice: s.slice}, arm{"VerifyAPIKey", 1, func(ctx context.Context, c *caller) (int, error) {
		const each = 64 // so that the measuring itself is no part of it
		for range each {
			if err := verifyKey(ctx, engine, f, c.random.IntN(platformTenants)); err != nil {
				return 0, err
			}
		}
		return each, nil
	}})
	if err != nil {
		return err
	}
	emit(line{
		what: "VerifyAPIKey, key in memory", load: load(1, platformTenants) + ", one core", figure: perSecond(c.rate(0)),
		target: "≥ 2,000,000/s", met: atLeast(c.rate(0), targetVerifications),
	})
	allocations := testing.AllocsPerRun(1000, func() { err = errors.Join(err, verifyKey(ctx, engine, f, 1)) })
	emit(line{
		what: "VerifyAPIKey, key in memory", load: load(1, 1), figure: fmt.Sprintf("%.0f allocations", allocations),
		target: fmt.Sprintf("≤ %d", targetAllocations), met: atMost(allocations, targetAllocations),
	})
	return err
}

// overHTTP lets wrk ask the API and the bare handler in turns.
func overHTTP(ctx context.Context, s settings, engine *rentroll.Engine, f *fixture, emit func(line)) error {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return errors.New("the comparison over HTTP needs wrk (Debian: apt-get install wrk)")
	}
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
	script := filepath.Join(os.TempDir(), fmt.Sprintf("rentroll-wrk-%d.lua", os.Getpid()))
	text := fmt.Sprintf("wrk.method = 'POST'\nwrk.path = '/v1/api-keys/verify'\nwrk.body = %q\nwrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer %s'\n",
		body, operator)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(script) }()
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Secret     string `json:"secret"`
			Permission string `json:"permission"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Secret == "" {
			http.Error(w, "no secret", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	var servers []*http.Server
	var addresses []string
	for _, handler := range []http.Handler{httpapi.New(engine, nil), bare} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(l) }() // which ends with the server
		servers, addresses = append(servers, server), append(addresses, "http://"+l.Addr().String())
	}
	defer func() {
		for _, server := range servers {
			_ = server.Close()
		}
	}()
	var ratios, figures, bares []float64
	for range s.rounds {
		var rates [2]float64
		for i, address := range addresses {
			if rates[i], err = drive(ctx, wrk, script, address); err != nil {
				return err
			}
		}
		ratios, figures, bares = append(ratios, rates[0]/rates[1]), append(figures, rates[0]), append(bares, rates[1])
	}
	emit(line{
		what: "POST /v1/api-keys/verify", load: "32 connections of wrk", figure: perSecond(median(figures)),
		by: "a bare handler: " + perSecond(median(bares)), ratio: times(median(ratios)),
		target: fmt.Sprintf("≥ %g", targetVerifyHTTP), met: atLeast(median(ratios), targetVerifyHTTP),
	})
	return nil
}

var (
	wrkRate  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkWrong = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

// drive lets wrk ask for two seconds, and returns how many answers a second it got.
func drive(ctx context.Context, wrk, script, address string) (float64, error) {
	out, err := exec.CommandContext(ctx, wrk, "-t", "1", "-c", "32", "-d", "2s", "-s", script, address).CombinedOutput() //nolint:gosec // its own arguments
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
