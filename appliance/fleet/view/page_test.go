package view

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

var update = flag.Bool("update", false, "renew golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update renews it):\n%s", file, got)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// get asks a door on loopback, without TLS.
func get(t *testing.T, h looker, address string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+address, nil)
	p := newPages(h, "node-1", quiet())
	p.zone = time.UTC
	(&door{}).guard(p).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

var (
	marks  = regexp.MustCompile(`(?s)<svg.*?</svg>`)
	hashes = regexp.MustCompile(`/(assets|fleet)/[0-9a-f]{16}/`)
)

// plainly is a page without what changes with every icon.
func plainly(page string) string {
	return hashes.ReplaceAllString(marks.ReplaceAllString(page, "<svg/>"), "/$1/HASH/")
}

// small is a fleet with one box of each kind.
func small() *fake {
	f := thousand()
	boxes := f.list[0].Boxes
	few := []Box{boxes[0], boxes[2], boxes[3]}
	seen := map[State]bool{Lost: true, Connected: true}
	for _, b := range boxes {
		if !seen[b.State] {
			seen[b.State] = true
			few = append(few, b)
		}
	}
	f.list[0].Boxes = append(few, boxes[500])
	f.alarms, f.calls = f.alarms[:2], f.calls[10:]
	return f
}

func TestPagesLookAsTheyDid(t *testing.T) {
	for name, address := range map[string]string{"overview": "/", "box": "/box/acme/stuttgart-005", "nothing": "/?q=nothing&state=lost", "lost": "/?state=lost"} {
		code, page := get(t, small(), address)
		if code != http.StatusOK {
			t.Errorf("%s: %d", address, code)
		}
		golden(t, name+".html", plainly(page))
	}
}

func TestAThousandBoxesHavePages(t *testing.T) {
	f := thousand()
	_, first := get(t, f, "/")
	if rows := strings.Count(first, `<td data-label="Box">`); rows != onPage {
		t.Errorf("%d boxes on a page", rows)
	}
	_, last := get(t, f, "/?page=10")
	if !strings.Contains(last, "Page 10 of 10") || !strings.Contains(last, `<tr class="revoked">`) || strings.Contains(last, ">After<") {
		t.Error("the last page does not end with the revoked box")
	}
	for address, want := range map[string]string{"/?q=BERLIN-0": "100 boxes found", "/?state=alarms": "16 boxes found", "/?q=1.15&page=99": "25 boxes found", "/?page=-3": "Page 1 of 10"} {
		if _, page := get(t, f, address); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", address, want)
		}
	}
}

// What boxes send is text, whatever it is: it opens no element, ends none, and is no attribute.
func TestHostileTextsAreText(t *testing.T) {
	const script = `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`
	for variant := range printabletest.Variants {
		s := printabletest.Fill[fleet.Status](variant)
		s.Serial = "00A0BA0F2439"
		s.Alarms = append(s.Alarms, fleet.Alarm{Alarm: script, Subject: script, Severity: script, What: script, Text: script, Cure: script})
		s.Remote = append(s.Remote, script)
		s.Board, s.Licenses = script+s.Board, append(s.Licenses, status.Pool{Name: script, Total: -7})
		if variant%2 == 0 {
			s.Firmware = script
		}
		a, r := printabletest.Fill[fleet.Alarm](variant), printabletest.Fill[status.Record](variant)
		a.Text += script
		r.Calling, r.Reason, r.By = script, script, status.Party(script)
		b := Box{Customer: "acme", Name: "berlin", Serial: s.Serial, State: Unseen}
		b.take(s, noon, noon)
		f := &fake{list: []Fleet{{Customer: "acme", At: noon, Boxes: []Box{b}}}, alarms: []Alarm{{"berlin", noon, cleanAlarm(a)}}, calls: []Call{{"berlin", noon, r}}, failed: []string{script}}
		for _, address := range []string{"/", "/box/acme/berlin", "/?q=" + strings.ReplaceAll(`"><script>`, ">", "%3E"), "/?customer=%22%3E%3Cscript%3E", "/?state=%22%3E%3Cscript%3E"} {
			code, page := get(t, f, address)
			if code != http.StatusOK {
				t.Fatalf("%s: %d", address, code)
			}
			checkMarkup(t, address, page)
		}
	}
}

// checkMarkup wants that a page has no markup but that of the templates.
func checkMarkup(t *testing.T, address, page string) {
	t.Helper()
	if i := strings.IndexFunc(page, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' || r == '\u009b' }); i >= 0 {
		t.Errorf("%s has %q", address, page[i:min(len(page), i+20)])
	}
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			if !errors.Is(z.Err(), io.EOF) {
				t.Error(z.Err())
			}
			return
		}
		token := z.Token()
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		for _, a := range token.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
				t.Errorf("%s has an attribute %s in %s", address, a.Key, token)
			case a.Key == "src" && !strings.HasPrefix(a.Val, "/assets/") && !strings.HasPrefix(a.Val, "/fleet/"):
				t.Errorf("%s has %s", address, token)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "/") && a.Val != "#main":
				t.Errorf("%s leads to %s", address, a.Val)
			}
		}
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	f := small()
	f.failed = []string{"The boxes of globex cannot be read now: no quorum"}
	if _, page := get(t, f, "/"); !strings.Contains(page, f.failed[0]) || !strings.Contains(page, "stuttgart-005") {
		t.Error("a customer that cannot be read is not named, or hides the others")
	}
	f.err = errors.New("no quorum")
	for _, address := range []string{"/", "/box/acme/berlin-000"} {
		if code, page := get(t, f, address); code != http.StatusServiceUnavailable || !strings.Contains(page, "no quorum") {
			t.Errorf("%s: %d", address, code)
		}
	}
	for _, address := range []string{"/box/acme/none", "/box/globex/stuttgart-005", "/box", "/x", "/assets/x/js/terminal.js", "/fleet/x/page.go"} {
		if code, _ := get(t, small(), address); code != http.StatusNotFound {
			t.Errorf("%s: %d", address, code)
		}
	}
	for _, address := range []string{"/assets/x/style.css", "/assets/x/icon.svg", "/fleet/x/fleet.css", "/fleet/x/fleet.js"} {
		if code, text := get(t, small(), address); code != http.StatusOK || len(text) < 100 {
			t.Errorf("%s: %d", address, code)
		}
	}
}
