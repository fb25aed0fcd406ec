package console

import (
	"errors"
	"strings"

	"github.com/rentroll/rentroll"
)

// tenant returns the id of the tenant that the path names.
func (v *visit) tenant() (rentroll.TenantID, error) {
	return v.engine.ResolveTenant(v, v.r.PathValue("tenant"))
}

// allowed drops the error of what the visitor may not read: the page is then without it.
func allowed(err error) error {
	if errors.Is(err, rentroll.CodeForbidden) {
		return nil
	}
	return err
}

// form returns a field of the posted form.
func (v *visit) form(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// wrong is an error about one field of a form.
func wrong(field, message string) error {
	return &rentroll.Error{Code: rentroll.CodeValidationFailed, Message: "the form is not complete", Fields: []rentroll.FieldError{{Field: field, Message: message}}}
}
