package acme

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lib "github.com/mholt/acmez/v3/acme"
)

// authority is a simulated one behind an http.RoundTripper, so that months pass in a test. It is strict in what a client does step by
// step, and has the faults that Pebble cannot be told to have. It looks at no signature: that is Pebble's part.
type authority struct {
	t    *testing.T
	txt  func(name string) []string
	root *issuer
	by   []*issuer // that sign, the last one's certificate first in the chain

	mu       sync.Mutex
	nonces   map[string]bool
	serial   int64
	orders   []*order
	requests int
	accounts int

	// Faults.
	down      bool
	limited   string        // Retry-After of new orders
	names     []string      // of certificates, whatever was ordered
	begins    time.Duration // from now, of certificates
	life      time.Duration
	invalid   bool // orders end so
	noChain   bool // intermediates are not sent
	forgetful bool // the account is unknown once
	window    *Window
	offered   []string // challenges
}

type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type order struct {
	status   string
	names    []string
	replaces string
	proved   bool
	why      string
	chain    []byte
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, nonces: map[string]bool{}, life: 90 * 24 * time.Hour, offered: []string{"http-01", "dns-persist-01"}}
	a.root = a.sign(nil, "Root", nil)
	first := a.sign(a.root, "Upper", nil)
	a.by = []*issuer{a.sign(first, "Lower", nil), first}
	return a
}

// sign makes an intermediate, or with a key the certificate for it.
func (a *authority) sign(by *issuer, name string, request *x509.CertificateRequest) *issuer {
	a.serial++
	i := &issuer{}
	template := &x509.Certificate{SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<34, 0),
		IsCA: request == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, byte(a.serial)}}
	var public crypto.PublicKey
	if request != nil {
		public = request.PublicKey
		template.NotBefore = time.Now().Add(a.begins)
		template.NotAfter, template.DNSNames = template.NotBefore.Add(a.life), request.DNSNames
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if a.names != nil {
			template.DNSNames = a.names
		}
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			a.t.Fatal(err)
		}
		i.key, public = key, key.Public()
	}
	if by == nil {
		by = &issuer{template, i.key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, public, by.key)
	if err == nil {
		i.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return i
}

func (a *authority) roots() *x509.CertPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	pool := x509.NewCertPool()
	pool.AddCert(a.root.cert)
	return pool
}

// set changes a fault.
func (a *authority) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *authority) counts() (orders, requests int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.orders), a.requests
}

var errDown = errors.New("connection refused")

func (a *authority) RoundTrip(q *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	if a.down {
		return nil, errDown
	}
	r := &reply{header: http.Header{}}
	path := strings.Split(strings.TrimPrefix(q.URL.Path, "/"), "/")
	if q.Method == http.MethodPost {
		a.post(r, q, path)
	} else {
		a.get(r, path)
	}
	a.serial++
	nonce := fmt.Sprint("nonce", a.serial)
	a.nonces[nonce] = true
	r.header.Set("Replay-Nonce", nonce)
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return &http.Response{StatusCode: r.status, Header: r.header, Body: io.NopCloser(bytes.NewReader(r.body)), Request: q}, nil
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r *reply) json(v any) {
	r.body, _ = json.Marshal(v)
	r.header.Set("Content-Type", "application/json")
}

func (r *reply) problem(status int, kind, detail string) {
	r.json(map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail, "status": status})
	r.status = status
	r.header.Set("Content-Type", "application/problem+json")
}

func (a *authority) get(r *reply, path []string) {
	const base = "https://authority.test/"
	switch path[0] {
	case "directory":
		r.json(map[string]any{"newNonce": base + "nonce", "newAccount": base + "account", "newOrder": base + "order", "renewalInfo": base + "advice",
			"revokeCert": base + "revoke", "keyChange": base + "change",
			"meta": map[string]any{"caaIdentities": []string{"authority.test"}, "profiles": map[string]string{"classic": "with a common name"}}})
	case "nonce":
	case "advice":
		if a.window == nil {
			r.problem(http.StatusNotFound, "malformed", "no advice")
			return
		}
		r.json(map[string]any{"suggestedWindow": map[string]time.Time{"start": a.window.Start, "end": a.window.End}})
	default:
		a.t.Errorf("GET %v", path)
		r.status = http.StatusNotFound
	}
}

func (a *authority) post(r *reply, q *http.Request, path []string) {
	var jws, protected struct {
		Protected, Payload string
		Nonce, URL, KID    string
		JWK                json.RawMessage
	}
	text, _ := io.ReadAll(q.Body)
	decode := func(s string) []byte { b, _ := base64.RawURLEncoding.DecodeString(s); return b }
	if json.Unmarshal(text, &jws) != nil || json.Unmarshal(decode(jws.Protected), &protected) != nil {
		a.t.Errorf("no JWS: %s", text)
	}
	if !a.nonces[protected.Nonce] || protected.URL != q.URL.String() {
		r.problem(http.StatusBadRequest, "badNonce", "another one")
		return
	}
	delete(a.nonces, protected.Nonce)
	if path[0] != "account" && a.forgetful {
		a.forgetful = false
		r.problem(http.StatusBadRequest, "accountDoesNotExist", "never heard of it")
		return
	}
	const base = "https://authority.test/"
	if path[0] == "account" {
		a.accounts++
		r.status = http.StatusCreated
		r.header.Set("Location", fmt.Sprint(base, "account/", a.accounts))
		r.json(map[string]string{"status": "valid"})
		return
	}
	n := len(a.orders)
	if len(path) > 1 {
		fmt.Sscan(path[1], &n)
		if n >= len(a.orders) {
			r.problem(http.StatusNotFound, "malformed", "no such order")
			return
		}
	}
	switch path[0] {
	case "order":
		if len(path) == 1 {
			if a.limited != "" {
				r.problem(http.StatusTooManyRequests, "rateLimited", "too many certificates already issued")
				r.header.Set("Retry-After", a.limited)
				return
			}
			var o lib.Order
			_ = json.Unmarshal(decode(jws.Payload), &o)
			made := &order{status: "pending", replaces: o.Replaces}
			if o.Profile != "classic" {
				a.t.Errorf("profile %q", o.Profile)
			}
			for _, i := range o.Identifiers {
				made.names = append(made.names, i.Value)
			}
			a.orders = append(a.orders, made)
			r.status = http.StatusCreated
		}
	case "authz":
		o := a.orders[n]
		state := map[bool]string{true: "valid", false: "pending"}[o.proved]
		if o.why != "" {
			state = "invalid"
		}
		var list []map[string]any
		for _, kind := range a.offered {
			c := map[string]any{"type": kind, "url": fmt.Sprint(base, "challenge/", n), "status": state, "token": "token"}
			if kind == "dns-persist-01" {
				c["issuer-domain-names"] = []string{"authority.test"}
			}
			if o.why != "" {
				c["error"] = map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": o.why}
			}
			list = append(list, c)
		}
		r.json(map[string]any{"identifier": map[string]string{"type": "dns", "value": o.names[0]}, "status": state, "challenges": list})
		return
	case "challenge":
		// draft-ietf-acme-dns-persist, 4.2: the issuer and the account, and nothing else that we know of.
		o := a.orders[n]
		want := fmt.Sprintf("authority.test; accounturi=%saccount/%d", base, a.accounts)
		if o.proved = slices.Contains(a.txt("_validation-persist."+o.names[0]), want); !o.proved {
			o.why = "no TXT record of this account"
			o.status = "invalid"
		} else {
			o.status = "ready"
		}
		r.json(map[string]any{"type": "dns-persist-01", "url": q.URL.String(), "status": "processing"})
		return
	case "finalize":
		o := a.orders[n]
		var body struct{ CSR string }
		_ = json.Unmarshal(decode(jws.Payload), &body)
		request, err := x509.ParseCertificateRequest(decode(body.CSR))
		switch {
		case err != nil || request.CheckSignature() != nil || !slices.Equal(request.DNSNames, o.names):
			r.problem(http.StatusBadRequest, "badCSR", "no good request")
			return
		case o.status != "ready":
			r.problem(http.StatusForbidden, "orderNotReady", "it is "+o.status)
			return
		case a.invalid:
			o.status = "invalid"
		default:
			o.status = "valid"
			chain := []*x509.Certificate{a.sign(a.by[0], o.names[0], request).cert}
			for _, i := range a.by {
				if !a.noChain {
					chain = append(chain, i.cert)
				}
			}
			for _, c := range chain {
				o.chain = append(o.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
			}
		}
	case "certificate":
		r.body = a.orders[n].chain
		r.header.Set("Content-Type", "application/pem-certificate-chain")
		return
	default:
		a.t.Errorf("POST %v", path)
	}
	o := a.orders[n]
	r.header.Set("Location", fmt.Sprint(base, "order/", n))
	v := map[string]any{"status": o.status, "authorizations": []string{fmt.Sprint(base, "authz/", n)}, "finalize": fmt.Sprint(base, "finalize/", n), "certificate": fmt.Sprint(base, "certificate/", n)}
	if o.status == "invalid" {
		v["error"] = map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": "CAA record for \x1b[31msbc.example.com forbids it"}
	}
	r.json(v)
}
