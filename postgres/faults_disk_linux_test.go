package postgres_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
)

// fill makes runs with inputs that don't compress until one is refused, and returns how many it made.
func (s *stand) fill(most int) (made int, err error) {
	s.t.Helper()
	noise := rand.NewChaCha8([32]byte{byte(s.rng.Uint32())})
	raw := make([]byte, 190<<10)
	for ; made < most; made++ {
		_, _ = noise.Read(raw)
		input := []byte(`"` + base64.StdEncoding.EncodeToString(raw) + `"`)
		err := within(s.t, patience, func(ctx context.Context) error {
			_, err := s.CreateRun(ctx, rentroll.CreateRunParams{TenantID: s.tenants[2], WorkerID: "builder", Task: probe, Input: input})
			return err
		})
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// full checks what is promised while there is no room: writing is unavailable, reading goes on, nothing is half there.
func (s *stand) full(because ...string) {
	s.t.Helper()
	for range 3 {
		_, err := s.fill(1000)
		if !errors.Is(err, rentroll.CodeUnavailable) || !strings.Contains(strings.Join(because, " "), sqlstate(err)) || sqlstate(err) == "" {
			s.t.Fatalf("without room: %v, want it to be unavailable by %v", err, because)
		}
		if _, err := s.GetQuotas(s.t.Context(), s.tenants[2]); err != nil {
			s.t.Errorf("reading, without room: %v", err)
		}
	}
}

// roomAgain checks that everything works again, and that what is stored is whole.
func (s *stand) roomAgain() {
	s.t.Helper()
	s.heals()
	if n, err := s.fill(3); err != nil {
		s.t.Errorf("with room again, after %d runs: %v", n, err)
	}
	s.checkRows()
}

// TestFaultFileLimit lets no file of the server grow above a limit, as a quota does or a disk that is full, until the
// limit is lifted.
func TestFaultFileLimit(t *testing.T) {
	t.Parallel()
	const segment = 16 << 20 // of the write-ahead log: smaller, and the server could not even stop
	c := pgtest.New(t)
	s := newStandOn(t, c, standOptions{})
	limit := func(bytes string) {
		set := func(pid string) {
			out, err := as(t, exec.CommandContext(t.Context(), "prlimit", "--pid", pid, "--fsize="+bytes+":"), c.Dir()).CombinedOutput()
			if _, gone := os.Stat("/proc/" + pid); err != nil && gone == nil {
				t.Fatalf("prlimit: %v\n%s", err, out)
			}
		}
		set(postmaster(t, c)) // before the others are looked for: those that begin meanwhile have its limit
		for pid := range strings.FieldsSeq(one[string](t, c.URL(), "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'client backend'")) {
			set(pid)
		}
	}
	limit(strconv.Itoa(segment))
	s.full("53100", "54000", "58030", "XX000") // which of them depends on the version
	limit("unlimited")
	s.roomAgain()
}

// postmaster returns the process id of a cluster's first process.
func postmaster(t *testing.T, c *pgtest.Cluster) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir(), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	return pid
}

// TestFaultDiskFull fills the disk that holds all of a cluster: first its tables can't grow, then its log can't, which
// ends the server, and when there is room it is started again. The disk is one in memory; where the system does not let
// the test have that, TestFaultFileLimit stands alone.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	c := pgtest.New(t, "max_wal_size=32MB", "min_wal_size=32MB")
	disk, err := onSmallDisk(t, c, "112m")
	if err != nil {
		t.Logf("this system lets nobody mount a disk, and TestFaultFileLimit stands alone: %v", err)
		return
	}
	s := newStandOn(t, c, standOptions{})
	ballast := filepath.Join(disk, "ballast")
	occupy(t, ballast, disk)
	s.full("53100")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.roomAgain()

	occupy(t, ballast, disk)
	until(t, "a server without room for its log", func() bool {
		_, err := s.admin.Exec(t.Context(), "SELECT pg_logical_emit_message(true, 'x', repeat('x', 1 << 20)) FROM generate_series(1, 16)")
		return err != nil
	})
	if err := s.create(2, patience); !errors.Is(err, rentroll.CodeUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without room for the log: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	until(t, "the server's end, or its recovery", func() bool {
		_, err := os.Stat(filepath.Join(disk, "data", "postmaster.pid"))
		return err != nil || s.Ping(t.Context()) == nil
	})
	if _, err := os.Stat(filepath.Join(disk, "data", "postmaster.pid")); err != nil {
		if err := c.Launch(); err != nil {
			t.Fatal(err)
		}
	}
	s.roomAgain()
}

// onSmallDisk moves a cluster to a disk of its own.
func onSmallDisk(t *testing.T, c *pgtest.Cluster, size string) (disk string, err error) {
	t.Helper()
	disk = filepath.Join(c.Dir(), "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("rentroll-test", disk, "tmpfs", 0, "mode=0777,size="+size); err != nil {
		return "", fmt.Errorf("mounting: %w", err)
	}
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(disk, "data", "postmaster.pid")); err == nil {
			if err := c.Stop("immediate"); err != nil {
				t.Error(err)
			}
		}
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	if err := c.Stop("fast"); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(c.Dir(), "data")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", data, disk).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(disk, "data"), data); err != nil {
		t.Fatal(err)
	}
	return disk, c.Launch()
}

// occupy writes a file that leaves one megabyte of a disk.
func occupy(t *testing.T, path, disk string) {
	t.Helper()
	var free syscall.Statfs_t
	if err := syscall.Statfs(disk, &free); err != nil {
		t.Fatal(err)
	}
	n := int64(free.Bavail)*free.Bsize - 1<<20
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, max(n, 1)); err != nil {
		t.Fatal(err)
	}
}
