package sqlite_test

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll/internal/sqlstore"
	"github.com/rentroll/rentroll/sqlite"
)

// The plans of all statements on the real schema. A statement may not walk through a table, sort what it has read, or
// find rows of tenants by anything but their tenant, unless it is in one of these tables, with its reason.
var (
	mayScan = map[string]string{
		"planInUse":         "asked when a plan is deleted only: an index by plan would cost every tenant's every change",
		"listTenants":       "walks the primary key backwards and stops at the page's end; filters look at more",
		"listPlans":         "there are few plans",
		"listWaiting":       "walks the index on open runs and stops after so many of them",
		"countOperatorKeys": "there are few operator keys",
	}
	maySort = map[string]string{
		"sumRollups": "groups by meter what lies in order of time; a tenant has few meters",
		"sumPeaks":   "likewise",
		"sumEvents":  "likewise, over what is left of a quarter of an hour",

		"groupRollups":        "groups by value what lies in order of time",
		"groupPeaks":          "likewise",
		"groupEvents":         "likewise, over what is left of a quarter of an hour",
		"groupEventsByWorker": "likewise",
		"groupEventsByKey":    "likewise",
		"groupEventsByKept":   "likewise",
		"sumHeld":             "groups a tenant's open runs by key family; asked when a tenant is reconciled",
		"openRuns":            "puts a thousand open runs of a tenant at most, found by their lease, in the order of their admission",
		"openRunsOf":          "likewise",
		"openSubjects":        "groups a tenant's open runs by subject; asked when a subject's row is made while runs are open",
		"sumKeyTokens":        "groups a stretch of events by key, likewise",
		"sumBuckets":          "groups a stretch of events by bucket and meter, likewise",
		"sumBucketsByWorker":  "likewise, by worker, too",
		"sumBucketsByKey":     "likewise, by key, too",
		"sumDenials":          "groups the denials of a range of minutes by code and quota: a simulation asks for it, now and then",
		"sumRecorded":         "groups a stretch of events by meter, likewise",
		"sumHeavy":            "groups a stretch of events by meter, likewise",
		"rolledMeters":        "finds the meters of a stretch of rollups, likewise",
		"rolledValues":        "finds the values of a stretch of rollups, likewise",
		"sumTaken":            "groups the corrections of one instant by what they correct, likewise",
		"sumCorrections":      "groups the corrections of a stretch of events, likewise",
	}

	// mayRoam are the statements that find rows of tenants across tenants.
	mayRoam = map[string]string{
		"listOverdue":       "the sweeper looks through all accounts, a page at a time: an index by these bounds would move with every run",
		"listChores":        "the sweeper goes on with what was begun in whatever tenant: there is little of it",
		"listAccounts":      "whoever orders tenants by nearness to a limit reads them all, a page at a time: an index would move with every run",
		"latestDenials":     "operators ask for the denials of all tenants; these have an index by time",
		"membershipsOfUser": "the memberships of one user are in many tenants; they have an index by user",
		"listAllEvents":     "operators ask for the events of all tenants; these have an index by id",
		"keysBeginning":     "operators find a key by the beginning of its secret, whosever it is; there is an index by it",
		"keysEnding":        "operators find a key by the end of its secret, whosever it is; there is an index by it",
		"keysEndingOf":      "few keys have an end in common: the index by it is for all tenants",
		"listAllExpiring":   "operators ask for the keys of all tenants that will expire; these have an index by expiry",
	}

	// platform are the tables that belong to no tenant.
	platform = []string{"plans", "directory", "users", "operator_keys", "batches", "sessions", "activity"}
)

var (
	planScan   = regexp.MustCompile(`^SCAN (\S+)`)
	planSearch = regexp.MustCompile(`^SEARCH (\S+) USING (.*?)(?: \((.*)\))?( LEFT-JOIN)?$`)
)

func TestQueryPlans(t *testing.T) {
	t.Parallel()
	_, inside := openInside(t, nil)
	statements := sqlstore.Statements()
	for _, table := range []map[string]string{mayScan, maySort, mayRoam} {
		for name := range table {
			if statements[name] == nil {
				t.Errorf("there is no statement %s", name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		plan := explain(t, inside, statements[name].SQL)
		for _, wrong := range checkPlan(name, plan) {
			t.Errorf("%s %s:\n\t%s\nplan:\n\t%s", name, wrong, statements[name].SQL, strings.Join(plan, "\n\t"))
		}
	}
}

// explain returns the steps of a statement's plan.
func explain(t *testing.T, inside sqlite.Inside, query string) (steps []string) {
	t.Helper()
	err := inside.Writer(func(c *zombiezen.Conn) error {
		stmt, trailing, err := c.PrepareTransient("EXPLAIN QUERY PLAN " + sqlite.Numbered(query))
		if err != nil {
			return err
		}
		for {
			more, err := stmt.Step()
			if err != nil || !more {
				if trailing > 0 && err == nil {
					err = fmt.Errorf("there is more than one statement: %d bytes are left", trailing)
				}
				return errors.Join(err, stmt.Finalize())
			}
			steps = append(steps, stmt.GetText("detail"))
		}
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return steps
}

// checkPlan says what a plan does that it may not.
func checkPlan(name string, plan []string) (wrong []string) {
	inner := make(map[string]bool) // subqueries: their rows are those of other steps
	for _, step := range plan {
		for _, word := range []string{"CO-ROUTINE ", "MATERIALIZE "} {
			if alias, ok := strings.CutPrefix(step, word); ok {
				inner[alias] = true
			}
		}
		if scan := planScan.FindStringSubmatch(step); len(scan) > 0 && !inner[scan[1]] && mayScan[name] == "" {
			wrong = append(wrong, "walks through a table: "+step)
		}
		if strings.Contains(step, "TEMP B-TREE") && maySort[name] == "" {
			wrong = append(wrong, "sorts: "+step)
		}
		if strings.Contains(step, "AUTOMATIC") {
			wrong = append(wrong, "makes an index of its own: "+step)
		}
		search := planSearch.FindStringSubmatch(step)
		if len(search) == 0 || slices.Contains(platform, search[1]) || mayScan[name] != "" || mayRoam[name] != "" {
			continue
		}
		if !strings.HasPrefix(search[3], "tenant_id=?") {
			wrong = append(wrong, "finds rows without their tenant: "+step)
		}
	}
	return wrong
}

// TestPlansOfHotStatements names the index that a statement is made for.
func TestPlansOfHotStatements(t *testing.T) {
	t.Parallel()
	_, inside := openInside(t, nil)
	for name, want := range map[string]string{
		"runs.find":         "SEARCH runs USING INDEX sqlite_autoindex_runs_1 (tenant_id=? AND id=?)",
		"accounts.find":     "SEARCH accounts USING PRIMARY KEY (tenant_id=?)",
		"keysByHash":        "SEARCH api_keys USING INDEX api_keys_hash (tenant_id=? AND hash>? AND hash<?)",
		"overdueRuns":       "SEARCH runs USING INDEX runs_open (tenant_id=?)",
		"countOverdueRuns":  "SEARCH runs USING INDEX runs_open (tenant_id=? AND lease_expires_at<?)",
		"overdueKeys":       "SEARCH api_keys USING INDEX api_keys_expiring (tenant_id=? AND expires_at>?)", // which are those not NULL
		"countExpiredKeys":  "SEARCH api_keys USING COVERING INDEX api_keys_expiring (tenant_id=?",
		"listRuns":          "SEARCH runs USING INDEX sqlite_autoindex_runs_1 (tenant_id=? AND id<?)",
		"listActiveKeys":    "SEARCH api_keys USING INDEX api_keys_active (tenant_id=? AND status=? AND id<?)",
		"listExpiring":      "SEARCH api_keys USING INDEX api_keys_expiring (tenant_id=? AND (expires_at,id)>(?,?) AND expires_at<?)",
		"listAllExpiring":   "SEARCH api_keys USING INDEX api_keys_expiry ((expires_at,tenant_id,id)>(?,?,?) AND expires_at<?)",
		"keysBeginning":     "SEARCH api_keys USING INDEX api_keys_begin ((begins,tenant_id,id)>(?,?,?) AND begins<?)",
		"keysBeginningOf":   "SEARCH api_keys USING INDEX api_keys_begin_of (tenant_id=? AND (begins,id)>(?,?) AND begins<?)",
		"keysEnding":        "SEARCH api_keys USING INDEX api_keys_end ((key_suffix,tenant_id,id)>(?,?,?) AND key_suffix<?)",
		"keysEndingOf":      "SEARCH api_keys USING INDEX api_keys_end_of (tenant_id=? AND (key_suffix,id)>(?,?) AND key_suffix<?)",
		"listEvents":        "SEARCH events USING INDEX sqlite_autoindex_events_1 (tenant_id=? AND id<?)",
		"listAllEvents":     "SEARCH events USING INDEX events_all (id<?)",
		"listMembers":       "SEARCH members USING INDEX members_id (tenant_id=? AND id>?)",
		"listUsersByEmail":  "SEARCH users USING INDEX users_email (email=? AND id<?)",
		"membershipsOfUser": "SEARCH members USING INDEX members_user (user_id=?)",
		"sumEvents":         "SEARCH usage_events USING INDEX sqlite_autoindex_usage_events_1 (tenant_id=? AND time>? AND time<?)",
		"sumRollups":        "SEARCH usage_rollups USING PRIMARY KEY (tenant_id=? AND dimension=? AND bucket>? AND bucket<?)",
		"openRuns":          "SEARCH runs USING INDEX runs_open (tenant_id=?)",
		"openRunsOf":        "SEARCH runs USING INDEX runs_open (tenant_id=?)",
		"lastScanned":       "SEARCH runs USING COVERING INDEX sqlite_autoindex_runs_1 (tenant_id=? AND id<?)",
	} {
		plan := strings.Join(explain(t, inside, sqlstore.Statements()[name].SQL), "\n")
		if !strings.Contains(plan, want) {
			t.Errorf("%s:\n%s\nwant: %s", name, plan, want)
		}
	}
}
