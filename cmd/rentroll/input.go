package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// maxInput bounds what is read from a file or standard input; the API takes less.
const maxInput = 8 << 20

// readInput returns what an argument stands for: "-" for standard input, "@file" for a file, else itself.
func readInput(std *streams, arg string) ([]byte, error) {
	path, isFile := strings.CutPrefix(arg, "@")
	switch {
	case arg == "-":
		data, err := io.ReadAll(io.LimitReader(std.in, maxInput+1))
		if err == nil && len(data) > maxInput {
			err = fmt.Errorf("standard input is larger than %s bytes", number(maxInput))
		}
		return data, err
	case isFile:
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.Size() > maxInput {
			return nil, fmt.Errorf("%s is larger than %s bytes", path, number(maxInput))
		}
		return os.ReadFile(filepath.Clean(path))
	default:
		return []byte(arg), nil
	}
}

// readJSON returns the JSON that an argument stands for, nil where there is no argument.
func readJSON(std *streams, flag, arg string) (json.RawMessage, error) {
	if arg == "" {
		return nil, nil
	}
	data, err := readInput(std, arg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if !json.Valid(data) {
		return nil, usagef("%s is not valid JSON; give JSON, @FILE, or - for standard input", flag)
	}
	return json.RawMessage(data), nil
}

// parseLimit understands 500, 500:soft and unlimited.
func parseLimit(s string) (quota.Limit, error) {
	count, mode, _ := strings.Cut(s, ":")
	l := quota.Limit{Mode: quota.Mode(mode)}
	if mode == string(quota.Hard) {
		l.Mode = ""
	}
	if l.Mode != "" && l.Mode != quota.Soft {
		return l, fmt.Errorf("%q is no mode of a limit: hard or soft", mode)
	}
	if count == "unlimited" {
		l.Unlimited = true
		return l, nil
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(count, "_", ""), 10, 64)
	if err != nil || n < 0 || n > quota.MaxLimit {
		return l, fmt.Errorf("%q is no limit: a number such as 500, 500:soft, or unlimited", s)
	}
	l.Max = n
	return l, nil
}

// parseLimits understands a list of QUOTA=LIMIT.
func parseLimits(list []string) (quota.Limits, error) {
	limits := quota.Limits{}
	for _, entry := range list {
		name, value, found := strings.Cut(entry, "=")
		if !found {
			return nil, usagef("%q is not of the form QUOTA=LIMIT, as in runs_per_day=500", entry)
		}
		if err := checkQuota(name); err != nil {
			return nil, err
		}
		l, err := parseLimit(value)
		if err != nil {
			return nil, usagef("%s: %w", name, err)
		}
		limits[quota.Name(name)] = l
	}
	return limits, nil
}

func checkQuota(name string) error {
	if _, known := quota.Lookup(quota.Name(name)); known {
		return nil
	}
	var names []string
	for _, d := range quota.Definitions() {
		names = append(names, string(d.Name))
	}
	return usagef("%q is no quota: %s, or one on a meter, as in %s", name, strings.Join(names, ", "), quota.PerMonth("emails_sent"))
}

// limitText is a limit as parseLimit reads it.
func limitText(l quota.Limit) string {
	s := "unlimited"
	if !l.Unlimited {
		s = number(l.Max)
	}
	if l.IsSoft() {
		s += " (soft)"
	}
	return s
}

// instant is a time on the command line: RFC 3339, or a date, which is its beginning in UTC.
type instant struct{ time.Time }

// UnmarshalText reads a time.
func (t *instant) UnmarshalText(data []byte) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, string(data)); err == nil {
			t.Time = at
			return nil
		}
	}
	return fmt.Errorf("%q is no time: 2026-01-31T12:00:00Z, or 2026-01-31 for its beginning in UTC", data)
}

// given returns a flag's value, "" where it was not given.
func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
