package console

import "github.com/rentroll/rentroll"

// place is the tenant whose page is shown, as headings and links name it.
type place struct {
	ID   rentroll.TenantID
	Name string // "" where the visitor may not read the tenant
	Ref  string // how the path names it: its id, its slug or "me"
	Path string // of its page, without a slash at the end
}

// place returns the tenant that the path names.
func (v *visit) place() (place, error) {
	id, err := v.tenant()
	if err != nil {
		return place{}, err
	}
	ref := v.r.PathValue("tenant")
	p := place{ID: id, Ref: ref, Path: root + "tenants/" + ref}
	t, err := v.engine.GetTenant(v, id)
	if err := allowed(err); err != nil {
		return place{}, err
	}
	if t != nil {
		p.Name = t.Name
	}
	return p, nil
}
