package deploy_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rentroll/rentroll/internal/programtest"
)

// proxy is nginx or Caddy at work, with a configuration of this folder.
type proxy struct {
	t      testing.TB
	cmd    *exec.Cmd
	folder string
	url    string
	lines  chan string // what it says, but for what nobody waits for
}

// program finds a proxy, which tests need.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, place := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} { // Debian's places, off a user's path
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	t.Fatalf("tests need %[1]s: install it (Debian: apt-get install %[1]s; macOS: brew install %[1]s)", name)
	return ""
}

// startProxy starts a program on a free port with a configuration of this folder, in which the names of Rentroll and the
// API are those of real ones, and waits until it says ready.
func startProxy(t testing.TB, config, ready string, addresses *strings.Replacer, wrap func(p *proxy, site string) []string) *proxy {
	t.Helper()
	folder, err := os.MkdirTemp("", "rentroll-proxy-") //nolint:usetesting // the parents of t.TempDir are closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile(filepath.Join("forward-auth", config))
	if err != nil {
		t.Fatal(err)
	}
	port := programtest.FreePort(t)
	site := strings.NewReplacer("listen 8000", "listen 127.0.0.1:"+port, ":8000 {", "http://127.0.0.1:"+port+" {").
		Replace(addresses.Replace(string(text)))
	p := &proxy{t: t, folder: folder, url: "http://127.0.0.1:" + port, lines: make(chan string, 1024)}
	command := wrap(p, site)
	p.cmd = exec.Command("sh", append([]string{"-c", lifeline}, command...)...)
	p.cmd.SysProcAttr = unprivileged(t, folder)
	p.cmd.Dir = folder
	p.cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	p.start()
	p.await(ready)
	return p
}

// unprivileged returns how to run a program as a user who may do little, and gives that user a folder. Whoever is not root
// may do little already.
func unprivileged(t testing.TB, folder string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{Setpgid: true}
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(nobody.Uid)
	gid, err2 := strconv.Atoi(nobody.Gid)
	if err := errors.Join(err1, err2, os.Chown(folder, uid, gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// write puts a file into the proxy's folder.
func (p *proxy) write(name, text string) string {
	p.t.Helper()
	file := filepath.Join(p.folder, name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func (p *proxy) start() {
	p.t.Helper()
	input, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	said, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			select {
			case p.lines <- lines.Text():
			default: // nobody reads what it says while it works
			}
		}
	}()
	p.t.Cleanup(func() {
		_ = input.Close()
		_ = p.cmd.Wait() // it was told to end, by a signal
		_ = w.Close()
		for line := range p.lines {
			if p.t.Failed() {
				p.t.Log(line)
			}
		}
	})
}

// await reads what the proxy says until it says a word.
func (p *proxy) await(word string) {
	p.t.Helper()
	var said []string
	for line := range p.lines {
		if said = append(said, line); strings.Contains(line, word) {
			return
		}
	}
	p.t.Fatalf("it ended:\n%s", strings.Join(said, "\n"))
}

// startNginx starts nginx with forward-auth/nginx.conf.
func startNginx(t testing.TB, addresses *strings.Replacer) *proxy {
	t.Helper()
	return startProxy(t, "nginx.conf", "start worker process ", addresses, func(p *proxy, site string) []string {
		p.write("site.conf", site)
		file := p.write("nginx.conf", `daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
`)
		return []string{program(t, "nginx"), "-p", p.folder + "/", "-c", file, "-e", "stderr"}
	})
}

// startCaddy starts Caddy with forward-auth/Caddyfile.
func startCaddy(t testing.TB, addresses *strings.Replacer) *proxy {
	t.Helper()
	return startProxy(t, "Caddyfile", "serving initial configuration", addresses, func(p *proxy, site string) []string {
		file := p.write("Caddyfile", "{\n\tadmin off\n\tauto_https off\n}\n"+site)
		return []string{program(t, "caddy"), "run", "--config", file, "--adapter", "caddyfile"}
	})
}
