package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type keyImport struct {
	ofTenant

	File string `arg:"" help:"A file of keys, in CSV or JSON Lines; - for standard input."`
}

// Help says how the file looks.
func (c *keyImport) Help() string {
	return `JSON Lines has an object a line, with the fields of the API: sha256 (of the secret, in hex), name, key_prefix, user_id, permissions, ` +
		`allowed_workers, allowed_ips, rate_limit_rpm, max_concurrent_runs, max_tokens_per_month, expires_at. CSV begins with a line that names ` +
		`its columns, which are the same; lists are separated by spaces, and what is empty is left out.

The good keys are stored; the exit code is 1 where one is not. To import a file again is harmless: keys that are there are duplicates.`
}

// Run imports the keys, as many at once as a call takes, and shows those that were refused.
func (c *keyImport) Run(ctx context.Context, s *session) error {
	arg := c.File
	if arg != "-" {
		arg = "@" + strings.TrimPrefix(arg, "@")
	}
	data, err := readInput(s.std, arg)
	if err != nil {
		return err
	}
	keys, err := parseKeys(data)
	if err != nil {
		return err
	}
	all := rentroll.ImportReceipt{Items: []rentroll.ImportResult{}}
	for part := range slices.Chunk(keys, rentroll.MaxImport) {
		receipt, err := s.api.ImportAPIKeys(ctx, c.Tenant, part)
		if err != nil {
			return fmt.Errorf("after %s keys: %w", number(int64(len(all.Items))), err)
		}
		all.Items = append(all.Items, receipt.Items...)
	}
	if s.body, err = json.Marshal(all); err != nil {
		return err
	}
	if err := s.print(nil, func() error { return s.printImport(keys, all.Items) }); err != nil {
		return err
	}
	if slices.ContainsFunc(all.Items, isRejected) {
		return quietError{exitFailure}
	}
	return nil
}

func isRejected(r rentroll.ImportResult) bool { return r.Status == rentroll.ImportRejected }

func (s *session) printImport(keys []client.ImportedKey, items []rentroll.ImportResult) error {
	count := map[rentroll.ImportStatus]int64{}
	type line struct {
		row  int
		name string
		rentroll.ImportResult
	}
	var rejected []line
	for i, item := range items {
		count[item.Status]++
		if isRejected(item) {
			rejected = append(rejected, line{i + 1, keys[i].Name, item})
		}
	}
	text := number(count[rentroll.ImportImported]) + " keys are imported"
	if n := count[rentroll.ImportDuplicate]; n > 0 {
		text += ", " + number(n) + " had been before"
	}
	if len(rejected) == 0 {
		return s.done(nil, "%s.", text)
	}
	if _, err := fmt.Fprintf(s.std.out, "%s, %s are refused:\n\n", text, number(int64(len(rejected)))); err != nil {
		return err
	}
	return printTable(s, rejected, []column[line]{
		{"key", true, func(l line) string { return number(int64(l.row)) }},
		{"name", false, func(l line) string { return clip(l.name, 30) }},
		{"sha256", false, func(l line) string { return clip(l.SHA256, 16) }},
		{"code", false, func(l line) string { return plain(l.Code) }},
		{"why", false, func(l line) string { return fieldErrors(l.Errors) }},
	})
}

// parseKeys reads keys in JSON Lines, which begin with a brace, or in CSV.
func parseKeys(data []byte) (keys []client.ImportedKey, err error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if bytes.HasPrefix(data, []byte("{")) {
		keys, err = parseJSONKeys(data)
	} else {
		keys, err = parseCSVKeys(data)
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("there are no keys to import")
	}
	return keys, err
}

func parseJSONKeys(data []byte) (keys []client.ImportedKey, err error) {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		var k client.ImportedKey
		if err := dec.Decode(&k); err != nil {
			return nil, fmt.Errorf("line %d is no key: %w", number, err)
		}
		if dec.More() {
			return nil, fmt.Errorf("line %d has more than one key", number)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func parseCSVKeys(data []byte) (keys []client.ImportedKey, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	for err == nil {
		var row []string
		if row, err = r.Read(); err != nil {
			break
		}
		var k client.ImportedKey
		for i, text := range row {
			if err := setKey(&k, strings.TrimSpace(header[i]), strings.TrimSpace(text)); err != nil {
				line, _ := r.FieldPos(i)
				return nil, fmt.Errorf("line %d, %s: %w", line, header[i], err)
			}
		}
		keys = append(keys, k)
	}
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("this is neither CSV nor JSON Lines: %w", err)
	}
	return keys, nil
}

// setKey sets a field of a key from a column of CSV. An empty text leaves it out.
func setKey(k *client.ImportedKey, column, text string) (err error) {
	whole := func(into **int64) {
		var n int64
		if n, err = strconv.ParseInt(text, 10, 64); err == nil {
			*into = &n
		}
	}
	set := map[string]func(){
		"sha256": func() { k.SHA256 = text }, "name": func() { k.Name = text }, "key_prefix": func() { k.KeyPrefix = text },
		"user_id":              func() { err = k.UserID.UnmarshalText([]byte(text)) },
		"permissions":          func() { k.Permissions = strings.Fields(text) },
		"allowed_workers":      func() { k.AllowedWorkers = strings.Fields(text) },
		"allowed_ips":          func() { k.AllowedIPs = strings.Fields(text) },
		"rate_limit_rpm":       func() { whole(&k.RateLimitRPM) },
		"max_concurrent_runs":  func() { whole(&k.MaxConcurrentRuns) },
		"max_tokens_per_month": func() { whole(&k.MaxTokensPerMonth) },
		"expires_at": func() {
			var at instant
			err = at.UnmarshalText([]byte(text))
			k.ExpiresAt = at.Time
		},
	}[column]
	switch {
	case set == nil:
		return errors.New("is no column of keys")
	case text != "":
		set()
	}
	return err
}
