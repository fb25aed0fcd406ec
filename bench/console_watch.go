package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// watcher is a browser that looks at a page. It costs as little as can be, since it shares the cores with what is measured:
// once the first news has come it reads what comes and only counts the ticks in it.
type watcher struct {
	address, request string
	ticks            *atomic.Int64 // of all browsers
}

// browsers signs in as many browsers as there are streams, and says which page each of them looks at: a fifth each at the
// overview, the list of tenants, this server, and the pages and the runs of forty tenants that are admitted runs.
func (p *consolePlatform) browsers(address string) ([]watcher, error) {
	all, ticks := make([]watcher, consoleStreams), new(atomic.Int64)
	for i := range all {
		b, err := p.signIn(1 + i)
		if err != nil {
			return nil, err
		}
		tenant := fmt.Sprintf("/console/tenants/tenant-%04d", 2+i/5)
		page := []string{"/console/", "/console/tenants", tenant, tenant + "/runs", "/console/system"}[i%5]
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+"/console/live?at="+url.QueryEscape(page), http.NoBody)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept-Encoding", "gzip")
		for _, c := range b.cookies {
			request.AddCookie(c)
		}
		var text bytes.Buffer
		if err := request.Write(&text); err != nil {
			return nil, err
		}
		all[i] = watcher{address, text.String(), ticks}
	}
	return all, nil
}

// watch opens live pages, each in a browser of its own, and returns when news came to all. Leave ends them, and says whether
// one ended before.
func watch(ctx context.Context, browsers []watcher) (leave func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var streams sync.WaitGroup
	began, ended := make(chan error, len(browsers)), make(chan error, len(browsers))
	for _, w := range browsers {
		streams.Go(func() {
			conn, err := w.open(ctx)
			began <- err
			if err == nil {
				ended <- w.stay(ctx, conn)
			}
		})
	}
	leave = func() error {
		cancel()
		streams.Wait()
		close(ended)
		var all error
		for err := range ended {
			all = errors.Join(all, err)
		}
		return all
	}
	for range browsers {
		err = errors.Join(err, <-began)
	}
	if err != nil {
		return nil, errors.Join(err, leave())
	}
	return leave, nil
}

// open opens the page, and returns its connection when news has come.
func (w watcher) open(ctx context.Context) (_ net.Conn, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, w.request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil) //nolint:bodyclose // its connection is closed
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("a stream was answered %d", answer.StatusCode)
	}
	if packed := answer.Header.Get("Content-Encoding"); packed != "" {
		return nil, fmt.Errorf("a stream is in %s, in which no ticks can be counted", packed)
	}
	for lines := bufio.NewReader(answer.Body); ; {
		text, err := lines.ReadString('\n')
		switch {
		case err != nil:
			return nil, err
		case text == "event: part\n":
			return conn, conn.SetDeadline(time.Time{})
		}
	}
}

// stay reads until it is time to leave.
func (w watcher) stay(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends the reading
	defer stop()
	buffer := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buffer)
		w.ticks.Add(int64(bytes.Count(buffer[:n], []byte("event: tick\n"))))
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("a stream ended: %w", err)
		}
	}
}
