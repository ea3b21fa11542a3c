package sipmsg

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	oracle "github.com/icholy/digest"
)

// param reads a parameter of an Authorization value as it was written, quotes included.
func param(v, name string) string {
	for _, p := range SplitList(strings.TrimPrefix(v, "Digest ")) {
		if k, x, _ := strings.Cut(p, "="); k == name {
			return x
		}
	}
	return ""
}

// challengeFrom is a 401 with WWW-Authenticate values, or a 407 with Proxy-Authenticate ones.
func challengeFrom(code int, values ...string) *Response {
	res := &Response{StatusCode: code}
	name := map[int]string{401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[code]
	for _, v := range values {
		res.headers = append(res.headers, sip.NewHeader(name, v))
	}
	return res
}

func TestDigestVectors(t *testing.T) {
	const rfc7616 = `realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ` +
		`opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	for _, tc := range []struct {
		name, challenge, user, password, uri, cnonce, response string
	}{
		{"RFC 2617 3.5", `Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"Mufasa", "Circle Of Life", "/dir/index.html", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
		{"without qop, as RFC 2069", `Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"Mufasa", "Circle Of Life", "/dir/index.html", "unused", "670fd8c2df070c60b045671b8b24ff02"},
		{"RFC 7616 3.9.1 MD5", "Digest " + rfc7616 + ", algorithm=MD5",
			"Mufasa", "Circle of Life", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
		{"RFC 7616 3.9.1 SHA-256", "Digest " + rfc7616 + ", algorithm=SHA-256",
			"Mufasa", "Circle of Life", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{"RFC 7616 3.9.2 SHA-512-256, erratum 4897", `Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, ` +
			`nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true`,
			"J\u00e4s\u00f8n Doe", "Secret, or not?", "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
			"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := NewAuthenticator(tc.user, tc.password)
			if err := a.Challenged(challengeFrom(401, tc.challenge)); err != nil {
				t.Fatal(err)
			}
			a.nonces[0].cnonce = tc.cnonce
			h := a.Credentials("GET", tc.uri, nil)
			if len(h) != 1 || param(h[0].Value, "response") != `"`+tc.response+`"` {
				t.Errorf("%v", h)
			}
		})
	}
}

func TestDigestAgreesWithAnotherImplementation(t *testing.T) {
	for _, algorithm := range []string{"", "MD5", "md5", "SHA-256", "SHA-512-256"} {
		for _, qop := range []string{"auth", "auth-int", "auth-int,auth", ""} {
			c := `Digest realm="asterisk", nonce="1764/\"n", opaque=""`
			if algorithm != "" {
				c += ", algorithm=" + algorithm
			}
			if qop != "" {
				c += `, qop="` + qop + `"`
			}
			a := NewAuthenticator("user.01", `p"a\s:s`)
			err := a.Challenged(challengeFrom(401, c))
			if err != nil {
				t.Fatal(c, err)
			}
			got := a.Credentials("REGISTER", "sip:starface.example", []byte("body"))[0].Value
			cnonce := strings.Trim(param(got, "cnonce"), `"`)
			chosen := param(got, "qop")
			if wants := map[string]string{"auth": "auth", "auth-int": "auth-int", "auth-int,auth": "auth", "": ""}[qop]; chosen != wants {
				t.Errorf("%s: qop %s", c, chosen)
			}
			other := &oracle.Challenge{Realm: "asterisk", Nonce: `1764/"n`, Algorithm: strings.ToUpper(algorithm)}
			if chosen != "" {
				other.QOP = []string{chosen}
			}
			want, err := oracle.Digest(other, oracle.Options{Method: "REGISTER", URI: "sip:starface.example", Username: "user.01", Password: `p"a\s:s`,
				Cnonce: cnonce, Count: 1, GetBody: func() (r io.ReadCloser, err error) { return io.NopCloser(strings.NewReader("body")), nil }})
			if err != nil {
				t.Fatal(c, err)
			}
			if param(got, "response") != `"`+want.Response+`"` {
				t.Errorf("%s: %s, want response %s", c, got, want.Response)
			}
		}
	}
}

// A1 of the -sess algorithms holds the nonces too (RFC 7616 section 3.4.2).
func TestDigestOfASession(t *testing.T) {
	sum := func(format string, a ...any) string {
		return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, format, a...)))
	}
	a := NewAuthenticator("user", "pw")
	if err := a.Challenged(challengeFrom(401, `Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256-sess`)); err != nil {
		t.Fatal(err)
	}
	a.nonces[0].cnonce = "c"
	a1 := sum("%s:n:c", sum("user:r:pw"))
	for nc := 1; nc < 3; nc++ {
		want := sum("%s:n:%08x:c:auth:%s", a1, nc, sum("REGISTER:sip:x"))
		if got := a.Credentials("REGISTER", "sip:x", nil)[0].Value; param(got, "response") != `"`+want+`"` {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if err := a.Challenged(challengeFrom(401, `Digest realm="s", nonce="n", algorithm=MD5-sess`)); !errors.Is(err, ErrNoChallenge) {
		t.Errorf("without qop there is no cnonce to hash in: %v", err)
	}
}

func TestDigestQuoting(t *testing.T) {
	a := NewAuthenticator(`us"er`, "x")
	if err := a.Challenged(challengeFrom(407, `Digest realm="a \"b\" \\ c", nonce="n,1", qop="auth", algorithm="MD5", opaque="o", stale=FALSE, domain="sip:x"`)); err != nil {
		t.Fatal(err)
	}
	h := a.Credentials("INVITE", "sip:+49@pbx.test;user=phone", nil)
	if len(h) != 1 || h[0].Name != "Proxy-Authorization" {
		t.Fatal(h)
	}
	for name, want := range map[string]string{
		"username": `"us\"er"`, "realm": `"a \"b\" \\ c"`, "nonce": `"n,1"`, "uri": `"sip:+49@pbx.test;user=phone"`, "opaque": `"o"`,
		"qop": "auth", "nc": "00000001", "algorithm": "MD5",
	} {
		if got := param(h[0].Value, name); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	if c := param(h[0].Value, "cnonce"); len(c) < 20 || !strings.HasPrefix(c, `"`) {
		t.Errorf("cnonce=%s", c)
	}
}

func TestChallengesInOneResponse(t *testing.T) {
	const md5, sha = `Digest realm="asterisk", nonce="m", algorithm=MD5, qop="auth"`, `Digest realm="asterisk", nonce="s", algorithm=SHA-256, qop="auth"`
	const odd = `Digest realm="asterisk", nonce="o", algorithm=SHA3-256, qop="auth"`
	for _, tc := range []struct {
		name   string
		values []string
		want   string // nonces answered
	}{
		{"the first is chosen", []string{sha, md5}, "s"},
		{"the first is chosen, whichever", []string{md5, sha}, "m"},
		{"an unknown algorithm is passed over", []string{odd, md5}, "m"},
		{"an unknown qop is passed over", []string{`Digest realm="asterisk", nonce="q", qop="auth-conf"`, md5}, "m"},
		{"another scheme is passed over", []string{`Basic realm="asterisk"`, `Bearer scope="x"`, md5}, "m"},
		{"all in one header", []string{odd + ", " + sha + ", " + md5}, "s"},
		{"Basic before Digest in one header", []string{`Basic realm="asterisk", ` + md5}, "m"},
		{"two realms are both answered", []string{md5, `Digest realm="other", nonce="x"`}, "m x"},
		{"no quotes, odd spaces and case", []string{"DIGEST  Realm = asterisk ,NONCE=abc , QOP=AUTH,, algorithm = md5"}, "abc"},
		{"nothing that we can answer", []string{odd}, ""},
		{"no nonce", []string{`Digest realm="asterisk"`}, ""},
		{"an open quote", []string{`Digest realm="asterisk, nonce="x`}, ""},
		{"nonsense", []string{"", ",,,", "=", `"`, "Digest", "\xff\xfe"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := NewAuthenticator("u", "p")
			err := a.Challenged(challengeFrom(401, tc.values...))
			var got []string
			for _, h := range a.Credentials("REGISTER", "sip:x", nil) {
				got = append(got, strings.Trim(param(h.Value, "nonce"), `"`))
			}
			if s := strings.Join(got, " "); s != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("answered %q, error %v; want %q", s, err, tc.want)
			}
		})
	}
}

func TestChallengeAfterChallenge(t *testing.T) {
	const stale = ", stale=true"
	nonce := func(n string) string { return fmt.Sprintf(`Digest realm="asterisk", nonce="%s", qop="auth"`, n) }
	type step struct {
		value string // of a 401; "ok": accepted
		want  error
		nc    string // of the request that follows
	}
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"wrong password", []step{{nonce("1"), nil, "00000001"}, {nonce("2"), ErrRefused, ""}}},
		{"wrong password, same nonce", []step{{nonce("1"), nil, "00000001"}, {nonce("1"), ErrRefused, ""}}},
		{"stale once", []step{{nonce("1"), nil, "00000001"}, {nonce("2") + stale, nil, "00000001"}, {"ok", nil, "00000002"}}},
		{"stale for ever", []step{{nonce("1"), nil, "00000001"}, {nonce("2") + stale, nil, "00000001"}, {nonce("3") + stale, ErrRefused, ""}}},
		{"the nonce is used again and counted", []step{{nonce("1"), nil, "00000001"}, {"ok", nil, "00000002"}, {"ok", nil, "00000003"}}},
		{"stale later", []step{{nonce("1"), nil, "00000001"}, {"ok", nil, "00000002"}, {nonce("2") + stale, nil, "00000001"}, {"ok", nil, "00000002"},
			{nonce("3") + stale, nil, "00000001"}}},
		{"expired without saying so", []step{{nonce("1"), nil, "00000001"}, {"ok", nil, "00000002"}, {nonce("2"), nil, "00000001"}, {nonce("3"), ErrRefused, ""}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := NewAuthenticator("u", "p")
			for i, s := range tc.steps {
				if s.value == "ok" {
					a.Accepted()
				} else if err := a.Challenged(challengeFrom(401, s.value)); !errors.Is(err, s.want) {
					t.Fatalf("step %d: %v, want %v", i, err, s.want)
				}
				if s.want != nil {
					return
				}
				if h := a.Credentials("REGISTER", "sip:x", nil); param(h[0].Value, "nc") != s.nc {
					t.Fatalf("step %d: %s, want nc %s", i, h[0].Value, s.nc)
				}
			}
		})
	}
	if err := NewAuthenticator("", "").Challenged(challengeFrom(401, nonce("1"))); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
}

func TestRegistrarAndProxyAreBothAnswered(t *testing.T) {
	a := NewAuthenticator("u", "p")
	if err := a.Challenged(challengeFrom(407, `Digest realm="edge", nonce="e"`)); err != nil {
		t.Fatal(err)
	}
	if err := a.Challenged(challengeFrom(401, `Digest realm="edge", nonce="r"`)); err != nil {
		t.Fatal(err)
	}
	req, err := NewRequest("REGISTER", "sip:pbx.test", []Header{{"From", "<sip:u@pbx.test>;tag=1"}}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second replaces the first
		a.Authorize(req)
	}
	www, proxy := Values(req.Headers(), "Authorization"), Values(req.Headers(), "Proxy-Authorization")
	if len(www) != 1 || len(proxy) != 1 || param(www[0], "nonce") != `"r"` || param(proxy[0], "nonce") != `"e"` || param(www[0], "uri") != `"sip:pbx.test"` {
		t.Error(www, proxy)
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="asterisk",nonce="1764/abc",opaque="x",algorithm=MD5,qop="auth"`)
	f.Add(`Basic realm="x", Digest realm="a\"b", nonce=c, qop="auth-int,auth", stale=true`)
	f.Add(`Digest realm="open`)
	f.Fuzz(func(t *testing.T, v string) {
		a := NewAuthenticator("u", "p")
		if a.Challenged(challengeFrom(401, v)) != nil {
			return
		}
		for _, h := range a.Credentials("REGISTER", "sip:x", nil) {
			if !unclean(v) && unclean(h.Value) {
				t.Errorf("%q gives %q", v, h.Value)
			}
			again := parseChallenges(h.Value)
			if len(again) != 1 || again[0].nonce != a.nonces[0].c.nonce && len(a.nonces) == 1 {
				t.Errorf("%q gives %q", v, h.Value)
			}
		}
	})
}
