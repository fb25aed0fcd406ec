package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestSystemPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &Options{Version: "1.2.3", Database: "here.db", Settings: []Setting{{"Listens on", "127.0.0.1:1"}}})
	acme := w.tenant("acme")
	b := w.signedIn(operatorSecret)
	page := b.get("/console/system")
	for _, want := range []string{"1.2.3", "SQLite", "here.db", "Listens on", "127.0.0.1:1", "ready", "a batch took, on average", "Commands decided in the last minute"} {
		b.is("the system", page, http.StatusOK, want)
	}
	if m := w.engine.Metrics(); m.Batches == 0 || m.CommitTime <= 0 || m.Lately.Batches == 0 || m.Lately.Slowest > m.CommitTime {
		t.Errorf("a tenant was made, and %d batches took %v", m.Batches, m.CommitTime)
	}
	tenant := w.signedIn(w.key(acme, "*"))
	tenant.is("a tenant's key", tenant.get("/console/system"), http.StatusForbidden, "operator:read")
}

// TestFindKeysPage finds keys by what is shown of them, and of the own tenant only where a tenant's key is signed in.
func TestFindKeysPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	made := func(of *rentroll.Tenant, name string) (string, *rentroll.APIKey) {
		secret, key, err := w.engine.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: of.ID, Name: name})
		w.must(err)
		return secret, key
	}
	secret, own := made(acme, "own-key")
	_, theirs := made(other, "their-key")
	_, err := w.engine.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: other.ID, KeyID: theirs.ID, Reason: "It leaked"})
	w.must(err)
	_, err = w.engine.ImportAPIKeys(t.Context(), rentroll.ImportAPIKeysParams{TenantID: other.ID, Keys: []rentroll.ImportedKey{
		{SHA256: strings.Repeat("ab", 32), Name: "foreign-key", KeyPrefix: "sk_live_"},
	}})
	w.must(err)
	operator, tenant := w.signedIn(operatorSecret), w.signedIn(w.key(acme, "key:read"))
	find := func(b *browser, q string) answer { return b.get("/console/keys?" + url.Values{"q": {q}}.Encode()) }
	for _, c := range []struct {
		who  *browser
		q    string
		has  []string
		lack string
	}{
		{operator, own.KeyPrefix, []string{"own-key", "Tenant acme", string("…" + own.KeySuffix)}, "their-key"},
		{operator, string(theirs.KeySuffix), []string{"their-key", "revoked", "It leaked"}, "own-key"},
		{operator, own.KeyPrefix[:6] + "…" + string(own.KeySuffix), []string{"own-key"}, "their-key"},
		{operator, own.KeyPrefix + "..." + string(theirs.KeySuffix), []string{"No key begins or ends so."}, "own-key"},
		{operator, "sk_live_", []string{"foreign-key", "not kept"}, "own-key"},
		{operator, secret, []string{"own-key"}, secret[12:]},
		{operator, "rr_", []string{"own-key", "their-key"}, "foreign-key"},
		{tenant, "rr_", []string{"own-key"}, "their-key"},
		{tenant, string(theirs.KeySuffix), []string{"No key begins or ends so."}, "their-key"},
	} {
		a := find(c.who, c.q)
		for _, what := range c.has {
			c.who.is(c.q, a, http.StatusOK, what)
		}
		if strings.Contains(a.body, c.lack) {
			t.Errorf("%s shows %s", c.q, c.lack)
		}
	}
	for _, q := range []string{"rr_…abc", "rr_...abcde", "…", strings.Repeat("x", 13) + "…"} {
		operator.is(q, find(operator, q), http.StatusUnprocessableEntity, "must ")
	}
	nobody := w.signedIn(w.key(acme, "run:read"))
	nobody.is("without key:read", find(nobody, "rr_"), http.StatusForbidden, "key:read")
}

func TestExpiringKeysPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	for name, p := range map[string]rentroll.CreateAPIKeyParams{
		"soon-acme": {TenantID: acme.ID, ExpiresInDays: 5}, "later-acme": {TenantID: acme.ID, ExpiresInDays: 60}, "soon-other": {TenantID: other.ID, ExpiresInDays: 6},
	} {
		p.Name = name
		_, _, err := w.engine.CreateAPIKey(t.Context(), p)
		w.must(err)
	}
	operator, tenant := w.signedIn(operatorSecret), w.signedIn(w.key(acme, "key:read"))
	for _, c := range []struct {
		who       *browser
		path      string
		has, lack []string
	}{
		{operator, "/console/keys", []string{"soon-acme", "soon-other", "Tenant other"}, []string{"later-acme"}},
		{operator, "/console/keys?days=90", []string{"soon-acme", "soon-other", "later-acme"}, nil},
		{tenant, "/console/keys?days=90", []string{"soon-acme", "later-acme"}, []string{"soon-other"}},
	} {
		a := c.who.get(c.path)
		for _, name := range c.has {
			c.who.is(c.path, a, http.StatusOK, name)
		}
		for _, name := range c.lack {
			if strings.Contains(a.body, name) {
				t.Errorf("%s shows %s", c.path, name)
			}
		}
	}
	for _, days := range []string{"x", "0", "-1", "4000"} {
		operator.is(days+" days", operator.get("/console/keys?days="+days), http.StatusUnprocessableEntity, "must be")
		tenant.is(days+" days of a tenant", tenant.get("/console/keys?days="+days), http.StatusUnprocessableEntity, "must be")
	}
	nobody := w.signedIn(w.key(acme, "run:read"))
	nobody.is("without key:read", nobody.get("/console/keys"), http.StatusForbidden, "key:read")
}
