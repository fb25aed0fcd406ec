package httpapi

import (
	"bufio"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

const zipType = "application/zip"

const aboutExportTenant = "A zip archive of JSON Lines, one file a kind: `tenant`, `quotas`, `members`, `users` (the members'), `workers`, `api_keys` (never secrets), `subjects`, `meters`, `runs` (with their payloads), `usage_events`, `statements`, `events`, `denials`, `audit` (which `rentroll audit verify --file` verifies) and `contents`, which says how many rows each of the others has.\n\n" +
	"It is written while it is read, in short steps that hold up nothing; what is changed meanwhile is in it as it was before or after. An archive that was cut off can't be opened. The tenant's audit says who took it away."

func (s *server) exportTenant(c *call, _ *ofTenant, _ *none) (nothing, error) {
	export, err := c.engine.Export(c, c.tenant)
	if err != nil {
		return nothing{}, err
	}
	c.stream = func(w http.ResponseWriter, r *http.Request) error {
		ctx := exchangeOf(c).Context
		out := &pieces{server: s, w: w, headers: func(h http.Header) {
			h.Set("Content-Type", zipType)
			h.Set("Content-Disposition", `attachment; filename="`+export.Slug+"-"+export.At.UTC().Format("20060102T150405Z")+`.zip"`)
		}}
		return out.send(ctx, r, func() error {
			buffer := bufio.NewWriterSize(out, 64<<10)
			if err := export.WriteZip(ctx, buffer); err != nil {
				return err
			}
			return buffer.Flush()
		})
	}
	return nothing{}, nil
}

// tenantExportRoute adds the route and what is said of its form.
func (s *server) tenantExportRoute() {
	r := route{
		at: "GET /v1/tenants/{tenant}/export", id: "exportTenant", does: "Export all that is kept of a tenant", more: aboutExportTenant,
		needs: rentroll.PermTenantExport, status: http.StatusOK,
	}
	add(s, r, s.exportTenant)
	operationAt(s.api.OpenAPI(), r).Responses["200"].Content = map[string]*huma.MediaType{
		zipType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}
}
