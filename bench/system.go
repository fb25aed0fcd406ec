package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// checkDisk refuses a folder in memory, where durable writes cost nothing, and names the file system of any other.
func checkDisk(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("disk: %w", err)
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if errors.Is(err, os.ErrNotExist) {
		return "unknown file system", nil // not Linux
	} else if err != nil {
		return "", fmt.Errorf("disk: %w", err)
	}
	longest, device, kind := -1, "", ""
	for row := range strings.Lines(string(mounts)) {
		f := strings.Fields(row)
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if rest, err := filepath.Rel(f[1], folder); err == nil && rest != ".." && !strings.HasPrefix(rest, "../") {
			longest, device, kind = len(f[1]), f[0], f[2]
		}
	}
	switch kind {
	case "tmpfs", "ramfs":
		return "", fmt.Errorf("%s is on %s, which is memory: set TMPDIR to a folder on a disk", folder, kind)
	}
	return kind + " on " + device, nil
}

// load1 is the machine's load over the last minute; 0 where the system does not say.
func load1() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// peakMemory is the most that this process has held in memory, in bytes; 0 where the system does not say.
func peakMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for row := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(row, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}

// forgetPeak makes peakMemory begin anew, where the system can.
func forgetPeak() {
	runtime.GC()
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600) // where there is none, the peak is that of all there was
}

// schemaOf returns the statements that make the schema of a database.
func schemaOf(path string) (string, error) {
	var all strings.Builder
	err := query(path, "SELECT COALESCE(sql, '') FROM sqlite_master ORDER BY name", func(s *sqlite.Stmt) error {
		all.WriteString(s.ColumnText(0))
		all.WriteByte('\n')
		return nil
	})
	return all.String(), err
}

// query reads from a database.
func query(path, statement string, row func(*sqlite.Stmt) error) (err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := sqlitex.Execute(conn, statement, &sqlitex.ExecOptions{ResultFunc: row}); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
