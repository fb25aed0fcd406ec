package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// text reads a file of the repository.
func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// all returns what a pattern's group matches, in order, each once.
func all(pattern, in string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(in, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestComposeFits compares compose.yaml with the files that it names: a container engine, which would, is not needed
// for the tests.
func TestComposeFits(t *testing.T) {
	t.Parallel()
	compose := text(t, "compose.yaml")
	_, services, _ := strings.Cut(compose, "\nservices:\n")
	services, declared, _ := strings.Cut(services, "\nsecrets:\n")
	known := all(`(?m)^  ([a-z0-9-]+):`, services)
	for _, host := range all(`(?m)^\s+server ([a-z0-9-]+):8080`, text(t, "deploy/nginx.conf")) {
		if !slices.Contains(known, host) {
			t.Errorf("nginx.conf sends requests to %s, and the services are %q", host, known)
		}
	}
	if host := all(`RENTROLL_DATABASE: postgres://rentroll@([a-z]+)/rentroll`, compose); len(host) != 1 || !slices.Contains(known, host[0]) {
		t.Errorf("the database is at %q, and the services are %q", host, known)
	}
	secrets := all(`(?m)^  ([a-z-]+): \{file:`, declared)
	if used := all(`/run/secrets/([a-z-]+)`, services); !slices.Equal(used, secrets) {
		t.Errorf("the services use the secrets %q, and declared are %q", used, secrets)
	}
	for _, file := range append(all(`dockerfile: (\S+)`, compose), all(`"\./([^:]+):`, compose)...) {
		text(t, file)
	}
	help, err := exec.CommandContext(t.Context(), "go", "run", "../cmd/rentroll", "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range all(`(RENTROLL_[A-Z_]+):`, compose) {
		if !strings.Contains(string(help), "$"+variable+")") {
			t.Errorf("rentroll serve knows no %s", variable)
		}
	}
}

// TestMakeSecrets makes what compose.yaml names, once.
func TestMakeSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "make-secrets")
	if err := os.WriteFile(script, []byte(text(t, "deploy/make-secrets")), 0o700); err != nil {
		t.Fatal(err)
	}
	read := func() map[string]string {
		if out, err := exec.CommandContext(t.Context(), "bash", script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		made := map[string]string{}
		for _, name := range all(`file: deploy/secrets/([a-z-]+)`, text(t, "compose.yaml")) {
			data, err := os.ReadFile(filepath.Join(dir, "secrets", name))
			if err != nil {
				t.Fatal(err)
			}
			made[name] = strings.TrimSpace(string(data))
		}
		return made
	}
	first := read()
	if key := first["operator-key"]; len(key) < 32 || len(key) > 200 {
		t.Errorf("the operator key is %d characters long", len(key))
	}
	if want := "database:5432:rentroll:rentroll:" + first["database-password"]; first["pgpass"] != want || len(first["database-password"]) < 32 {
		t.Errorf("pgpass and the password do not fit")
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is open to others: %v, %v", info, err)
	}
	for name, value := range read() {
		if value != first[name] {
			t.Errorf("%s changes when it is there", name)
		}
	}
}
