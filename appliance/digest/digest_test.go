package digest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/sipmsg"

	oracle "github.com/icholy/digest"
)

var (
	start = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	phone = netip.MustParseAddr("10.108.2.51")
)

const (
	realm = "10.108.2.1"
	uri   = "sip:10.108.2.1"
)

var space = Space{realm, true}

func passwords(user string) (string, bool) {
	p, ok := map[string]string{"21": "hush", `a"b\c`: "qu\"ote"}[user]
	return p, ok
}

// answer is what a client that others have written says to a challenge.
func answer(t testing.TB, challenge, user, password string, count int) string {
	t.Helper()
	c, err := oracle.ParseChallenge(challenge)
	if err != nil {
		t.Fatalf("%s: %v", challenge, err)
	}
	cred, err := oracle.Digest(c, oracle.Options{Method: "REGISTER", URI: uri, Username: user, Password: password, Count: count, Cnonce: "0a4f113b"})
	if err != nil {
		t.Fatal(err)
	}
	return cred.String()
}

// world is a server whose time passes as the test says.
type world struct {
	*Server
	t   testing.TB
	now time.Time
}

func newWorld(t testing.TB) *world { return &world{New(start), t, start} }

func (w *world) judge(value string) Verdict {
	_, v := w.Judge([]string{value}, Request{"REGISTER", uri, phone}, space, passwords, w.now)
	return v
}

func (w *world) challenge() []string { return w.Challenges(space, phone, false, w.now) }

func (w *world) wants(value string, want Verdict) {
	w.t.Helper()
	if got := w.judge(value); got != want {
		w.t.Errorf("%s: %v, not %v", value, got, want)
	}
}

// Two clients that are not of this package get in with either algorithm, and each takes the stronger one of two fields.
func TestClientsGetIn(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{"SHA-256", "MD5"} {
		value := w.challenge()[i]
		if !strings.Contains(value, "algorithm="+name+",") {
			t.Errorf("challenge %d is %s", i, value)
		}
		w.wants(answer(t, value, "21", "hush", 1), Right)
	}
	text := "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 10.108.2.51;branch=z9hG4bK1\r\nFrom: <sip:21@x>;tag=1\r\nTo: <sip:21@x>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n"
	for _, c := range w.challenge() {
		text += "WWW-Authenticate: " + c + "\r\n"
	}
	head, body, f := sipmsg.FrameDatagram([]byte(text + "Content-Length: 0\r\n\r\n"))
	res := sipmsg.Parse(head, body, f, netip.AddrPort{}).Response
	a := sipmsg.NewAuthenticator("21", "hush")
	if err := a.Challenged(res); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h := a.Credentials("REGISTER", uri, nil)[0]
		if !strings.Contains(h.Value, "algorithm=SHA-256") {
			t.Errorf("it answered %s", h.Value)
		}
		w.wants(h.Value, Right)
	}
}

// SHA-256 counts only where it is offered.
func TestMD5Alone(t *testing.T) {
	w := newWorld(t)
	plain := Space{realm, false}
	list := w.Challenges(plain, phone, false, start)
	if len(list) != 1 || !strings.Contains(list[0], "algorithm=MD5,") {
		t.Errorf("%q", list)
	}
	for _, x := range []struct {
		value string
		want  Verdict
	}{{answer(t, list[0], "21", "hush", 1), Right}, {answer(t, w.challenge()[0], "21", "hush", 1), Missing}} {
		if _, v := w.Judge([]string{x.value}, Request{"REGISTER", uri, phone}, plain, passwords, start); v != x.want {
			t.Errorf("%s: %v, not %v", x.value, v, x.want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	w := newWorld(t)
	sound := answer(t, w.challenge()[1], "21", "hush", 1)
	for name, value := range map[string]struct {
		text string
		want Verdict
	}{
		"another password":        {answer(t, w.challenge()[1], "21", "hush ", 1), Wrong},
		"no such user":            {answer(t, w.challenge()[1], "22", "hush", 1), Wrong},
		"a user with quotes":      {answer(t, w.challenge()[0], `a"b\c`, `qu"ote`, 1), Right},
		"another realm":           {answer(t, w.Challenges(Space{"pbx", true}, phone, false, start)[0], "21", "hush", 1), Missing},
		"another address":         {answer(t, w.Challenges(space, phone.Next(), false, start)[0], "21", "hush", 1), Stale},
		"another server":          {answer(t, New(start).Challenges(space, phone, false, start)[0], "21", "hush", 1), Stale},
		"another address, wrong":  {answer(t, w.Challenges(space, phone.Next(), false, start)[0], "21", "guess", 1), Stale},
		"another server, wrong":   {answer(t, New(start).Challenges(space, phone, false, start)[0], "21", "guess", 1), Stale},
		"nonce of the other hash": {answer(t, strings.Replace(w.challenge()[0], "SHA-256", "MD5", 1), "21", "hush", 1), Stale},
		"another scheme":          {"Basic MjE6aHVzaA==", Missing},
		"nothing":                 {"", Missing},
		"no scheme":               {strings.TrimPrefix(sound, "Digest "), Missing},
		"another request":         {strings.Replace(sound, uri, "sip:10.108.2.2", 1), Malformed},
		"another user in the URI": {strings.Replace(sound, uri, "sip:21@10.108.2.1", 1), Malformed},
		"a parameter twice":       {sound + `, nc=00000002`, Malformed},
		"qop auth-int":            {strings.Replace(sound, "qop=auth", "qop=auth-int", 1), Malformed},
		"another algorithm":       {strings.Replace(sound, "algorithm=MD5", "algorithm=MD5-sess", 1), Malformed},
		"no algorithm is MD5":     {strings.Replace(sound, ", algorithm=MD5", "", 1), Right},
		"count 0":                 {strings.Replace(sound, "nc=00000001", "nc=00000000", 1), Malformed},
		"count of 7 digits":       {strings.Replace(sound, "nc=00000001", "nc=0000001", 1), Malformed},
		"another count":           {strings.Replace(sound, "nc=00000001", "nc=00000002", 1), Wrong},
		"a quote is missing":      {strings.Replace(sound, `uri="`+uri+`"`, `uri="`+uri, 1), Malformed},
		"hashed user":             {strings.Replace(sound, "username=", "username*=", 1), Malformed},
		"too long":                {sound + `, opaque="` + strings.Repeat("x", maxValue) + `"`, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.judge(value.text); got != value.want {
				t.Errorf("%s: %v, not %v", value.text, got, value.want)
			}
		})
	}
	if _, v := w.Judge(slices.Repeat([]string{"Basic x"}, maxValues+1), Request{"REGISTER", uri, phone}, space, passwords, start); v != Malformed {
		t.Errorf("%d fields are %v", maxValues+1, v)
	}
	// The field for the realm counts, wherever it stands; the port of the scheme may be left out.
	values := []string{"Basic x", answer(t, w.Challenges(Space{"pbx", true}, phone, false, start)[0], "21", "hush", 1), answer(t, w.challenge()[0], "21", "hush", 1)}
	if user, v := w.Judge(values, Request{"REGISTER", "sip:10.108.2.1:5060;transport=udp", phone}, space, passwords, start); v != Right || user != "21" {
		t.Errorf("the third field is %v of %q", v, user)
	}
}

func TestNonceServesItsTimeAndEachCountOnce(t *testing.T) {
	w := newWorld(t)
	c := w.challenge()[0]
	w.wants(answer(t, c, "21", "hush", 1), Right)
	w.wants(answer(t, c, "21", "hush", 1), Stale)
	w.wants(answer(t, c, "21", "wrong", 1), Wrong)
	w.now = start.Add(Lifetime)
	w.wants(answer(t, c, "21", "hush", 2), Right)
	w.now = start.Add(Lifetime + time.Second)
	w.wants(answer(t, c, "21", "hush", 3), Stale)
	w.wants(answer(t, c, "21", "wrong", 4), Wrong)
	if c := w.Challenges(space, phone, true, w.now)[1]; !strings.HasSuffix(c, ", stale=true") {
		t.Error(c)
	}

	old := strings.Replace(w.challenge()[1], `, qop="auth"`, "", 1) // as phones of RFC 2069 read it
	w.wants(answer(t, old, "21", "hush", 1), Right)
	w.wants(answer(t, old, "21", "hush", 1), Stale)
}

// The window is compared with a set.
func TestCountsAgainstASet(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var u uses
		seen, top := map[uint32]bool{}, uint32(0)
		for range 500 {
			n := max(1, r.Uint32N(300))
			if top > 100 && r.IntN(3) == 0 {
				n = top - r.Uint32N(70)
			}
			want := !seen[n] && (n > top || top-n < window)
			if got := u.take(n); got != want {
				t.Fatalf("seed %d: count %d with %d the highest is taken: %v", seed, n, top, got)
			}
			seen[n], top = seen[n] || want, max(top, n)
		}
	}
}

// Whoever has a password cannot make us keep more, nor use a forgotten nonce again.
func TestForgottenNoncesAreStale(t *testing.T) {
	w := newWorld(t)
	first := w.challenge()[1]
	w.wants(answer(t, first, "21", "hush", 1), Right)
	unused := w.challenge()[1]
	for range maxUsed + 1 {
		w.wants(answer(t, w.challenge()[1], "21", "hush", 1), Right)
	}
	if len(w.used) > maxUsed {
		t.Errorf("%d nonces are kept", len(w.used))
	}
	w.wants(answer(t, first, "21", "hush", 1), Stale)
	w.wants(answer(t, unused, "21", "hush", 1), Stale)
	w.now = start.Add(Lifetime + time.Second)
	for range maxUsed {
		w.wants(answer(t, w.challenge()[1], "21", "hush", 1), Right)
	}
	if len(w.used) > maxUsed {
		t.Errorf("%d nonces are kept", len(w.used))
	}
}

func FuzzRead(f *testing.F) {
	w := newWorld(f)
	for _, c := range w.challenge() {
		f.Add(answer(f, c, "21", "hush", 1))
	}
	f.Add(`Digest username="21", realm="10.108.2.1", nonce="", uri=sip:10.108.2.1, response=x, nc=1, qop=auth`)
	f.Add(`Digest =,=`)
	f.Fuzz(func(t *testing.T, value string) {
		c, v := read(value)
		if v == Right && (c.user == "" || c.count == 0 || c.algorithm.hash == nil) {
			t.Errorf("%q: %+v", value, c)
		}
		if w.judge(value) == Right && !strings.Contains(strings.ToLower(value), c.expected("REGISTER", "hush")) {
			t.Errorf("%q got in", value)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	for i, a := range algorithms {
		b.Run(a.name, func(b *testing.B) {
			w := newWorld(b)
			a := sipmsg.NewAuthenticator("21", "hush")
			text := fmt.Sprintf("SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: %s\r\n\r\n", w.challenge()[i])
			head, body, f := sipmsg.FrameDatagram([]byte(text))
			if err := a.Challenged(sipmsg.Parse(head, body, f, netip.AddrPort{}).Response); err != nil {
				b.Fatal(err)
			}
			values := make([]string, b.N)
			for n := range values {
				values[n] = a.Credentials("REGISTER", uri, nil)[0].Value
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, v := range values {
				if w.judge(v) != Right {
					b.Fatal(v)
				}
			}
		})
	}
}
