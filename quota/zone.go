package quota

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// LoadZone returns the time zone with an IANA name such as "UTC" or
// "Europe/Berlin". Unlike [time.LoadLocation] it refuses "" and "Local", which
// depend on the machine, names of more than 64 bytes, and everything else that
// is not the name of a zone but of some file. Names are case-sensitive where
// the file system is.
//
// A zone is read once and then kept. LoadZone is safe for concurrent use.
func LoadZone(name string) (*time.Location, error) {
	if loc := zones.get(name); loc != nil {
		return loc, nil
	}
	if !isZoneName(name) {
		return nil, fmt.Errorf("unknown time zone %q", clip(name))
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q: %w", name, err)
	}
	return zones.put(name, loc), nil
}

// maxZoneName is in bytes. The longest name that exists has 32.
const maxZoneName = 64

var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

// isZoneName reports whether name may be given to time.LoadLocation, which
// opens the file of that name.
func isZoneName(name string) bool {
	if len(name) > maxZoneName || !zoneName.MatchString(name) {
		return false
	}
	switch name {
	case "Local", "localtime", "posixrules": // the machine's own
		return false
	}
	// Copies of all zones, the second with leap seconds, which Go's times don't have.
	return !strings.HasPrefix(name, "posix/") && !strings.HasPrefix(name, "right/")
}

// zones holds each zone that was asked for. There are some 600 names; the bound
// is for file systems that take them in any mixture of cases.
var zones = zoneCache{locs: make(map[string]*time.Location)}

const maxZones = 1024

type zoneCache struct {
	mu   sync.RWMutex
	locs map[string]*time.Location
}

func (c *zoneCache) get(name string) *time.Location {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.locs[name]
}

// put returns the location to use: the one that came first, so that all callers
// share it.
func (c *zoneCache) put(name string, loc *time.Location) *time.Location {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.locs[name]; first != nil {
		return first
	}
	if len(c.locs) < maxZones {
		c.locs[name] = loc
	}
	return loc
}
