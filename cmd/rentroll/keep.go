package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// keepFlags say how long old rows are kept.
type keepFlags struct {
	KeepUsage     days          `default:"400d" placeholder:"DAYS" help:"How long to keep single usage events, 43d at least, or forever. Sums stay. Default: ${default}."`
	KeepRuns      days          `default:"400d" placeholder:"DAYS" help:"How long to keep ended runs with their payloads, 7d at least, or forever. Default: ${default}."`
	KeepDenials   days          `default:"90d" placeholder:"DAYS" help:"How long to keep denials and the counts of them, 1d at least, or forever. Default: ${default}."`
	PruneInterval time.Duration `default:"1h" placeholder:"TIME" help:"How often old rows are looked for; 0 is never. Default: ${default}."`
	PruneRate     int           `default:"5000" placeholder:"N" help:"How many rows a second this server looks at for that, at most. Default: ${default}."`
}

// retention is what the engine is told.
func (f *keepFlags) retention() rentroll.Retention {
	r := rentroll.Retention{
		Usage: time.Duration(f.KeepUsage), Runs: time.Duration(f.KeepRuns), Denials: time.Duration(f.KeepDenials),
		Interval: f.PruneInterval, Rate: f.PruneRate,
	}
	if r.Interval <= 0 {
		r.Interval = -1
	}
	return r
}

// keepFlag names the flag of an option of the engine.
func keepFlag(option string) string {
	flags := map[string]string{"Retention.Usage": "--keep-usage", "Retention.Runs": "--keep-runs", "Retention.Denials": "--keep-denials"}
	if flag := flags[option]; flag != "" {
		return flag
	}
	return option
}

// days is a span of time in whole days, less than 0 for ever.
type days time.Duration

const (
	aDay    = 24 * time.Hour
	forever = "forever"
)

// UnmarshalText reads "400d" or "forever".
func (d *days) UnmarshalText(text []byte) error {
	if string(text) == forever {
		*d = -1
		return nil
	}
	const most = 100_000 // years enough, and no overflow
	digits, isDays := strings.CutSuffix(string(text), "d")
	n, err := strconv.Atoi(digits)
	if err != nil || !isDays || n < 1 || n > most {
		return fmt.Errorf("%q is neither a number of days, as 400d, nor %s", text, forever)
	}
	*d = days(time.Duration(n) * aDay)
	return nil
}
