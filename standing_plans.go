package rentroll

import "context"

// PlanTenants is how many tenants a plan has.
type PlanTenants struct {
	Open   int64 `json:"open"`   // active and suspended ones: whom a change of the plan touches
	Closed int64 `json:"closed"` // terminated and archived ones
}

// CountPlanTenants counts the tenants of each plan; a plan that is not in the answer has none. The numbers are at most ten
// seconds old: they are taken from the order by nearness, see ListStandings. It needs an operator with tenant:read.
func (e *Engine) CountPlanTenants(ctx context.Context) (map[string]PlanTenants, error) {
	if err := e.actor.mayOperate(PermTenantRead); err != nil {
		return nil, err
	}
	order, err := e.byNearness(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[string]PlanTenants{}
	for _, n := range order {
		c := counts[n.plan]
		switch n.status {
		case TenantTerminated, TenantArchived:
			c.Closed++
		default:
			c.Open++
		}
		counts[n.plan] = c
	}
	return counts, nil
}
