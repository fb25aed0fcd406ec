package sqlite

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// files are the database files that this process has open beside SQLite's connections, to sync them. POSIX drops all
// locks that a process has on a file as soon as it closes any of its handles, SQLite's locks among them: so there is one
// handle for all stores of a file, and it is closed when the last of these has closed its connections.
var files struct {
	sync.Mutex
	open []*file
}

// file is a shared handle.
type file struct {
	*os.File

	info  os.FileInfo
	users int
}

// openFile returns the handle of a file that exists. It is given back by release.
func openFile(path string) (*file, error) {
	files.Lock()
	defer files.Unlock()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for _, f := range files.open {
		if os.SameFile(f.info, info) {
			f.users++
			return f, nil
		}
	}
	handle, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the caller's own file
	if errors.Is(err, os.ErrPermission) {
		handle, err = os.Open(path) //nolint:gosec // likewise; that it can't be written to is for SQLite to say
	}
	if err != nil {
		return nil, fmt.Errorf("the database file can't be opened: %w", err)
	}
	f := &file{File: handle, info: info, users: 1}
	files.open = append(files.open, f)
	return f, nil
}

// release closes the handle if nobody else uses it.
func (f *file) release() error {
	files.Lock()
	defer files.Unlock()
	f.users--
	if f.users > 0 {
		return nil
	}
	files.open = slices.DeleteFunc(files.open, func(other *file) bool { return other == f })
	return f.Close()
}
