package httpapi

import (
	"strconv"

	"github.com/rentroll/rentroll"
)

// The parameters of routes, as huma reads them from path, query and headers. What they mean is in the table of
// describeParam.

type none struct{}

type once struct {
	Key string `header:"Idempotency-Key"`
}

func (p once) idempotencyKey() string { return p.Key }

type ofTenant struct {
	Tenant string `path:"tenant"`
}

func (p ofTenant) tenantRef() string { return p.Tenant }

type ofTenantOnce struct {
	Tenant string `path:"tenant"`
	Key    string `header:"Idempotency-Key"`
}

func (p ofTenantOnce) tenantRef() string      { return p.Tenant }
func (p ofTenantOnce) idempotencyKey() string { return p.Key }

type page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor string `query:"cursor"`
}

func (p page) page() rentroll.Page { return pageOf(p.Limit, p.Cursor) }

type pageOfTenant struct {
	Tenant string `path:"tenant"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor string `query:"cursor"`
}

func (p pageOfTenant) tenantRef() string   { return p.Tenant }
func (p pageOfTenant) page() rentroll.Page { return pageOf(p.Limit, p.Cursor) }

func pageOf(limit int, cursor string) rentroll.Page {
	return rentroll.Page{Limit: limit, Cursor: cursor}
}

// list is a list that is always whole, in the form of those that have pages.
func list[T any](items []T) *rentroll.List[T] {
	if items == nil {
		items = []T{}
	}
	return &rentroll.List[T]{Items: items}
}

// fieldErrors gathers what is wrong with a body that the engine could not see: fields that are missing, or given with
// the value that stands for missing ones.
type fieldErrors []rentroll.FieldError

func (f *fieldErrors) add(field, message string) {
	*f = append(*f, rentroll.FieldError{Field: field, Message: message})
}

// word returns an optional text. One that is given must say something: "" would silently be the default.
func (f *fieldErrors) word(field string, given *string) string {
	if given == nil {
		return ""
	}
	if *given == "" {
		f.add(field, "must not be empty; leave it out for the default")
	}
	return *given
}

// number returns an optional number. One that is given must be in its range: 0 would silently be the default.
//
//nolint:unparam // the bounds stand together where a field is read, though all begin at 1 so far
func (f *fieldErrors) number(field string, given *int64, low, high int64) int64 {
	if given == nil {
		return 0
	}
	if *given < low || *given > high {
		f.add(field, between(low, high))
		return 0
	}
	return *given
}

func between(low, high int64) string {
	return "must be between " + strconv.FormatInt(low, 10) + " and " + strconv.FormatInt(high, 10)
}
