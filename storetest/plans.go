package storetest

import (
	"context"
	"slices"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func planRows(b *rentroll.Batch) *rentroll.Rowset[string, rentroll.Plan] { return &b.Plans }

func fullPlan(s *scene) *rentroll.Plan {
	return &rentroll.Plan{Name: newID[rentroll.TenantID](s).String(), Limits: fullLimits(), Retired: true, Thresholds: []int{50, 80, 100}}
}

var plans = noun[string, rentroll.Plan]{
	rows: planRows,
	key:  func(p *rentroll.Plan) string { return p.Name },
	full: fullPlan,
	bare: func(s *scene) *rentroll.Plan {
		return &rentroll.Plan{Name: newID[rentroll.TenantID](s).String(), Limits: quota.Limits{}}
	},
	edit: func(p *rentroll.Plan) {
		p.Limits, p.Retired, p.Thresholds = quota.Limits{quota.APIKeys: quota.Of(3)}, false, []int{}
	},
}

func planTests() []test {
	return append(plans.tests(),
		test{"ListByName", listPlans},
		test{"ListOfNone", listNoPlans},
		test{"InUse", planInUse},
	)
}

func (s *scene) planNames() (names []string) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.ListPlans(ctx)
		for _, p := range rows {
			names = append(names, p.Name)
		}
		return err
	})
	return names
}

// listPlans: by name is by its bytes, whatever language a database thinks in.
func listPlans(s *scene) {
	names := []string{"b", "B", "a", "Z", "a-b", "a.b", "a_b", "ab", "A", "10", "9", "é", "e", "z", "free", "Free"}
	s.put(func(b *rentroll.Batch) {
		for _, name := range names {
			b.Plans.Put(name, &rentroll.Plan{Name: name})
		}
	})
	slices.Sort(names)
	same(s, "the list", s.planNames(), names)
}

func listNoPlans(s *scene) { same(s, "the list", s.planNames(), nil) }

func planInUse(s *scene) {
	for _, plan := range []string{"pro", "pro", "Free"} {
		a := bareAccount(s)
		a.Plan = plan
		accounts.put(s, a)
	}
	want := map[string]bool{"pro": true, "Free": true, "free": false, "PRO": false, "pr": false, "pros": false, "": false}
	asked := make(map[string]*bool)
	for name := range want {
		asked[name] = nil
	}
	b := s.load(func(b *rentroll.Batch) { b.PlanInUse = asked })
	for name, used := range want {
		if answer := b.PlanInUse[name]; answer == nil || *answer != used {
			s.Errorf("whether plan %q is in use is answered wrongly", name)
		}
	}
}
