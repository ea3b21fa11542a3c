package browser

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
)

// maxFirstPage is what the first page may cost in all: itself, its style, scripts and icons.
const maxFirstPage = 300_000

func TestFirstPageIsSmall(t *testing.T) {
	p := sharedBox(t).login(t, "admin")
	p.wait(`document.readyState === "complete" && document.querySelector(".alarm-count")`)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes == 0 || p.bytes > maxFirstPage {
		t.Errorf("login and first page take %d bytes", p.bytes)
	}
	t.Logf("login and first page: %d bytes", p.bytes)
}

// The first password of an account that an administrator has made is nobody's but the administrator's: another one is chosen first.
func TestForcedFirstPassword(t *testing.T) {
	b := newBox(t, `operator newcomer password `+quoted+` change`)
	p := b.browse(t)
	p.open("/login")
	p.fill("user", "newcomer")
	p.fill("password", password)
	p.submit()
	p.waitText("needs a password of its own")
	p.axe("choose")
	p.fill("new", "another one 8")
	p.fill("again", "another one 9")
	p.submit()
	p.waitText("The two passwords differ.")
	p.fill("new", password)
	p.fill("again", password)
	p.submit()
	p.waitText("the new password is the old one")
	p.fill("new", "another one 8")
	p.fill("again", "another one 8")
	p.submit()
	p.wait(`!!document.querySelector("header.top")`)
	second := b.browse(t)
	second.open("/login")
	second.fill("user", "newcomer")
	second.fill("password", password)
	second.submit()
	second.waitText("The account or the password is wrong.")
}

// A page that is open when its session ends says so, and the next click leads to the login.
func TestExpiredSession(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "technician")
	p.open("/who")
	p.waitText("technician")
	b.configure(t, "no administrator technician")
	p.waitText("You are logged out.")
	p.open("/who")
	p.waitText("Password")
}

// While sbcd is away, the page says that its figures are old; the session goes on afterwards.
func TestPageOutlivesARestart(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "viewer")
	p.open("/who")
	p.waitText("viewer")
	err := b.client.Exec(t.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: "copy running-config startup-config"}, func(wire.Answer) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sbcd.end(); err != nil {
		t.Fatal(err)
	}
	p.waitText("The box does not answer.")
	b.startSBCD(t)
	p.wait(`document.querySelector(".stale").hidden`)
	p.open("/who")
	p.wait(`document.querySelector("tbody")?.innerText.includes("viewer")`)
}

// With no browser open nobody asks sbcd for anything but the settings.
func TestNoBrowserCostsNothing(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "viewer")
	p.open("/who")
	p.waitText("viewer")
	for _, line := range []string{`"about:blank"`} {
		js[bool](p, "(() => { location = "+line+"; return true; })()")
	}
	p.wait(`location.href === "about:blank"`)
	// What runs ends. Then nothing may come for as long as fragments are asked for several times.
	last, since := b.asked.Load(), time.Now()
	until(t, "nothing is asked for ten seconds", func() bool {
		if now := b.asked.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 10*time.Second
	})
}

// visit is what a scan of the page does: it takes each address that a page names, with and without a session.
type visit struct {
	t      *testing.T
	b      *box
	cookie *http.Cookie
	token  string
	client *http.Client
	rand   *rand.Rand
	forms  []string // method and address
	seen   map[string]bool
}

// ask sends a request as a page of ours does.
func (v *visit) ask(method, path, kind, body string, known bool) (int, string, http.Header) {
	v.t.Helper()
	q, err := http.NewRequestWithContext(v.t.Context(), method, v.b.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", nil
	}
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Origin", v.b.url)
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	if known {
		q.AddCookie(v.cookie)
		q.Header.Set("X-CSRF-Token", v.token)
	}
	r, err := v.client.Do(q)
	if err != nil {
		v.t.Errorf("%s %s: %v", method, path, err)
		return 0, "", nil
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if r.StatusCode >= 500 && r.StatusCode != http.StatusServiceUnavailable {
		v.t.Errorf("%s %s %.200s: %d %.2000s", method, path, body, r.StatusCode, text)
	}
	if !known && r.StatusCode < 300 && !strings.HasPrefix(path, "/login") {
		v.t.Errorf("%s %s is answered without a session: %d", method, path, r.StatusCode)
	}
	return r.StatusCode, string(text), r.Header
}

var (
	links = regexp.MustCompile(`(?:href|src)="(/[^"#]*)`)
	forms = regexp.MustCompile(`<form[^>]*action="(/[^"]*)"`)
	named = regexp.MustCompile(`name="([a-z][a-zA-Z0-9_-]*)"`)
)

// scan visits all that a page leads to.
func (v *visit) scan(path string) {
	path = strings.ReplaceAll(path, "&amp;", "&")
	shape := regexp.MustCompile(`\d+|=[^&]*`).ReplaceAllString(path, "1") // one of each kind
	if v.seen[shape] || len(v.seen) > 300 || strings.HasPrefix(path, "/live") {
		return
	}
	v.seen[shape] = true
	code, text, _ := v.ask("GET", path, "", "", true)
	if !strings.HasPrefix(path, "/assets/") {
		if without, _, _ := v.ask("GET", path, "", "", false); !strings.HasPrefix(path, "/login") && without != http.StatusSeeOther && without != http.StatusUnauthorized {
			v.t.Errorf("%s without a session: %d", path, without)
		}
	}
	if code != http.StatusOK {
		return
	}
	for _, m := range forms.FindAllStringSubmatch(text, -1) {
		names := url.Values{}
		for _, n := range named.FindAllStringSubmatch(text, -1) {
			names.Set(n[1], "")
		}
		v.forms = append(v.forms, m[1]+" "+names.Encode())
	}
	for _, m := range links.FindAllStringSubmatch(text, -1) {
		v.scan(m[1])
	}
}

// hostile are values that pages should see before somebody sends them.
var hostile = []string{
	"", "1", "-1", "999999999999999999999", "../../etc/passwd", "%00", "\x00", "<script>alert(1)</script>", "' OR 1=1", "{{.}}", "ä\u202e", strings.Repeat("A", 5000), "a\r\nb: c", "[]", "NaN",
	"2026-13-45T99:99:99Z", "\xff\xfe",
}

// Whatever is sent to an address that a page names, nothing breaks, and without a session there is no answer. A box of its own: the fuzzer also presses buttons.
func TestScanAndFuzz(t *testing.T) {
	b := newBox(t)
	v := &visit{t: t, b: b, rand: rand.New(rand.NewPCG(1, 2)), seen: map[string]bool{}, client: &http.Client{
		Transport: b.http().Transport.(*http.Transport).Clone(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	v.client.Transport.(*http.Transport).DisableKeepAlives = false
	v.cookie, v.token = v.in("admin")
	v.scan("/")
	for _, path := range []string{"/who", "/live?t=who.now&t=nothing", "/live", "/nothing", "/.git/config", "/assets/../page", "/v1/status", "//x", "/%2e%2e/%2e%2e/etc/passwd"} {
		v.scan(path)
		v.ask("GET", path, "", "", false)
	}
	if len(v.seen) < 8 {
		t.Fatalf("the scan has found only %v", v.seen)
	}
	kinds := []string{"application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=b", "multipart/form-data", "text/plain", "application/octet-stream", ""}
	paths := make([]string, 0, len(v.seen))
	for path := range v.seen {
		paths = append(paths, path)
	}
	for _, f := range v.forms {
		action, names, _ := strings.Cut(f, " ")
		if strings.HasPrefix(action, "/logout") || strings.HasPrefix(action, "/login") || strings.Contains(action, "reload") || strings.Contains(action, "restart") {
			continue
		}
		fields, _ := url.ParseQuery(names)
		for range 6 {
			for name := range fields {
				fields.Set(name, hostile[v.rand.IntN(len(hostile))])
			}
			fields.Del("csrf")
			v.ask("POST", action, kinds[0], fields.Encode(), true)
			v.ask("POST", action, kinds[v.rand.IntN(len(kinds))], fields.Encode(), true)
			v.ask("POST", action, kinds[0], fields.Encode(), false)
		}
	}
	for range 300 {
		path, _, _ := strings.Cut(paths[v.rand.IntN(len(paths))], "?")
		if strings.HasPrefix(path, "/log") {
			continue
		}
		with := hostile[v.rand.IntN(len(hostile))]
		switch v.rand.IntN(3) {
		case 0:
			path += "/" + url.PathEscape(with)
		case 1:
			path += "?" + fmt.Sprintf("q=%s&page=%s&id=%s&x=%%zz", url.QueryEscape(with), url.QueryEscape(with), url.QueryEscape(with))
		}
		method := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}[v.rand.IntN(8)]
		v.ask(method, path, kinds[v.rand.IntN(len(kinds))], with, v.rand.IntN(2) == 0)
	}
	if code, _, _ := v.ask("GET", "/who", "", "", true); code != http.StatusOK {
		t.Errorf("in the end the page answers with %d", code)
	}
}

// in logs in without a browser.
func (v *visit) in(user string) (*http.Cookie, string) {
	v.t.Helper()
	q, err := http.NewRequestWithContext(v.t.Context(), "POST", v.b.url+"/login", strings.NewReader(url.Values{"user": {user}, "password": {password}}.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Origin", v.b.url)
	r, err := v.client.Do(q)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusSeeOther || len(r.Cookies()) != 1 {
		v.t.Fatalf("login: %s", r.Status)
	}
	v.cookie = r.Cookies()[0]
	_, text, _ := v.ask("GET", "/who", "", "", true)
	m := regexp.MustCompile(`<meta name="csrf" content="([^"]+)">`).FindStringSubmatch(text)
	if m == nil {
		v.t.Fatalf("no token in %s", text)
	}
	return v.cookie, m[1]
}
