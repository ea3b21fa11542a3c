package starface

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lab/starfacerest"
)

// stranger is a server over TLS that does what it likes on its connections, behind a correct login.
func stranger(t *testing.T, serve func(conn net.Conn, q *http.Request)) (*Client, *starfacerest.Server) {
	t.Helper()
	s := pbx(starfacerest.Options{})
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/login") {
			s.ServeHTTP(w, q)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		serve(conn, q)
	}))
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	transport := Transport((&net.Dialer{}).DialContext, &tls.Config{RootCAs: roots})
	t.Cleanup(transport.CloseIdleConnections)
	return New(transport, Credentials{URL: web.URL, User: "presence", Password: password}), s
}

// What comes from a hostile server has a bound, and what it repeats of our secrets is not told.
func TestAHostileServer(t *testing.T) {
	endless := func(conn net.Conn, part string) {
		for {
			if _, err := io.WriteString(conn, part); err != nil {
				return
			}
		}
	}
	for name, serve := range map[string]func(conn net.Conn, q *http.Request){
		"an endless body": func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			endless(conn, strings.Repeat("[", 4096))
		},
		"an endless reason": func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, "HTTP/1.1 500 Sorry\r\n\r\n")
			endless(conn, strings.Repeat("x", 4096))
		},
		"endless headers": func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			endless(conn, "X: "+strings.Repeat("x", 4000)+"\r\n")
		},
		"an endless line":  func(conn net.Conn, _ *http.Request) { endless(conn, strings.Repeat("x", 4096)) },
		"endless informal": func(conn net.Conn, _ *http.Request) { endless(conn, "HTTP/1.1 103 Early Hints\r\n\r\n") },
		"rubbish that repeats the token": func(conn net.Conn, q *http.Request) {
			io.WriteString(conn, q.Header.Get("authToken")+"\r\n\r\n")
		},
		"a header that repeats the token": func(conn net.Conn, q *http.Request) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+q.Header.Get("authToken")+"\r\n\r\n")
		},
		"a coding that repeats the token": func(conn net.Conn, q *http.Request) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+q.Header.Get("authToken")+"\r\n\r\n")
		},
		"a reason that repeats the token": func(conn net.Conn, q *http.Request) {
			io.WriteString(conn, "HTTP/1.1 500 Sorry\r\nConnection: close\r\n\r\nyou are "+q.Header.Get("authToken")+"\x1b[2J\n")
		},
		"a reason that repeats the token at its end": func(conn net.Conn, q *http.Request) {
			io.WriteString(conn, "HTTP/1.1 500 Sorry\r\nConnection: close\r\n\r\n"+strings.Repeat("x", 195)+q.Header.Get("authToken")+"\n")
		},
		"nothing": func(net.Conn, *http.Request) {},
		"half a body": func(conn net.Conn, q *http.Request) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[")
		},
		"a large compressed body": func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var token string
			c, _ := stranger(t, func(conn net.Conn, q *http.Request) {
				token = q.Header.Get("authToken")
				serve(conn, q)
			})
			users, err := c.Users(t.Context())
			if name == "a large compressed body" { // it was not asked for: it is taken as it is
				if err != nil || len(users) != 0 {
					t.Error(users, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Cure == "" {
				t.Fatal(users, err)
			}
			if token == "" || strings.Contains(err.Error(), token[:8]) || strings.Contains(err.Error(), password) || strings.ContainsRune(err.Error(), '\x1b') {
				t.Error(err)
			}
			if len(err.Error()) > 500 {
				t.Errorf("%d octets of an error", len(err.Error()))
			}
		})
	}
}

// The token and the proof of the password stay with the STARFACE, and what it wants to be kept is not.
func TestNothingFollowsARedirect(t *testing.T) {
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other server is asked") }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, path := range []string{"GET /rest/login", "POST /rest/login", "GET /rest/users"} {
			s := pbx(starfacerest.Options{})
			s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
				w.Header().Set("Set-Cookie", "a=b") // the simulated STARFACE refuses who sends it back
				if q.Method+" "+q.URL.Path != path {
					return false
				}
				w.Header().Set("Location", other.URL)
				w.WriteHeader(code)
				return true
			})
			_, err := client(s).Users(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Status != code || e.Cure != cureLead {
				t.Error(err)
			}
			if no := s.Refusals(); len(no) > 0 {
				t.Error(no)
			}
		}
	}
}

func TestCertificatesThatAreNotTrusted(t *testing.T) {
	web := httptest.NewUnstartedServer(pbx(starfacerest.Options{}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes are to fail
	web.StartTLS()
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	plain := httptest.NewServer(pbx(starfacerest.Options{}))
	defer plain.Close()
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	for _, c := range []struct {
		url   string
		trust *tls.Config
		cure  string
	}{
		{web.URL, &tls.Config{RootCAs: x509.NewCertPool()}, cureCA},
		{"https://localhost:" + port, &tls.Config{RootCAs: roots}, cureName},
		{web.URL, &tls.Config{RootCAs: roots, Time: func() time.Time { return time.Now().AddDate(200, 0, 0) }}, cureClock},
		{strings.Replace(plain.URL, "http:", "https:", 1), &tls.Config{RootCAs: roots}, cureURL},
		{"https://127.0.0.1:1", &tls.Config{RootCAs: roots}, cureReach},
	} {
		transport := Transport((&net.Dialer{}).DialContext, c.trust)
		_, err := New(transport, Credentials{URL: c.url, User: "presence", Password: password}).Users(t.Context())
		transport.CloseIdleConnections()
		var e *Error
		if !errors.As(err, &e) || e.Cure != c.cure {
			t.Errorf("%s: %v (%s)", c.url, err, e.Cure)
		}
	}
}

func TestACertificateThatWasImported(t *testing.T) {
	now := time.Now()
	certificate := func(name string, ca bool, ends time.Time, by *tls.Certificate, ips ...net.IP) tls.Certificate {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: ends,
			IsCA: ca, BasicConstraintsValid: true, IPAddresses: ips, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
		parent, signer := template, crypto.Signer(key)
		if by != nil {
			parent, signer = by.Leaf, by.PrivateKey.(crypto.Signer)
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	later, home := now.Add(time.Hour), net.IPv4(127, 0, 0, 1)
	issuer := certificate("issuer", true, later, nil)
	own, other, ended := certificate("starface", false, later, nil), certificate("starface", false, later, nil), certificate("starface", false, now.Add(-time.Minute), nil)
	issued, elsewhere := certificate("issued", false, later, &issuer, home), certificate("elsewhere", false, later, &issuer, net.IPv4(10, 0, 0, 1))
	for _, c := range []struct {
		name   string
		shown  tls.Certificate
		listed *x509.Certificate
		cure   string // "": it is trusted
	}{
		{"its own, with another name", own, own.Leaf, ""},
		{"another of the same name", other, own.Leaf, cureCA},
		{"its own, after its end", ended, ended.Leaf, cureClock},
		{"of an issuer, for this address", issued, issuer.Leaf, ""},
		{"of an issuer, for another address", elsewhere, issuer.Leaf, cureName},
		{"one issued, when its issuer is shown", issuer, issued.Leaf, cureCA},
	} {
		web := httptest.NewUnstartedServer(pbx(starfacerest.Options{}))
		web.Config.ErrorLog = log.New(io.Discard, "", 0)
		web.TLS = &tls.Config{Certificates: []tls.Certificate{c.shown}}
		web.StartTLS()
		transport := Transport((&net.Dialer{}).DialContext, Trust("127.0.0.1", x509.NewCertPool(), func() ([]*x509.Certificate, error) { return []*x509.Certificate{c.listed}, nil }))
		_, err := New(transport, Credentials{URL: web.URL, User: "presence", Password: password}).Users(t.Context())
		transport.CloseIdleConnections()
		web.Close()
		var e *Error
		if errors.As(err, &e); c.cure == "" && err != nil || c.cure != "" && (e == nil || e.Cure != c.cure) {
			t.Errorf("%s: %v, %+v", c.name, err, e)
		}
	}
}

func TestASlowServerIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		s.Instead(func(_ http.ResponseWriter, q *http.Request) bool {
			<-q.Context().Done()
			return true
		})
		began := time.Now()
		_, err := client(s).Users(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Text != "no answer within 10s" || time.Since(began) != requestTime {
			t.Error(err, time.Since(began))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client(s).Users(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
