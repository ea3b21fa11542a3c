// Package assets has the style sheet, the scripts and the icons of the web page, and says what a page may load.
//
// It owns these files and the addresses under which browsers keep them: an address has the hash of all files in it, so it is another one when a
// file changes, and nobody asks again meanwhile. It owns the headers that every answer to a browser has (Guard), of the box and of a hub. It does not
// own pages (page, and fleet/view). It has no goroutines.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed static
var files embed.FS

// Prefix is that of all addresses.
const Prefix = "/assets/"

// hash is that of all files, which are read when the first browser comes.
var hash = sync.OnceValue(func() string {
	h := sha256.New()
	fs.WalkDir(files, ".", func(name string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			text, _ := files.ReadFile(name) // embedded: it is there
			h.Write([]byte(name))
			h.Write(text)
		}
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)[:8])
})

// Path is the address of a file.
func Path(name string) string { return Prefix + hash() + "/" + name }

// types are those of the files, by the end of the name.
var types = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
}

// public are the files that the login shows.
var public = []string{"style.css", "js/frame.js", "icon.svg"}

// Public reports whether a request is for a file that the login shows, which has it without a session.
func Public(r *http.Request) bool {
	for _, name := range public {
		if r.URL.Path == Path(name) {
			return true
		}
	}
	return false
}

// Serve answers a request below Prefix.
func Serve(w http.ResponseWriter, r *http.Request) {
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	text, err := files.ReadFile("static/" + name)
	kind := types[path.Ext(name)]
	if err != nil || kind == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		w.Write([]byte("no such file\n"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// Icon is the SVG of an icon, which takes the colour of the text around it. It says nothing to a screen reader: a word stands beside it.
func Icon(name string) template.HTML {
	text, err := files.ReadFile("static/icons/" + name + ".svg")
	if err != nil {
		return ""
	}
	return template.HTML(text) // a file of ours
}
