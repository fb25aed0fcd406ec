package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets web templates
var files embed.FS

// asset is a file for browsers. Its address names its content, so that it can be kept for ever.
type asset struct {
	body, packed []byte // packed is compressed; nil where that gains nothing
	contentType  string
}

// assets has every file by its name in addresses, and addresses has the names by the files' own.
var assets, addresses = loadAssets()

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

func loadAssets() (map[string]*asset, map[string]string) {
	byAddress, addresses := map[string]*asset{}, map[string]string{}
	for _, dir := range []string{"assets", "web"} {
		entries, err := files.ReadDir(dir)
		if err != nil {
			panic(fmt.Errorf("console: an embedded folder is missing: %w", err))
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			body := mustRead(path.Join(dir, e.Name()))
			ext := path.Ext(e.Name())
			sum := sha256.Sum256(body)
			name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
			byAddress[name] = &asset{body, pack(body), contentTypes[ext]}
			addresses[e.Name()] = root + "assets/" + name
		}
	}
	return byAddress, addresses
}

func mustRead(name string) []byte {
	body, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Errorf("console: an embedded file is missing: %w", err))
	}
	return body
}

// pack compresses what is worth it.
func pack(body []byte) []byte {
	if len(body) < 1024 {
		return nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body) // to memory: never fails
	_ = w.Close()
	return b.Bytes()
}

// assetAddress is for templates.
func assetAddress(name string) (string, error) {
	address, ok := addresses[name]
	if !ok {
		return "", fmt.Errorf("console: there is no file %s", name)
	}
	return address, nil
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	a := assets[r.PathValue("file")]
	if a == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := a.body
	if a.packed != nil && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = a.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // nobody is left to tell that the client went away
}

func takesGzip(r *http.Request) bool {
	for item := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(item), ";")
		if name == "gzip" && strings.ReplaceAll(quality, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// icons has the drawings that templates put into pages.
var icons = loadIcons()

func loadIcons() map[string]template.HTML {
	all := map[string]template.HTML{}
	entries, err := fs.ReadDir(files, "assets/icons")
	if err != nil {
		panic(fmt.Errorf("console: an embedded folder is missing: %w", err))
	}
	for _, e := range entries {
		svg := string(mustRead("assets/icons/" + e.Name()))
		_, inside, _ := strings.Cut(svg, ">")
		inside = strings.TrimSuffix(strings.TrimSpace(inside), "</svg>")
		//nolint:gosec // a file of ours, and not of a caller's making
		all[strings.TrimSuffix(e.Name(), ".svg")] = template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` +
			strings.Join(strings.Fields(inside), " ") + `</svg>`)
	}
	return all
}
