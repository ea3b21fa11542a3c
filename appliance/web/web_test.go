package web

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
)

func TestForeignHostIsRefused(t *testing.T) {
	r := newRig(t)
	for host, want := range map[string]int{
		"192.0.2.1": 200, "192.0.2.1:443": 200, "[2001:db8::1]": 200, "[2001:db8::1]:8443": 200, "box.example": 200, "BOX.example.": 200, "box:443": 200,
		"attacker.example": 421, "box.example.attacker.example": 421, "192.0.2.2": 421, "": 421, "box.example:443:1": 421, "127.0.0.1:8443": 200, "localhost:8443": 200, "localhost.attacker.example": 421, "xbox": 421, "box.STAR.example": 200, "star.example": 421, ".star.example": 421, "a.box.star.example": 421, "[::ffff:192.0.2.1]": 200,
	} {
		q := r.request("GET", "/login", nil)
		q.Host = host
		if got := r.do(q); got.Code != want {
			t.Errorf("Host %q: %d, want %d", host, got.Code, want)
		}
	}
}

func TestNothingIsAnsweredWithoutASession(t *testing.T) {
	r := newRig(t)
	for _, path := range r.addresses() {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			q := r.request(method, path, nil)
			w := r.do(q)
			switch {
			case path == "/login" || path == "/language" && method == "POST":
				continue
			case w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/login"):
			case w.Code == http.StatusUnauthorized:
			default:
				t.Errorf("%s %s: %d %.80s", method, path, w.Code, w.Body)
			}
		}
	}
	for _, a := range r.sbcd.asked {
		if strings.HasPrefix(a, "status") || strings.HasPrefix(a, "exec") {
			t.Errorf("sbcd was asked: %s", a)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	r := newRig(t)
	cookie, _ := r.in("viewer")
	for _, q := range []*http.Request{r.request("GET", "/login", nil), with(r.request("GET", "/who", nil), cookie), with(r.request("GET", "/nothing", nil), cookie), r.request("PUT", "/x", nil)} {
		h := r.do(q).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s: %q", q.URL.Path, name, h.Get(name))
			}
		}
		if h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: nobody may insist on a certificate of the box's own", q.URL.Path)
		}
	}
	now := *r.now.Load()
	now.OwnCertificate = false
	r.now.Store(&now)
	if r.do(r.request("GET", "/login", nil)).Header().Get("Strict-Transport-Security") == "" {
		t.Error("a certificate that browsers trust is insisted on")
	}
	if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || !strings.HasPrefix(cookie.Name, "__Host-") {
		t.Errorf("cookie: %s", cookie)
	}
}

func TestForgedRequestsAreRefused(t *testing.T) {
	r := newRig(t)
	cookie, token := r.in("admin")
	_, other := r.in("admin")
	for name, change := range map[string]func(*http.Request) *http.Request{
		"no token":            func(*http.Request) *http.Request { return r.request("POST", "/logout", nil) },
		"token of another":    func(*http.Request) *http.Request { return r.request("POST", "/logout", url.Values{"csrf": {other}}) },
		"foreign origin":      func(q *http.Request) *http.Request { q.Header.Set("Origin", "https://attacker.example"); return q },
		"no origin":           func(q *http.Request) *http.Request { q.Header.Del("Origin"); return q },
		"origin over HTTP":    func(q *http.Request) *http.Request { q.Header.Set("Origin", "http://192.0.2.1"); return q },
		"a page of elsewhere": func(q *http.Request) *http.Request { q.Header.Set("Sec-Fetch-Site", "cross-site"); return q },
		"a sister host":       func(q *http.Request) *http.Request { q.Header.Set("Sec-Fetch-Site", "same-site"); return q },
	} {
		w := r.do(with(change(r.request("POST", "/logout", url.Values{"csrf": {token}})), cookie))
		if w.Code != http.StatusForbidden || r.sessions.find(cookie.Value) == nil {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	login := r.request("POST", "/login", url.Values{"user": {"admin"}, "password": {"right"}})
	login.Header.Set("Origin", "https://attacker.example")
	if w := r.do(login); w.Code != http.StatusForbidden {
		t.Errorf("a login from elsewhere: %d", w.Code)
	}
	if w := r.do(with(r.request("POST", "/logout", url.Values{"csrf": {token}}), cookie)); w.Code != http.StatusSeeOther {
		t.Errorf("log-out: %d", w.Code)
	}
	if w := r.do(with(r.request("GET", "/who", nil), cookie)); w.Code != http.StatusSeeOther {
		t.Errorf("after the log-out: %d", w.Code)
	}
}

// The token of a form with files stands in its first part, so that nothing of the file is read before.
func TestTokenOfAFormWithFiles(t *testing.T) {
	r := newRig(t)
	cookie, token := r.in("admin")
	form := func(first, value string) *http.Request {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		m.WriteField(first, value)
		m.WriteField("file", "octets")
		m.Close()
		q := with(r.request("POST", "/logout", nil), cookie)
		q.Body = io.NopCloser(&b)
		q.Header.Set("Content-Type", m.FormDataContentType())
		return q
	}
	for _, c := range []struct {
		first, value string
		want         int
	}{{"csrf", "wrong", 403}, {"file", token, 403}, {"csrf", token + strings.Repeat("x", 1<<20), 403}, {"csrf", token, 303}} {
		if w := r.do(form(c.first, c.value)); w.Code != c.want {
			t.Errorf("%s %.40s: %d", c.first, c.value, w.Code)
		}
	}
}

func TestLogin(t *testing.T) {
	r := newRig(t)
	post := func(pairs ...string) (int, string, string) {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		w := r.do(r.request("POST", "/login", v))
		return w.Code, w.Body.String(), w.Header().Get("Location")
	}
	if code, body, _ := post("user", "viewer", "password", "wrong"); code != 403 || !strings.Contains(body, "The account or the password is wrong.") {
		t.Errorf("a wrong password: %d", code)
	}
	if code, _, _ := post("user", "", "password", ""); code != 422 {
		t.Errorf("nothing: %d", code)
	}
	for next, want := range map[string]string{
		"/who": "/who", "/who?a=b": "/who?a=b", "//attacker.example": "/", "https://attacker.example/": "/", "/\\attacker.example": "/", "who": "/", "javascript:alert(1)": "/", "": "/", "/\tx": "/",
	} {
		if code, _, to := post("user", "viewer", "password", "right", "next", next); code != 303 || to != want {
			t.Errorf("next %q: %d to %q", next, code, to)
		}
	}
	if n := r.sbcd.count("login viewer from 192.0.2.7"); n < 2 {
		t.Errorf("sbcd is told where a login comes from: %q", r.sbcd.asked)
	}
	r.sbcd.banned = 90 * time.Second
	if code, body, _ := post("user", "viewer", "password", "right"); code != 429 || !strings.Contains(body, "Try again in 2 minutes.") {
		t.Errorf("banned: %d", code)
	}
}

// ticketOf is the number in a form that asks for a new password.
func ticketOf(t *testing.T, body string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `name="ticket" value="`)
	number, _, _ := strings.Cut(rest, `"`)
	if !ok || number == "" {
		t.Fatalf("no ticket in %s", body)
	}
	return number
}

func TestFirstPasswordIsForced(t *testing.T) {
	r := newRig(t)
	r.sbcd.changes["viewer"] = true
	post := func(v url.Values) (int, string) {
		w := r.do(r.request("POST", "/login", v))
		return w.Code, w.Body.String()
	}
	code, body := post(url.Values{"user": {"viewer"}, "password": {"right"}})
	if code != 200 || !strings.Contains(body, "needs a password of its own") || strings.Contains(body, "right") {
		t.Fatalf("%d %s", code, body)
	}
	first := ticketOf(t, body)
	code, body = post(url.Values{"step": {"choose"}, "ticket": {first}, "new": {"abc"}, "again": {"abd"}})
	if code != 422 || !strings.Contains(body, "differ") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := post(url.Values{"step": {"choose"}, "ticket": {first}, "new": {"long enough"}, "again": {"long enough"}}); code != 403 {
		t.Errorf("a ticket works twice: %d", code)
	}
	code, body = post(url.Values{"step": {"choose"}, "ticket": {ticketOf(t, body)}, "new": {"abc"}, "again": {"abc"}})
	if code != 200 || !strings.Contains(body, "the new password is too short") {
		t.Errorf("%d %s", code, body)
	}
	if code, body = post(url.Values{"step": {"choose"}, "ticket": {ticketOf(t, body)}, "new": {"long enough"}, "again": {"long enough"}}); code != 303 {
		t.Errorf("%d %s", code, body)
	}
}

func TestSetUpCodeOpensANewBox(t *testing.T) {
	r := newRig(t)
	r.sbcd.setup = "ABCD-1234"
	if body := r.do(r.request("GET", "/login", nil)).Body.String(); !strings.Contains(body, `name="code"`) || strings.Contains(body, `name="password"`) {
		t.Fatal(body)
	}
	w := r.do(r.request("POST", "/login", url.Values{"step": {"code"}, "code": {"WRONG"}, "user": {"boss"}}))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "The set-up code is wrong.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = r.do(r.request("POST", "/login", url.Values{"step": {"code"}, "code": {" ABCD-1234 "}, "user": {"boss"}}))
	w = r.do(r.request("POST", "/login", url.Values{"step": {"choose"}, "ticket": {ticketOf(t, w.Body.String())}, "new": {"long enough"}, "again": {"long enough"}}))
	if w.Code != 303 || len(w.Result().Cookies()) != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHostileTextIsText(t *testing.T) {
	r := newRig(t)
	cookie, token := r.in("viewer")
	r.sbcd.mu.Lock()
	r.sbcd.sessions = []status.Session{{User: "<script>alert(1)</script>", TTY: "ssh \x1b]0;x\x07\u202e\"'><img src=x onerror=alert(1)>", Class: "{{.}}"}}
	r.sbcd.mu.Unlock()
	w := r.do(with(r.request("GET", "/who", nil), cookie))
	body := w.Body.String()
	for _, bad := range []string{"<script>alert", "<img src=x", "\x1b", "\x07", "\u202e"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if w.Code != 200 || !strings.Contains(body, "&lt;script&gt;alert(1)&lt;/script&gt;") || !strings.Contains(body, token) {
		t.Errorf("%d %s", w.Code, body)
	}
}

func TestProblemsAreSaidInWords(t *testing.T) {
	r := newRig(t)
	cookie, _ := r.in("viewer")
	r.sbcd.mu.Lock()
	r.sbcd.down = true
	r.sbcd.mu.Unlock()
	if w := r.do(with(r.request("GET", "/who", nil), cookie)); w.Code != 503 || !strings.Contains(w.Body.String(), "the medium does not answer") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := r.do(with(r.request("GET", "/nothing", nil), cookie)); w.Code != 404 || !strings.Contains(w.Body.String(), "There is no such page.") {
		t.Errorf("%d", w.Code)
	}
	german := with(r.request("GET", "/nothing", nil), cookie)
	german.Header.Set("Accept-Language", "fr, de-CH;q=0.9, en;q=0.8")
	if w := r.do(german); !strings.Contains(w.Body.String(), "Diese Seite gibt es nicht.") || !strings.Contains(w.Body.String(), `<html lang="de">`) {
		t.Errorf("%s", w.Body)
	}
	script := with(r.request("GET", "/nothing", nil), cookie)
	script.Header.Set("X-Viaduct", "script")
	if w := r.do(script); w.Code != 404 || w.Body.String() != `{"error":"There is no such page."}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRedirectLeadsToHTTPSOnly(t *testing.T) {
	r := newRig(t)
	get := func(method, host, path string) (int, string) {
		q := r.request(method, path, nil)
		q.Host = host
		w := &recorder{header: http.Header{}}
		r.redirect(w, q)
		return w.code, w.header.Get("Location")
	}
	for _, c := range []struct {
		method, host, path, to string
		code                   int
	}{
		{"GET", "box.example", "/calls?x=1", "https://box.example/calls?x=1", 308},
		{"GET", "box.example:80", "/", "https://box.example/", 308},
		{"GET", "[2001:db8::1]:80", "/", "https://[2001:db8::1]/", 308},
		{"HEAD", "192.0.2.1", "/", "https://192.0.2.1/", 308},
		{"GET", "attacker.example", "/", "", 421},
		{"POST", "box.example", "/login", "", 405},
	} {
		if code, to := get(c.method, c.host, c.path); code != c.code || to != c.to {
			t.Errorf("%s %s%s: %d %s", c.method, c.host, c.path, code, to)
		}
	}
}

type recorder struct {
	header http.Header
	code   int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(code int)        { r.code = code }

// The key of the certificate is sbcd's: a handshake is signed there.
// A stranger on one connection has a bounded number of requests.
func TestAConnectionHasSoManyStreams(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	r := newRigWith(t, key, wire.WebSettings{Port: freePort(t), Addresses: []netip.Addr{loopback}})
	c, err := tls.Dial("tcp", netip.AddrPortFrom(loopback, r.now.Load().Port).String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	head := make([]byte, 9) // of the settings of the server (RFC 9113, 4.1)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	settings := make([]byte, int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(c, settings); err != nil {
		t.Fatal(err)
	}
	for ; len(settings) >= 6; settings = settings[6:] {
		if settings[1] == 3 && binary.BigEndian.Uint32(settings[2:]) == maxStreams { // SETTINGS_MAX_CONCURRENT_STREAMS
			return
		}
	}
	t.Error("the number of streams is not bounded as it should be")
}

func TestHandshakeIsSignedBySBCD(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	for _, r := range []*rig{
		newRigWith(t, ec, wire.WebSettings{Port: freePort(t), Addresses: []netip.Addr{loopback}}),
		newRigWith(t, rs, wire.WebSettings{Port: freePort(t), Redirect: freePort(t), Addresses: []netip.Addr{loopback}}),
	} {
		now := r.now.Load()
		at := netip.AddrPortFrom(loopback, now.Port).String()
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			if err != nil {
				t.Fatalf("%T, %s: %v", r.sbcd.key, tls.VersionName(version), err)
			}
			c.Close()
		}
		if _, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Error("TLS 1.1 is spoken")
		}
		sum := sha256.Sum256(now.Chain[0])
		if len(r.sbcd.signed) != 2 || !bytes.Equal(r.sbcd.signed[0].Leaf, sum[:]) {
			t.Errorf("%d signatures", len(r.sbcd.signed))
		}
		if now.Redirect != 0 {
			q := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			a, err := q.Get("http://" + netip.AddrPortFrom(loopback, now.Redirect).String() + "/who")
			if err != nil || a.StatusCode != 308 || a.Header.Get("Location") != "https://"+at+"/who" {
				t.Errorf("%v %v", a, err)
			}
			if a != nil {
				a.Body.Close()
			}
		}
		r.Apply(nil)
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
			t.Error("it listens although nobody asks for it any more")
		}
	}
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// Connections without a session give way, those with one do not.
func TestStrangersDoNotTakeAllPlaces(t *testing.T) {
	var p places
	connection := func(from string) *placed { return p.take(&fakeConn{from: netip.MustParseAddrPort(from)}) }
	mine := connection("192.0.2.7:1")
	mine.inside = true
	at := netip.MustParseAddr("198.51.100.1")
	for range 10 {
		for port := range 2 * maxOfSource {
			connection(netip.AddrPortFrom(at, uint16(1000+port)).String())
		}
		at = at.Next()
	}
	if !p.taken[mine] || mine.Conn.(*fakeConn).closed {
		t.Error("a connection with a session has given way")
	}
	if len(p.taken) > maxConnections {
		t.Errorf("%d connections", len(p.taken))
	}
	late := connection("192.0.2.8:1")
	if late == nil || !p.taken[late] {
		t.Error("who comes late does not get in")
	}
	for c := range p.taken {
		c.Close()
	}
	if len(p.taken) != 0 {
		t.Errorf("%d places are left", len(p.taken))
	}
}

type fakeConn struct {
	net.Conn
	from   netip.AddrPort
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }
func (c *fakeConn) Close() error {
	c.closed = true
	return nil
}

// A source that tries passwords, or is banned, leaves the login to others.
func TestOneSourceDoesNotTakeAllLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logins
		eve, ada := netip.MustParseAddr("192.0.2.66"), netip.MustParseAddr("192.0.2.7")
		var ends []func()
		for n := range maxLogins {
			end, ok := l.begin(t.Context(), eve)
			if ok != (n < maxLoginsOfOne) {
				t.Errorf("login %d: %v", n, ok)
			}
			if ok {
				ends = append(ends, end)
			}
		}
		end, ok := l.begin(t.Context(), ada)
		if !ok {
			t.Fatal("another source finds no place")
		}
		time.AfterFunc(waitForOneLogin/2, ends[0])
		again, ok := l.begin(t.Context(), eve)
		if !ok {
			t.Error("a place that becomes free is not taken")
		}
		end()
		end()
		again()
		ends[1]()
		if l.all != 0 || len(l.of) != 0 {
			t.Errorf("%d logins are left", l.all)
		}
	})
}
