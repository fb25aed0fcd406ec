package httpapi

import "github.com/rentroll/rentroll"

func listWorkers(c *call, _ *ofTenant, _ *none) (*rentroll.List[*rentroll.Worker], error) {
	workers, err := c.engine.ListWorkers(c, c.tenant)
	if err != nil {
		return nil, err
	}
	return list(workers), nil
}

type ofWorker struct {
	Tenant string `path:"tenant"`
	Worker string `path:"worker"`
}

func (p ofWorker) tenantRef() string { return p.Tenant }

type putWorkerBody struct {
	Enabled *bool `json:"enabled" nullable:"false" doc:"Enabling takes a place of the quota workers"`
}

func putWorker(c *call, p *ofWorker, b *putWorkerBody) (*rentroll.Worker, error) {
	if b.Enabled == nil {
		return nil, invalid(rentroll.FieldError{Field: "enabled", Message: "is required: true or false"})
	}
	return c.engine.PutWorker(c, rentroll.PutWorkerParams{TenantID: c.tenant, WorkerID: p.Worker, Enabled: *b.Enabled})
}

func deleteWorker(c *call, p *ofWorker, _ *none) (nothing, error) {
	return nothing{}, c.engine.DeleteWorker(c, c.tenant, p.Worker)
}
