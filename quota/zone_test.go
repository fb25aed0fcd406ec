package quota_test

import (
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rentroll/rentroll/quota"
)

func TestLoadZone(t *testing.T) {
	for _, name := range []string{
		"UTC", "Europe/Berlin", "America/Argentina/ComodRivadavia", "Etc/GMT+12", "EST5EDT", "America/Port-au-Prince",
	} {
		loc, err := quota.LoadZone(name)
		if err != nil || loc.String() != name {
			t.Errorf("LoadZone(%q) = %v, %v", name, loc, err)
		}
		if again, err := quota.LoadZone(name); again != loc || err != nil {
			t.Errorf("LoadZone(%q) gave another location the second time", name)
		}
	}
}

func TestLoadZoneRefuses(t *testing.T) {
	for _, name := range []string{
		"", "Local", "localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin",
		"Europe", "Europe/", "/Europe/Berlin", "Europe//Berlin", "Europe/Nowhere", "Europe/Berlin ", "Europe/Berlin\n",
		"../UTC", "Europe/../UTC", "./UTC", `Europe\Berlin`, "UTC\x00", "/etc/passwd", "zone.tab", "leapseconds", "+01:00",
		"Ünited/Berlin", "\xff", strings.Repeat("a", 65), strings.Repeat("a", 1<<20),
	} {
		if loc, err := quota.LoadZone(name); err == nil || loc != nil {
			t.Errorf("LoadZone(%.80q) = %v, %v", name, loc, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("LoadZone(%.80q): error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestLoadZoneConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	locs := make([]*time.Location, 8)
	for i := range locs {
		wg.Go(func() {
			for _, name := range zoneNames {
				locs[i], _ = quota.LoadZone(name)
			}
		})
	}
	wg.Wait()
	for _, loc := range locs {
		if loc == nil || loc != locs[0] {
			t.Fatalf("callers got the locations %p", locs)
		}
	}
}

func FuzzLoadZone(f *testing.F) {
	for _, name := range []string{"", "UTC", "Local", "Europe/Berlin", "../UTC", `a\b`, "UTC\x00", "right/UTC"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		loc, err := quota.LoadZone(name)
		if (err == nil) != (loc != nil) {
			t.Fatalf("%v, %v", loc, err)
		}
		if err != nil {
			return
		}
		if loc.String() != name {
			t.Fatalf("%q gave the zone %q", name, loc)
		}
		if name == "" || name == "Local" || len(name) > 64 || strings.ContainsAny(name, "\x00\\") || strings.Contains(name, "..") {
			t.Fatalf("%q was accepted", name)
		}
	})
}

// zoneNames are the zones of the random tests: the plain, those with large or
// odd offsets, and those that moved over midnight or the date line.
var zoneNames = strings.Fields(`
	UTC Europe/Berlin Europe/London Europe/Dublin Europe/Lisbon Europe/Moscow Europe/Volgograd Europe/Istanbul
	America/New_York America/Los_Angeles America/Havana America/St_Johns America/Goose_Bay America/Sao_Paulo
	America/Asuncion America/Santiago America/Argentina/San_Luis America/Caracas America/Nuuk America/Scoresbysund
	America/Metlakatla America/Juneau America/Toronto America/Guatemala America/Port-au-Prince
	Africa/Cairo Africa/Casablanca Africa/El_Aaiun Africa/Monrovia Africa/Juba Africa/Johannesburg
	Asia/Tokyo Asia/Kolkata Asia/Kathmandu Asia/Tehran Asia/Beirut Asia/Amman Asia/Damascus Asia/Gaza Asia/Hebron
	Asia/Jerusalem Asia/Pyongyang Asia/Shanghai Asia/Manila Asia/Dhaka Asia/Almaty Asia/Kamchatka Asia/Baku
	Australia/Lord_Howe Australia/Adelaide Australia/Eucla Australia/Sydney
	Pacific/Apia Pacific/Fakaofo Pacific/Kiritimati Pacific/Enderbury Pacific/Kwajalein Pacific/Niue Pacific/Chatham
	Pacific/Norfolk Pacific/Easter Pacific/Tongatapu Pacific/Fiji Pacific/Guam
	Atlantic/Azores Antarctica/Troll Antarctica/Casey Antarctica/Vostok Etc/GMT+12 Etc/GMT-14`)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := quota.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}
