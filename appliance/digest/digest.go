// Package digest is the server's side of digest authentication (RFC 3261 22, RFC 7616, RFC 8760): challenges, and whether credentials answer
// one.
//
// It owns nonces: what is in one, for how long it is good, and which of its counts have been used. It does not own accounts, realms, nor what
// becomes of those who guess (package bans). The client's side is in package sipmsg. It has no goroutines; its methods may be called from any.
package digest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/sipmsg"
)

const (
	// Lifetime is how long a nonce is good. Whoever knows the password gets a new one at once then (stale), so it costs a message.
	Lifetime = 10 * time.Minute

	maxValue  = 2048 // octets of one field with credentials
	maxValues = 8    // of them in one request
	maxUsed   = 8192 // nonces whose counts are kept
	window    = 64   // counts below the highest one that may still come: requests overtake each other
	tagSize   = 12   // octets of a nonce that prove that it is ours
	nonceSize = 4 + 8 + tagSize
)

// Verdict is what credentials are worth.
type Verdict uint8

const (
	Missing   Verdict = iota // there are none for the realm: challenge
	Malformed                // they cannot be understood, or are for another request: 400
	Wrong                    // no such user, or another password
	Stale                    // the nonce was never given to this address, whatever the password is; or the password is right, and the nonce is not good any more: challenge with stale
	Right
)

var verdicts = [...]string{"missing", "malformed", "wrong", "stale", "right"}

func (v Verdict) String() string { return verdicts[v] }

// algorithm is one that is offered.
type algorithm struct {
	name string
	hash func() hash.Hash
}

// algorithms are offered in this order, the stronger first (RFC 8760 2.4). Phones before about 2020 know MD5 alone, and many of them answer
// nothing when there are two fields.
var algorithms = []algorithm{{"SHA-256", sha256.New}, {"MD5", md5.New}}

// offered are those that are offered with SHA-256 or without.
func offered(sha256 bool) []algorithm {
	if sha256 {
		return algorithms
	}
	return algorithms[1:]
}

// Space is a protection space: what a challenge is for.
type Space struct {
	Realm  string
	SHA256 bool // offered before MD5; false: MD5 alone
}

// Server challenges, and judges what comes back. Its nonces are good for it alone, so none outlives the process.
type Server struct {
	key   []byte
	start time.Time

	mu    sync.Mutex
	last  uint64          // number of the youngest nonce
	used  map[uint64]uses // by the number of the nonce: those that have proved a password
	floor uint64          // nonces up to this one are forgotten; what is not in used was used perhaps
}

// uses are the counts of a nonce that have been used.
type uses struct {
	top    uint32 // the highest
	seen   uint64 // bit n: top-n
	issued uint32 // seconds since the start
}

// New returns a server with a key of its own.
func New(now time.Time) *Server {
	s := &Server{key: make([]byte, sha256.Size), start: now, used: map[uint64]uses{}}
	rand.Read(s.key)
	return s
}

// Challenges are the values of WWW-Authenticate or Proxy-Authenticate, one field each, for a request that came from an address.
func (s *Server) Challenges(in Space, from netip.Addr, stale bool, now time.Time) (list []string) {
	s.mu.Lock()
	s.last++
	number := s.last
	s.mu.Unlock()
	for _, a := range offered(in.SHA256) {
		v := "Digest realm=" + sipmsg.Quote(in.Realm) + `, nonce="` + s.nonce(number, s.age(now), a, in.Realm, from) + `", algorithm=` + a.name + `, qop="auth"`
		if stale {
			v += ", stale=true"
		}
		list = append(list, v)
	}
	return list
}

// age is the time since the start in seconds. It is measured, not told by a clock that may be set.
func (s *Server) age(now time.Time) uint32 { return uint32(max(0, now.Sub(s.start)/time.Second)) }

// nonce is the text of a nonce: when it was issued, its number, and a tag over these and all that it is good for.
func (s *Server) nonce(number uint64, issued uint32, a algorithm, realm string, from netip.Addr) string {
	raw := make([]byte, 0, nonceSize)
	raw = binary.BigEndian.AppendUint32(raw, issued)
	raw = binary.BigEndian.AppendUint64(raw, number)
	mac := hmac.New(sha256.New, s.key)
	mac.Write(raw)
	mac.Write([]byte(a.name + " " + from.Unmap().String() + " " + realm))
	return base64.RawURLEncoding.EncodeToString(append(raw, mac.Sum(nil)[:tagSize]...))
}

// Request is what credentials came with.
type Request struct {
	Method, URI string
	From        netip.Addr
}

// Judge looks for the credentials for a space among the values of Authorization (or Proxy-Authorization) and judges them. password is asked for
// the password of a user; false: there is no such user, which takes as long as a wrong password. The user is that of the credentials, whatever
// they are worth. Those with an algorithm that is not offered are none.
func (s *Server) Judge(values []string, req Request, in Space, password func(user string) (string, bool), now time.Time) (user string, v Verdict) {
	if len(values) > maxValues {
		return "", Malformed
	}
	for _, value := range values {
		c, v := read(value)
		if v == Missing || v == Right && (c.realm != in.Realm || !in.SHA256 && c.algorithm.name != "MD5") {
			continue
		}
		if v != Right || !sameURI(c.uri, req.URI) {
			return c.user, Malformed
		}
		return c.user, s.judge(&c, req, password, now)
	}
	return "", Missing
}

// User is who credentials for a realm say that they are; nothing is proved by it. "": there are none that can be understood.
func User(values []string, realm string) string {
	for _, value := range values[:min(len(values), maxValues)] {
		if c, v := read(value); v == Right && c.realm == realm {
			return c.user
		}
	}
	return ""
}

// judge compares the response before it looks for how long a nonce is good: only who knows the password is told that it is stale. A nonce that
// this address was not given comes first: the sender may be anybody who forges the address, whose wrong passwords must not count against it, and
// who learns nothing.
func (s *Server) judge(c *credentials, req Request, password func(string) (string, bool), now time.Time) Verdict {
	issued, number, ours := s.given(c, req.From)
	if !ours {
		return Stale
	}
	secret, known := password(c.user)
	if !known {
		secret = string(s.key)
	}
	want := c.expected(req.Method, secret)
	switch {
	case subtle.ConstantTimeCompare([]byte(want), []byte(c.response)) != 1 || !known:
		return Wrong
	case !s.take(c, issued, number, now):
		return Stale
	}
	return Right
}

// given reads a nonce; false: it is not ours, or was given for something else or to another address.
func (s *Server) given(c *credentials, from netip.Addr) (issued uint32, number uint64, ours bool) {
	raw, err := base64.RawURLEncoding.DecodeString(c.nonce)
	if err != nil || len(raw) != nonceSize {
		return 0, 0, false
	}
	issued, number = binary.BigEndian.Uint32(raw), binary.BigEndian.Uint64(raw[4:])
	return issued, number, subtle.ConstantTimeCompare([]byte(s.nonce(number, issued, c.algorithm, c.realm, from)), []byte(c.nonce)) == 1
}

// take uses one count of a nonce; false: it is too old, or the count has been used.
func (s *Server) take(c *credentials, issued uint32, number uint64, now time.Time) bool {
	age := s.age(now)
	if issued > age || age-issued > seconds(Lifetime) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, known := s.used[number]
	if !known && number <= s.floor || !u.take(c.count) {
		return false
	}
	u.issued = issued
	if s.used[number] = u; len(s.used) > maxUsed {
		s.forget(age)
	}
	return true
}

func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }

// take notes a count; false: it was used, or is too far below the highest.
func (u *uses) take(count uint32) bool {
	if count > u.top {
		u.seen, u.top = u.seen<<min(count-u.top, window)|1, count
		return true
	}
	bit := u.top - count
	if bit >= window || u.seen>>bit&1 == 1 {
		return false
	}
	u.seen |= 1 << bit
	return true
}

// forget makes room: nonces that are too old, else the oldest quarter. The caller holds the lock.
func (s *Server) forget(age uint32) {
	maps.DeleteFunc(s.used, func(_ uint64, u uses) bool { return u.issued+seconds(Lifetime) < age }) // another request may have come with a younger one meanwhile
	if len(s.used) <= maxUsed*3/4 {
		return
	}
	oldest := slices.Sorted(maps.Keys(s.used))[:maxUsed/4]
	for _, n := range oldest {
		delete(s.used, n)
	}
	s.floor = max(s.floor, oldest[len(oldest)-1])
}

// credentials are the value of one Authorization field.
type credentials struct {
	user, realm, nonce, uri, response string
	cnonce, nc                        string // as they stand in the hash
	algorithm                         algorithm
	qop                               bool   // qop=auth; false: as RFC 2069
	count                             uint32 // of nc; without qop 1, so that such a nonce serves once
}

// read reads the value of a field. The verdict is Right for what can be understood, and Missing for another scheme.
func read(value string) (c credentials, v Verdict) {
	if len(value) > maxValue {
		return c, Malformed
	}
	scheme, _, rest, param := sipmsg.AuthWord(value)
	if param || !strings.EqualFold(scheme, "Digest") {
		return c, Missing
	}
	given := map[string]string{}
	for {
		name, value, tail, param := sipmsg.AuthWord(rest)
		if name == "" && strings.TrimSpace(tail) == "" && !param {
			break
		}
		name = strings.ToLower(name)
		if _, twice := given[name]; twice || !param {
			return c, Malformed
		}
		given[name], rest = value, tail
	}
	c.user, c.realm, c.nonce, c.uri = given["username"], given["realm"], given["nonce"], given["uri"]
	c.response, c.cnonce, c.nc, c.count = strings.ToLower(given["response"]), given["cnonce"], given["nc"], 1
	if c.user == "" || c.realm == "" || c.nonce == "" || c.uri == "" || c.response == "" {
		return c, Malformed
	}
	name, named := given["algorithm"]
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return strings.EqualFold(a.name, name) || !named && a.name == "MD5" })
	if i < 0 {
		return c, Malformed
	}
	c.algorithm = algorithms[i]
	var qop string
	if qop, c.qop = given["qop"]; !c.qop {
		return c, Right
	}
	n, err := strconv.ParseUint(c.nc, 16, 32)
	if !strings.EqualFold(qop, "auth") || len(c.nc) != 8 || err != nil || n == 0 || c.cnonce == "" {
		return c, Malformed
	}
	c.count = uint32(n)
	return c, Right
}

// expected is the response of one who knows the password (RFC 7616 3.4.1, RFC 2069 2.1.2).
func (c *credentials) expected(method, password string) string {
	h := c.algorithm.hash()
	sum := func(parts ...string) string {
		h.Reset()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	a1, a2 := sum(c.user, c.realm, password), sum(method, c.uri)
	if !c.qop {
		return sum(a1, c.nonce, a2)
	}
	return sum(a1, c.nonce, c.nc, c.cnonce, "auth", a2)
}

// sameURI compares the URI of credentials with the Request-URI. Phones leave out the port or parameters in one of them.
func sameURI(a, b string) bool {
	if a == b {
		return true
	}
	x, y := sipmsg.SplitURI(a), sipmsg.SplitURI(b)
	port := func(u sipmsg.URI) uint16 {
		switch {
		case u.Port != 0:
			return u.Port
		case u.Scheme == "sips":
			return 5061
		}
		return 5060
	}
	return x.Scheme != "" && x.Scheme == y.Scheme && x.User == y.User && strings.EqualFold(x.Host, y.Host) && port(x) == port(y)
}
