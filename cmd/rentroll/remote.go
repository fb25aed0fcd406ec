package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

const (
	defaultURL  = "http://127.0.0.1:8080"
	keyVariable = envPrefix + "_KEY" // no flag: what stands on a command line can be read by everybody on the machine
)

// Remote is what all commands against a server have in common.
type Remote struct {
	URL     string        `name:"url" group:"remote" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server. Default: ${default}."`
	KeyFile string        `name:"key-file" group:"remote" placeholder:"FILE" help:"File with an operator key or an API key; or RENTROLL_KEY holds the key itself."`
	ForUser string        `name:"for-user" group:"remote" placeholder:"USER" help:"Call for a user, an id or external:ID, with what the user's role permits. Needs an operator key."`
	Timeout time.Duration `name:"timeout" group:"remote" default:"35s" placeholder:"TIME" help:"How long one try may take. Default: ${default}."`
	JSON    bool          `name:"json" group:"remote" help:"Print what the API answers: one JSON object."`
	UTC     bool          `name:"utc" group:"remote" help:"Show times in UTC instead of how long ago."`
}

// offline is implemented by commands that may do without a server, and then need no key.
type offline interface{ offline() bool }

// AfterApply makes the session of the command once its flags are known.
func (r *Remote) AfterApply(k *kong.Context, std *streams) error {
	if c, ok := reflect.TypeAssert[offline](k.Selected().Target.Addr()); ok && c.offline() {
		k.Bind(&session{std: std, json: r.JSON, utc: r.UTC, now: time.Now()})
		return nil
	}
	key := os.Getenv(keyVariable)
	if r.KeyFile != "" {
		if key != "" {
			return fmt.Errorf("both %s and --key-file are given: which one is meant?", keyVariable)
		}
		var err error
		if key, err = readSecret(r.KeyFile); err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
	}
	if key == "" {
		return fmt.Errorf("no key: set %s to an operator key or an API key, or name its file with --key-file", keyVariable)
	}
	s := &session{std: std, json: r.JSON, utc: r.UTC, now: time.Now()}
	api, err := client.New(r.URL, key, &client.Options{
		HTTPClient: &http.Client{
			Transport:     &tap{session: s},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Timeout: r.Timeout, UserAgent: "rentroll/" + programVersion(),
	})
	if err != nil {
		return err
	}
	if r.ForUser != "" {
		api = api.ForUser(r.ForUser)
	}
	s.api = api
	k.Bind(s)
	return nil
}

// session is one command against a server: the client, and how to show its answers.
type session struct {
	api  *client.Client
	std  *streams
	json bool
	utc  bool
	now  time.Time
	body []byte // of the last good answer
}

// tap keeps the bodies of good answers, so that --json prints what the server said, to the byte.
type tap struct{ session *session }

// RoundTrip sends the request.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || res.StatusCode < 200 || res.StatusCode > 299 || len(res.Trailer) > 0 { // a stream, which may be of any length
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	t.session.body = body
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// print writes the answer of the server, where --json asks for it, or lets show write it for people.
func (s *session) print(err error, show func() error) error {
	switch {
	case err != nil:
		return err
	case !s.json:
		return show()
	case len(bytes.TrimSpace(s.body)) == 0: // there was nothing to say
		s.body = []byte("{}")
	}
	_, err = fmt.Fprintf(s.std.out, "%s\n", bytes.TrimSpace(s.body))
	return err
}

// done is the answer of a command that leaves nothing to show.
func (s *session) done(err error, format string, args ...any) error {
	return s.print(err, func() error {
		_, err := fmt.Fprintf(s.std.out, format+"\n", args...)
		return err
	})
}

// Paging says how much of a list to show.
type Paging struct {
	Limit  int    `name:"limit" placeholder:"N" help:"How many rows a page has, up to 200. Default: 20; 200 with --all."`
	Cursor string `name:"cursor" placeholder:"CURSOR" help:"Begin where an earlier page has ended."`
	All    bool   `name:"all" help:"Show all pages."`
}

// list reads a page, or all pages, and prints them.
func list[T any](s *session, p Paging, read func(rentroll.Page) (*rentroll.List[T], error), columns []column[T]) error {
	page := rentroll.Page{Limit: p.Limit, Cursor: p.Cursor}
	if p.All && p.Limit == 0 {
		page.Limit = rentroll.MaxPageSize
	}
	if !p.All {
		found, err := read(page)
		return s.print(err, func() error {
			if err := printTable(s, found.Items, columns); err != nil {
				return err
			}
			return s.hintMore(string(found.NextCursor))
		})
	}
	whole := &joined{out: s.std.out}
	var items []T
	for {
		found, err := read(page)
		if err != nil {
			return err
		}
		if s.json {
			err = whole.add(s.body)
		} else {
			items = append(items, found.Items...)
		}
		if err != nil {
			return err
		}
		if page.Cursor = string(found.NextCursor); page.Cursor == "" {
			break
		}
	}
	if s.json {
		return whole.end()
	}
	return printTable(s, items, columns)
}

// hintMore tells, beside the answer, that there is more.
func (s *session) hintMore(cursor string) error {
	if cursor == "" {
		return nil
	}
	_, err := fmt.Fprintf(s.std.err, "There is more: --all, or --cursor %s\n", cursor)
	return err
}

// joined prints the pages of a list as one object, an item after the other as the server wrote it.
type joined struct {
	out   io.Writer
	begun bool
}

func (j *joined) add(body []byte) error {
	var page struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return fmt.Errorf("the server's list can't be read: %w", err)
	}
	for _, item := range page.Items {
		before := ","
		if !j.begun {
			before = `{"items":[`
		}
		j.begun = true
		if _, err := fmt.Fprintf(j.out, "%s%s", before, item); err != nil {
			return err
		}
	}
	return nil
}

func (j *joined) end() error {
	if !j.begun {
		if _, err := io.WriteString(j.out, `{"items":[`); err != nil {
			return err
		}
	}
	_, err := io.WriteString(j.out, `],"next_cursor":null}`+"\n")
	return err
}

// everything is a list that the API gives whole.
func everything[T any](items []T, err error) func(rentroll.Page) (*rentroll.List[T], error) {
	return func(rentroll.Page) (*rentroll.List[T], error) {
		if err != nil {
			return nil, err
		}
		return &rentroll.List[T]{Items: items}, nil
	}
}

// noPaging reads a list that the API gives whole.
var noPaging = Paging{}
