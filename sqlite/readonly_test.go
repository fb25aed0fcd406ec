//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenReadOnly: a file that can't be written to is refused when it is opened, not at the first change, and the
// error says what is wrong.
func TestOpenReadOnly(t *testing.T) {
	t.Parallel()
	for name, modes := range map[string]struct {
		file, folder os.FileMode
		leftovers    bool // the files of a log that was in use
	}{
		"file":                  {file: 0o444, folder: 0o777},
		"folder":                {file: 0o666, folder: 0o555},
		"both":                  {file: 0o444, folder: 0o555},
		"file with a log":       {file: 0o444, folder: 0o777, leftovers: true},
		"unreadable":            {file: 0o000, folder: 0o777},
		"unreadable folder":     {file: 0o666, folder: 0o000},
		"folder without a file": {folder: 0o555},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := sharedFolder(t)
			path := filepath.Join(dir, "rentroll.db")
			if modes.file != 0 || name == "unreadable" {
				live(t, path)
				chmod(t, path, modes.file)
			}
			if modes.leftovers {
				for _, suffix := range []string{"-wal", "-shm"} {
					if err := os.WriteFile(path+suffix, nil, 0o600); err != nil {
						t.Fatal(err)
					}
					chmod(t, path+suffix, modes.file)
				}
			}
			chmod(t, dir, modes.folder)
			cmd := child(t, "write", path)
			nobody(cmd)
			out, err := cmd.CombinedOutput()
			text := strings.TrimSpace(string(out))
			if err == nil || !strings.HasPrefix(text, "error: sqlite: "+path) {
				t.Fatalf("got %q (%v), want the file to be refused", text, err)
			}
			if !strings.Contains(text, "read-only") && !strings.Contains(text, "can't be opened") && !strings.Contains(text, "no folder") {
				t.Errorf("%q does not say what is wrong", text)
			}
			t.Log(text)
		})
	}
}

// TestOpenWritable proves that the tests of what is refused can fail: as the same user, with modes that allow it, the
// same role does its work.
func TestOpenWritable(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t)
	path := filepath.Join(dir, "rentroll.db")
	live(t, path)
	chmod(t, path, 0o666)
	chmod(t, dir, 0o777)
	cmd := child(t, "write", path)
	nobody(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// sharedFolder is a folder that other users can find.
func sharedFolder(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	chmod(t, filepath.Dir(parent), 0o755)
	chmod(t, parent, 0o755)
	dir := filepath.Join(parent, "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chmod(t, dir, 0o700) }) // or the folder could not be removed
	return dir
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestOpenKeepsMode: whoever shares a file has decided so.
func TestOpenKeepsMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rentroll.db")
	live(t, path)
	chmod(t, path, 0o640)
	engineOn(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v (%v)", info.Mode(), err)
	}
}
