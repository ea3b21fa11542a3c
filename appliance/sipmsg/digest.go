package sipmsg

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Digest authentication of our requests: RFC 3261 section 22, RFC 2617, RFC 7616, RFC 8760.
//
// The usual way of a request that may be challenged:
//
//	a.Authorize(req)                     // nothing yet, or the nonce of the request before
//	res := send(req)
//	for res.StatusCode is 401 or 407 {
//		if a.Challenged(res) != nil { give up }
//		a.Authorize(req)                 // with a new CSeq and branch
//		res = send(req)
//	}
//	a.Accepted()

var (
	// ErrNoAccount: the peer wants credentials and the configuration has none for the identity.
	ErrNoAccount = errors.New("credentials wanted, but the identity has no account")
	// ErrRefused: the peer does not take the user name and password.
	ErrRefused = errors.New("user name or password refused")
	// ErrNoChallenge: a 401 or 407 that we cannot answer.
	ErrNoChallenge = errors.New("no challenge that we can answer")
)

// Authenticator answers the challenges that come to the requests of one registration or one leg. It belongs to one goroutine.
type Authenticator struct {
	user, password string
	nonces         []*nonce // one per protection space that has challenged us, in the order of their first challenge
}

// nonce is a challenge that we can answer, and how it was used.
type nonce struct {
	proxy  bool // from Proxy-Authenticate
	c      challenge
	cnonce string
	count  uint32 // requests that were authorized with it: the nonce count (nc)
	proven bool   // it was accepted
	stale  bool   // it came in place of a stale one
}

// NewAuthenticator returns an authenticator with an account. Without an account (user is "") every challenge gives ErrNoAccount.
func NewAuthenticator(user, password string) *Authenticator {
	return &Authenticator{user: user, password: password}
}

// Again returns an authenticator with the same account that nobody has challenged.
func (a *Authenticator) Again() *Authenticator { return NewAuthenticator(a.user, a.password) }

// Challenged reads the challenges of a 401 or 407. An error means that another try makes no sense: ErrNoAccount, ErrRefused, ErrNoChallenge.
func (a *Authenticator) Challenged(res *Response) error {
	fresh := supported(res.Headers("WWW-Authenticate"), false)
	fresh = append(fresh, supported(res.Headers("Proxy-Authenticate"), true)...)
	if len(fresh) == 0 {
		return ErrNoChallenge
	}
	if a.user == "" {
		return ErrNoAccount
	}
	for _, n := range fresh {
		i := slices.IndexFunc(a.nonces, func(o *nonce) bool { return o.proxy == n.proxy && o.c.realm == n.c.realm })
		if i < 0 {
			a.nonces = append(a.nonces, n)
			continue
		}
		// We have answered this space before. A nonce that is merely too old is replaced once; servers that do not say so get
		// the benefit of the doubt when the old nonce had worked. Everything else is a wrong password, and repeating it gets
		// us banned.
		old := a.nonces[i]
		switch {
		case old.count == 0:
		case old.stale && !old.proven, !n.c.stale && !old.proven:
			return ErrRefused
		default:
			n.stale = true
		}
		a.nonces[i] = n
	}
	return nil
}

// Accepted notes that the peer accepted the last authorized request.
func (a *Authenticator) Accepted() {
	for _, n := range a.nonces {
		n.proven = n.count > 0
	}
}

// Nonce is a challenge that has been answered, as another box can go on with it.
type Nonce struct {
	Proxy     bool     `json:"proxy,omitempty"` // from Proxy-Authenticate
	Realm     string   `json:"realm"`
	Nonce     string   `json:"nonce"`
	Opaque    string   `json:"opaque,omitempty"`
	HasOpaque bool     `json:"hasOpaque,omitempty"`
	Algorithm string   `json:"algorithm,omitempty"`
	QOP       []string `json:"qop,omitempty"`
	Cnonce    string   `json:"cnonce"`
	Count     uint32   `json:"count"` // requests that were authorized with it
	Proven    bool     `json:"proven,omitempty"`
}

// Nonces are the challenges that have been answered.
func (a *Authenticator) Nonces() (list []Nonce) {
	for _, n := range a.nonces {
		list = append(list, Nonce{Proxy: n.proxy, Realm: n.c.realm, Nonce: n.c.nonce, Opaque: n.c.opaque, HasOpaque: n.c.hasOpaque, Algorithm: n.c.algorithm,
			QOP: n.c.qop, Cnonce: n.cnonce, Count: n.count, Proven: n.proven})
	}
	return list
}

// Resume goes on with challenges of Nonces. Their counts skip ahead, because requests may have left since then, and a server takes no count twice.
func (a *Authenticator) Resume(list []Nonce) {
	const ahead = 32
	a.nonces = nil
	for _, x := range list {
		n := &nonce{proxy: x.Proxy, cnonce: x.Cnonce, count: x.Count + ahead, proven: x.Proven,
			c: challenge{realm: x.Realm, nonce: x.Nonce, opaque: x.Opaque, hasOpaque: x.HasOpaque, algorithm: x.Algorithm, qop: x.QOP, hasQOP: x.QOP != nil}}
		if n.c.supported() {
			a.nonces = append(a.nonces, n)
		}
	}
}

// Reset forgets every challenge, so that the next request is challenged anew.
func (a *Authenticator) Reset() { a.nonces = nil }

// Authorize puts credentials into a request, for every protection space that has challenged us. They replace those in the request.
func (a *Authenticator) Authorize(req *sip.Request) {
	for req.RemoveHeader("Authorization") || req.RemoveHeader("Proxy-Authorization") {
	}
	for _, h := range a.Credentials(string(req.Method), req.Recipient.String(), req.Body()) {
		req.AppendHeader(sip.NewHeader(h.Name, h.Value))
	}
}

// Credentials are the header fields that authorize a request. uri is the Request-URI as it is sent.
func (a *Authenticator) Credentials(method, uri string, body []byte) []Header {
	var list []Header
	for _, n := range a.nonces {
		if n.cnonce == "" {
			n.cnonce = rand.Text()
		}
		n.count++
		h := Header{Name: "Authorization", Value: n.credentials(a.user, a.password, method, uri, body)}
		if n.proxy {
			h.Name = "Proxy-Authorization"
		}
		list = append(list, h)
	}
	return list
}

// credentials is the value of an Authorization header (RFC 7616 section 3.4). It quotes exactly the parameters that the RFC quotes, because
// some servers take quotes as part of the value of qop, nc and algorithm.
func (n *nonce) credentials(user, password, method, uri string, body []byte) string {
	c, qop := n.c, n.c.quality()
	sum := func(s string) string {
		h := c.hash()()
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil))
	}
	a1 := sum(user + ":" + c.realm + ":" + password)
	if c.session() {
		a1 = sum(a1 + ":" + c.nonce + ":" + n.cnonce)
	}
	a2 := method + ":" + uri
	if qop == "auth-int" {
		a2 += ":" + sum(string(body))
	}
	a2 = sum(a2)

	var b strings.Builder
	fmt.Fprintf(&b, "Digest username=%s, realm=%s, nonce=%s, uri=%s", Quote(user), Quote(c.realm), Quote(c.nonce), Quote(uri))
	if qop == "" {
		fmt.Fprintf(&b, `, response="%s"`, sum(a1+":"+c.nonce+":"+a2))
	} else {
		nc := fmt.Sprintf("%08x", n.count)
		fmt.Fprintf(&b, `, response="%s", cnonce="%s", qop=%s, nc=%s`,
			sum(strings.Join([]string{a1, c.nonce, nc, n.cnonce, qop, a2}, ":")), n.cnonce, qop, nc)
	}
	if c.algorithm != "" {
		b.WriteString(", algorithm=" + c.algorithm)
	}
	if c.hasOpaque {
		b.WriteString(", opaque=" + Quote(c.opaque))
	}
	return b.String()
}

// challenge is one Digest challenge.
type challenge struct {
	realm, nonce, opaque string
	algorithm            string // as the server wrote it; "" is MD5
	qop                  []string
	hasQOP, hasOpaque    bool
	stale                bool
}

var hashes = map[string]func() hash.Hash{"": md5.New, "md5": md5.New, "sha-256": sha256.New, "sha-512-256": sha512.New512_256}

// hash is the hash function of the algorithm; nil: not supported.
func (c challenge) hash() func() hash.Hash {
	return hashes[strings.TrimSuffix(strings.ToLower(c.algorithm), "-sess")]
}

// session tells whether the algorithm is of the -sess kind, which hashes the cnonce in and so needs a qop.
func (c challenge) session() bool { return strings.HasSuffix(strings.ToLower(c.algorithm), "-sess") }

// quality is the qop that we answer with: auth before auth-int; "" for a challenge of RFC 2069, which has none.
func (c challenge) quality() string {
	for _, q := range []string{"auth", "auth-int"} {
		if slices.Contains(c.qop, q) {
			return q
		}
	}
	return ""
}

// supported tells whether we can answer.
func (c challenge) supported() bool {
	return c.nonce != "" && c.hash() != nil && (c.quality() != "" || !c.hasQOP && !c.session())
}

// supported picks, for each realm, the first challenge that we can answer: servers list them by preference (RFC 8760 section 2.4).
func supported(values []string, proxy bool) []*nonce {
	var list []*nonce
	for _, v := range values {
		for _, c := range parseChallenges(v) {
			if c.supported() && !slices.ContainsFunc(list, func(n *nonce) bool { return n.c.realm == c.realm }) {
				list = append(list, &nonce{proxy: proxy, c: c})
			}
		}
	}
	return list
}

// parseChallenges reads the Digest challenges of a WWW-Authenticate or Proxy-Authenticate header. SIP has one in a header
// (RFC 3261 section 7.3.1), but HTTP's several, separated by the same comma as their parameters, are understood. Challenges of
// other schemes and broken ones are left out.
func parseChallenges(v string) []challenge {
	var list []challenge
	var c *challenge
	for {
		word, value, rest, param := AuthWord(v)
		switch v = rest; {
		case word == "":
			return list // the end, or nothing that can be understood
		case param:
			if c != nil {
				c.set(strings.ToLower(word), value)
			}
		default:
			c = nil
			if strings.EqualFold(word, "Digest") {
				list = append(list, challenge{})
				c = &list[len(list)-1]
			}
		}
	}
}

// AuthWord reads the next word of a challenge or of credentials: a parameter with its value, unquoted, or a scheme. The word is empty at the
// end, and where nothing can be understood.
func AuthWord(v string) (word, value, rest string, param bool) {
	v = strings.TrimLeft(v, " \t,")
	word = v[:len(v)-len(strings.TrimLeft(v, tokenChars))]
	rest, param = strings.CutPrefix(strings.TrimLeft(v[len(word):], " \t"), "=")
	if param {
		value, rest = paramValue(strings.TrimLeft(rest, " \t"))
	}
	return word, value, rest, param
}

// tokenChars is what a token consists of (RFC 3261 section 25.1), and the characters of unquoted values seen in the wild.
const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~/:@"

// paramValue reads a token or a quoted string at the start of v.
func paramValue(v string) (value, rest string) {
	if !strings.HasPrefix(v, `"`) {
		rest = strings.TrimLeft(v, tokenChars)
		return v[:len(v)-len(rest)], rest
	}
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return unquote(v[:i+1]), v[i+1:]
		}
	}
	return "", "" // the closing quote is missing
}

func (c *challenge) set(name, value string) {
	switch name {
	case "realm":
		c.realm = value
	case "nonce":
		c.nonce = value
	case "opaque":
		c.opaque, c.hasOpaque = value, true
	case "algorithm":
		c.algorithm = value
	case "stale":
		c.stale = strings.EqualFold(value, "true")
	case "qop":
		c.hasQOP = true
		for q := range strings.SplitSeq(value, ",") {
			c.qop = append(c.qop, strings.ToLower(strings.TrimSpace(q)))
		}
	}
}
