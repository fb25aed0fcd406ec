package console

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

// auditPage is a list of changes.
type auditPage struct {
	Tenant        *place // nil: the platform
	Path          string // of the list
	Actor, Object string
	Start, End    string // as form fields want them, in the viewer's zone

	Head  *rentroll.AuditHead
	Rows  []auditRow
	Next  string // the address of the next page; "" on the last
	First string // the address of the first page, on others
	Empty bool   // there is no change at all, whatever the filters
}

// auditRow is a change in a table.
type auditRow struct {
	*rentroll.AuditRow

	Changes []fieldChange
}

// fieldChange is a field that was changed, added or removed.
type fieldChange struct {
	Field            string
	Old, New         string
	Changed, Removed bool // else it was added
}

// auditRows is how many changes a page shows.
const auditRows = 50

func (v *visit) tenantAudit() (any, error) {
	here, err := v.place()
	if err != nil {
		return nil, err
	}
	return v.audit(here.ID, &auditPage{Tenant: &here, Path: here.Path + "/audit"})
}

func (v *visit) platformAudit() (any, error) {
	return v.audit(rentroll.TenantID{}, &auditPage{Path: root + "audit"})
}

func (v *visit) audit(id rentroll.TenantID, p *auditPage) (any, error) {
	p.Actor, p.Object = v.query("actor"), v.query("object")
	params := rentroll.ListAuditParams{TenantID: id, Actor: p.Actor, ResourceID: p.Object, Page: rentroll.Page{Limit: auditRows, Cursor: v.query("cursor")}}
	var err error
	if params.Start, p.Start, err = v.instant("start"); err != nil {
		return nil, err
	}
	if params.End, p.End, err = v.instant("end"); err != nil {
		return nil, err
	}
	list, err := v.engine.ListAudit(v, params)
	if err != nil {
		return nil, err
	}
	for _, row := range list.Items {
		p.Rows = append(p.Rows, auditRow{row, fieldChanges(row.Old, row.New)})
	}
	if list.NextCursor != "" {
		p.Next = v.withCursor(string(list.NextCursor))
	}
	if v.query("cursor") != "" {
		p.First = v.withCursor("")
	}
	p.Empty = len(p.Rows) == 0 && p.Actor+p.Object+p.Start+p.End+p.First+p.Next == ""
	p.Head, err = v.engine.AuditHead(v, id)
	return p, err
}

// instant reads a parameter of the address that a field for a time has made. The zone stands beside it in the address, so
// that it means the same to whoever follows it; field is how the viewer's own field writes it.
func (v *visit) instant(name string) (at time.Time, field string, err error) {
	given := v.query(name)
	if given == "" {
		return at, "", nil
	}
	zone := v.zone
	if named := v.query("zone"); named != "" && named != "Local" && len(named) <= 64 {
		if zone, err = time.LoadLocation(named); err != nil {
			return at, "", wrong("zone", "is not a time zone")
		}
	}
	if at, err = time.ParseInLocation(fieldTime, given, zone); err != nil {
		return at, "", wrong(name, "must be a date and a time, such as 2026-01-31T09:30")
	}
	return at, at.In(v.zone).Format(fieldTime), nil
}

// Check is the address that follows the chain.
func (p *auditPage) Check() string {
	if p.Tenant == nil {
		return root + "audit/check"
	}
	return p.Tenant.Path + "/audit-check"
}

// checkPlatformAudit follows the chain of the platform's audit.
func (v *visit) checkPlatformAudit() (any, error) { return v.followAudit(rentroll.TenantID{}) }

// fieldChanges compares two JSON objects, field by field, and objects within them likewise.
func fieldChanges(old, next json.RawMessage) (out []fieldChange) {
	before, after := map[string]string{}, map[string]string{}
	flatten("", old, before)
	flatten("", next, after)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case had && has && was != is:
			out = append(out, fieldChange{Field: name, Old: was, New: is, Changed: true})
		case had && !has:
			out = append(out, fieldChange{Field: name, Old: was, Removed: true})
		case has && !had && is != "null": // what a new thing has not got is no news
			out = append(out, fieldChange{Field: name, New: is})
		}
	}
	return out
}

// flatten brings a JSON value to names with dots and the values under them.
func flatten(name string, value json.RawMessage, into map[string]string) {
	if len(value) == 0 {
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) == nil && len(object) > 0 {
		for field, inner := range object {
			if name != "" {
				field = name + "." + field
			}
			flatten(field, inner, into)
		}
		return
	}
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		into[name] = text
		return
	}
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		compact.Write(value)
	}
	into[name] = compact.String()
}

// Of is the address of the list with one filter alone.
func (p *auditPage) Of(name, value string) string {
	return p.Path + "?" + url.Values{name: {value}}.Encode()
}
