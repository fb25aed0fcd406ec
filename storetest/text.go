package storetest

import (
	"fmt"

	"github.com/rentroll/rentroll"
)

// lookalikes are texts that differ, though a database that thinks in a language, trims, folds or guesses numbers might
// take some of them for the same. Their order is of no meaning.
var lookalikes = []string{
	"a", "A", "á", "a\u0301", "Á", "ä", "a\u0308", "à", "ª", "\uff41", "æ", "ae", // case, accents, forms
	"ß", "ẞ", "ss", "SS", "s", "\u017f", "ﬁ", "fi", "Å", "\u212b", "å", "K", "\u212a", "k", // folding
	"i", "I", "İ", "ı", "i\u0307", "Σ", "σ", "ς", "Ω", "\u2126", // Turkish, Greek
	" a", "a ", "a  ", "a\t", "a\n", "a\r\n", "\u00a0a", "a\u3000", // trimming
	"a\u200b", "a\u200d", "a\u00ad", "\ufeffa", "a\ufe0f", "\u200ea", "a\x01", "a\x7f", // nothing to be seen
	"😀", "😁", "👩‍💻", "👩💻", "👍", "👍🏽", "\U0010ffff", "\uffff", "\ufffd", "\ue000", // beyond the basic plane, and its edges
	"1", "01", "1.0", "1e0", "+1", "0x1", "١", "½", "1 ", "-0", "0", "NaN", "null", "NULL", "true", // numbers
	"%", "_", "*", "?", "'", "''", `"`, `\`, `\\`, "$1", "?1", ":a", "--", ";", "/*", "a.b", "a_b", "a%b", "a-b", // syntax
	"한", "\u1112\u1161\u11ab", "が", "か\u3099", "ア", "\uff71", "あ", // Hangul and kana, composed and not
}

func textTests() []test {
	return []test{
		{"Slug", distinct(directory, func(_ rentroll.TenantID, text string) *rentroll.DirectoryEntry {
			return slugOf(text, rentroll.TenantID{1})
		})},
		{"ExternalID", distinct(directory, func(_ rentroll.TenantID, text string) *rentroll.DirectoryEntry {
			return &rentroll.DirectoryEntry{DirectoryRef: rentroll.DirectoryRef{Kind: rentroll.DirectoryExternalID, Value: text}}
		})},
		{"Plan", distinct(plans, func(_ rentroll.TenantID, text string) *rentroll.Plan { return &rentroll.Plan{Name: text} })},
		{"Worker", distinct(workers, func(tenant rentroll.TenantID, text string) *rentroll.Worker {
			return &rentroll.Worker{TenantID: tenant, WorkerID: text}
		})},
		{"Meter", distinct(meters, func(tenant rentroll.TenantID, text string) *rentroll.Meter {
			return &rentroll.Meter{TenantID: tenant, Name: text, Unit: text}
		})},
		{"EventID", distinct(marks, func(tenant rentroll.TenantID, text string) *rentroll.UsageMark {
			return &rentroll.UsageMark{TenantID: tenant, EventID: text}
		})},
		{"IdempotencyKey", distinct(onceRecords, func(tenant rentroll.TenantID, text string) *rentroll.OnceRecord {
			return &rentroll.OnceRecord{OnceRef: rentroll.OnceRef{TenantID: tenant, Operation: "o", Key: text}}
		})},
		{"Operation", distinct(onceRecords, func(tenant rentroll.TenantID, text string) *rentroll.OnceRecord {
			return &rentroll.OnceRecord{OnceRef: rentroll.OnceRef{TenantID: tenant, Operation: text, Key: "k"}, Result: text}
		})},
		{"FilterByEmail", filterByEmail},
		{"FilterByPlan", filterByPlan},
		{"FilterByWorker", filterByWorker},
		{"PlanInUse", textPlanInUse},
		{"RollupsByMeter", rollupsByMeter},
		{"Values", textValues},
	}
}

// distinct checks that each text is a key of its own: half of them are put, the other half must not be found.
func distinct[K comparable, R any](n noun[K, R], with func(tenant rentroll.TenantID, text string) *R) func(s *scene) {
	return func(s *scene) {
		tenant := newID[rentroll.TenantID](s)
		var halves [2][]*R
		for i, text := range lookalikes {
			halves[i%2] = append(halves[i%2], with(tenant, text))
		}
		n.put(s, halves[0]...)
		found := s.load(func(b *rentroll.Batch) {
			for _, r := range halves[1] {
				n.rows(b).Want(n.key(r))
			}
		})
		for _, r := range halves[1] {
			if got := n.rows(found).Get(n.key(r)); got != nil {
				s.Errorf("looking for %+v found %+v", r, got)
			}
		}
		n.put(s, halves[1]...)
		for _, half := range halves {
			for _, r := range half {
				n.is(s, r)
			}
		}
	}
}

func filterByEmail(s *scene) {
	rows := s.newUsers(lookalikes...)
	for i, email := range lookalikes {
		same(s, fmt.Sprintf("the users of %q", email), s.listUsers(rentroll.UserFilter{Email: email, Limit: 9}), rows[i:i+1])
	}
}

func filterByPlan(s *scene) {
	s.put(func(b *rentroll.Batch) {
		for _, text := range lookalikes {
			a, p := bareAccount(s), bareProfile(s)
			a.TenantID, a.Plan, p.Name = p.TenantID, text, text
			b.Accounts.Put(a.TenantID, a)
			b.Profiles.Put(p.TenantID, p)
		}
	})
	for _, text := range lookalikes {
		var names []string
		for _, row := range s.listTenants(rentroll.TenantFilter{Plan: text, Limit: 9}) {
			names = append(names, row.Profile.Name)
		}
		same(s, fmt.Sprintf("the tenants on %q", text), names, []string{text})
	}
}

func filterByWorker(s *scene) {
	tenant, _ := s.newRuns(len(lookalikes), func(i int, r *rentroll.Run) { r.WorkerID, r.Task = lookalikes[i], lookalikes[i] })
	for _, text := range lookalikes {
		var tasks []string
		for _, r := range s.listRuns(rentroll.RunFilter{TenantID: tenant, WorkerID: text, Limit: 9, Scan: 500}).Runs {
			tasks = append(tasks, r.Task)
		}
		same(s, fmt.Sprintf("the runs of %q", text), tasks, []string{text})
	}
}

func textPlanInUse(s *scene) {
	asked := make(map[string]*bool)
	s.put(func(b *rentroll.Batch) {
		for i, text := range lookalikes {
			asked[text] = nil
			if a := bareAccount(s); i%2 == 0 {
				a.Plan = text
				b.Accounts.Put(a.TenantID, a)
			}
		}
	})
	b := s.load(func(b *rentroll.Batch) { b.PlanInUse = asked })
	for i, text := range lookalikes {
		if used := *b.PlanInUse[text]; used != (i%2 == 0) {
			s.Errorf("plan %q in use: %v", text, used)
		}
	}
}

func rollupsByMeter(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	sums := make(map[rentroll.RollupKey]rentroll.RollupSum)
	want := make(map[string]rentroll.RollupSum)
	var events []*rentroll.UsageEvent
	for i, text := range lookalikes {
		sum := rentroll.RollupSum{Total: int64(i), Events: 1}
		sums[totalOf(tenant, text, bucket(0))], want[text] = sum, sum
		events = append(events, bareEvent(s, tenant, text, int64(i), instant))
		value := totalOf(tenant, "a", bucket(0))
		value.Dimension, value.Value = "worker", text
		sums[value] = sum
	}
	for range 2 { // the second time each adds to its own row
		s.addRollups(sums)
	}
	s.putUsage(events...)
	same(s, "the events", s.sumUsage(tenant, instant, after(1)), want)
	for text, sum := range want {
		want[text] = rentroll.RollupSum{Total: 2 * sum.Total, Events: 2}
	}
	same(s, "the rollups", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

// textValues: what is no key comes back as it was put, too.
func textValues(s *scene) {
	for _, text := range lookalikes {
		r, p := fullRun(s), fullProfile(s)
		r.Task, r.Error, r.WorkerID = text, rentroll.NullString(text), text
		p.Name, p.ExternalID, p.Metadata = text, rentroll.NullString(text), map[string]string{text: text, "x": text}
		s.put(func(b *rentroll.Batch) {
			b.Runs.Put(runRef(r), r)
			b.Profiles.Put(p.TenantID, p)
		})
		runs.is(s, r)
		profiles.is(s, p)
	}
}
