// Command bench measures the engine on SQLite at full durability against what the same disk gives without it, and writes
// the table of bench/README.md:
//
//	go run ./bench
//
// Its figures are ratios of arms that take turns in one run, so that a noisy neighbor, a warm cache or a checkpoint
// falls on all of them alike. The Go benchmarks of this folder measure the same operations alone, for benchstat:
//
//	go test ./bench -run '^$' -bench CreateRun -count 6
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// settings are the flags.
type settings struct {
	rounds   int
	slice    time.Duration
	scale    float64
	only     *regexp.Regexp // nil: all but the long ones
	readme   string
	profiles string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context) error {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 5, "how often the arms of a comparison take turns")
	flag.DurationVar(&s.slice, "slice", 700*time.Millisecond, "how long an arm's turn is")
	flag.Float64Var(&s.scale, "scale", 1, "the part of the millions of events in the sections of usage that read and load them; less is quicker, and proves less")
	only := flag.String("only", "", "the sections to run, a regular expression; empty for all but the long ones ("+strings.Join(long, " ")+"): "+
		strings.Join(sectionNames(), " "))
	flag.StringVar(&s.readme, "readme", "", "the file whose table is replaced, as in bench/README.md; empty for none")
	flag.StringVar(&s.profiles, "profiles", "", "a folder for CPU profiles of the grouped arm; empty for none. Slows nothing down that is compared")
	child := flag.Bool("child-memory", false, "internal: put one engine under every load and print the peak of its memory")
	pgChild := flag.String("child-memory-postgres", "", "internal: the same on this PostgreSQL database")
	flag.Parse()
	if s.rounds < 1 || s.slice <= 0 || s.scale <= 0 {
		return errors.New("-rounds, -slice and -scale must be positive")
	}
	if *only != "" {
		var err error
		if s.only, err = regexp.Compile(*only); err != nil {
			return fmt.Errorf("-only: %w", err)
		}
	}
	if *pgChild != "" {
		return pgMemoryChild(ctx, *pgChild, os.Stdout)
	}
	if *child {
		return memoryChild(ctx, os.Stdout)
	}
	return report(ctx, s)
}

// wants reports whether a section is to run.
func (s settings) wants(name string) bool {
	if s.only == nil {
		return !slices.Contains(long, name)
	}
	return s.only.MatchString(name)
}

// scaled is how many events stand for so many.
func (s settings) scaled(events int) int {
	return max(int(float64(events)*s.scale)/10_000, 1) * 10_000
}

// report runs the sections, prints each line when it is there, and writes the table.
func report(ctx context.Context, s settings) error {
	disk, err := checkDisk(os.TempDir())
	if err != nil {
		return err
	}
	began, others := time.Now(), load1()
	if others > 0.5 {
		fmt.Fprintf(os.Stderr, "the load is %.1f already: the figures will be lower, and the ratios less certain\n", others)
	}
	t := &table{}
	fmt.Printf("machine: %s\ndisk: %s\n%s\n", machine(), disk, t.header())
	for _, sec := range slices.Concat(sections, pgSections) {
		if !s.wants(sec.name) {
			continue
		}
		err := sec.run(ctx, s, func(l line) {
			t.lines = append(t.lines, l)
			fmt.Println(l.markdown())
		})
		if err != nil {
			return fmt.Errorf("%s: %w", sec.name, err)
		}
	}
	fmt.Printf("took %s\n", time.Since(began).Round(time.Second))
	if s.readme == "" {
		return nil
	}
	return t.write(s.readme, fmt.Sprintf("%s; %s; %s; %d rounds of %s; load before: %.1f",
		time.Now().Format("2 January 2006"), machine(), disk, s.rounds, s.slice, others))
}

// profile writes a CPU profile of f, if profiles are wanted.
func (s settings) profile(name string, f func() error) (err error) {
	if s.profiles == "" {
		return f()
	}
	if err := os.MkdirAll(s.profiles, 0o750); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	file, err := os.Create(filepath.Join(s.profiles, name+".pprof")) //nolint:gosec // the folder is a flag
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

// machine describes what the figures were measured on.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for row := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(row, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s, %s %s/%s", runtime.GOMAXPROCS(0), model, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
