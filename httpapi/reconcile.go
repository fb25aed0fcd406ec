package httpapi

import "github.com/rentroll/rentroll"

type reconcileBody struct {
	Repair bool    `json:"repair,omitempty" doc:"Mend what differs; each mending is audited"`
	Cursor *string `json:"cursor,omitempty" doc:"The next_cursor of the call before"`
}

func (b *reconcileBody) params(tenant rentroll.TenantID) (rentroll.ReconcileParams, error) {
	var bad fieldErrors
	p := rentroll.ReconcileParams{TenantID: tenant, Repair: b.Repair, Cursor: bad.word("cursor", b.Cursor)}
	return p, invalid(bad...)
}

func reconcileTenant(c *call, _ *ofTenant, b *reconcileBody) (*rentroll.Reconciliation, error) {
	p, err := b.params(c.tenant)
	if err != nil {
		return nil, err
	}
	return c.engine.Reconcile(c, p)
}

func reconcile(c *call, _ *none, b *reconcileBody) (*rentroll.Reconciliation, error) {
	p, err := b.params(rentroll.TenantID{})
	if err != nil {
		return nil, err
	}
	return c.engine.Reconcile(c, p)
}
