package webserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
)

// shelf is a key store.
type shelf struct{ pkitest.Shelf }

// put makes a pair under a name.
func (s *shelf) put(t *testing.T, name, host string, key crypto.Signer) {
	t.Helper()
	c, err := pki.SelfSigned([]string{host}, key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.Put(name, []*x509.Certificate{c}, key)
}

type rig struct {
	*Server
	t      *testing.T
	shelf  *shelf
	alarms health.Tracker
	cfg    atomic.Pointer[config.Config]
	file   []byte
	log    bytes.Buffer
	used   bool
	shut   bool // an account has a password; the configuration in force follows
	clock  error
}

const lan = "192.168.1.1"

func start(t *testing.T) *rig {
	g := &rig{t: t, shelf: &shelf{}}
	g.change(func(c *config.Config) {})
	g.open()
	g.look(time.Now())
	return g
}

// open starts the server as a start of the box does.
func (g *rig) open() {
	g.Server = New(Options{
		Log: slog.New(slog.NewTextHandler(&g.log, nil)), Health: &g.alarms, PKI: g.shelf, Config: g.cfg.Load,
		Load: func() ([]byte, error) { return g.file, nil },
		Save: func(text []byte) error { g.file = bytes.Clone(text); return nil },
		Host: func(c *config.Config) string { return c.Hostname }, Clock: func() error { return g.clock }, Open: func() bool { return !g.shut }, InUse: func() bool { return g.used },
	})
}

// change puts another configuration in force.
func (g *rig) change(f func(*config.Config)) {
	c := config.New()
	c.Hostname, c.Web.HTTPS.Port = "SBC01", 443
	g.address(c, lan)
	f(c)
	g.cfg.Store(c)
}

func (g *rig) address(c *config.Config, a string) {
	i := &config.IPInterface{Name: "if", Addresses: []config.IPAddress{{Name: "if", Prefix: netip.MustParsePrefix(a + "/24")}}}
	c.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{i}}}
	c.Ports = []*config.EthernetPort{{Enabled: true, Bind: config.IPBind{Context: config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "if"}}}}
}

// leafOf is what browsers are shown.
func (g *rig) leafOf() *x509.Certificate {
	g.t.Helper()
	o := g.Offer()
	if o == nil {
		g.t.Fatal("nothing is served")
	}
	c, err := x509.ParseCertificate(o.Chain[0])
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

func TestTheBoxMakesACertificateOfItsOwn(t *testing.T) {
	g := start(t)
	c := g.leafOf()
	if err := errors.Join(c.VerifyHostname("sbc01"), c.VerifyHostname(lan)); err != nil || pki.KeyType(c.PublicKey) != "EC P-256" || c.IsCA {
		t.Errorf("%v, %s", err, pki.KeyType(c.PublicKey))
	}
	if o := g.Offer(); !o.Own || o.Port != 443 || !o.Redirect || !slices.Equal(o.Addresses, []netip.Addr{netip.MustParseAddr(lan)}) || !slices.Contains(o.Hosts, "sbc01") {
		t.Errorf("%+v", o)
	}
	if s := g.Status(); s.SHA256 != pki.Fingerprint(c) || s.Profile != "" {
		t.Errorf("%+v", s)
	}
	if strings.Contains(g.log.String(), "PRIVATE") {
		t.Error("the log has the key")
	}
	g.open()
	g.look(time.Now())
	if !g.leafOf().Equal(c) {
		t.Error("another one after a restart")
	}
	g.file = g.file[:len(g.file)/2]
	g.open()
	g.look(time.Now())
	if g.leafOf().Equal(c) {
		t.Error("half a file was read")
	}
	g.change(func(c *config.Config) { c.Web.HTTPS.Port = 0 })
	g.look(time.Now())
	if g.Offer() != nil || g.Status().Port != 0 {
		t.Error("it is served after it was switched off")
	}
}

// A new certificate ends the trust that people have given to the old one: it waits until they are gone.
func TestACertificateThatDoesNotFitIsReplacedWhenNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t)
		first := g.leafOf()
		g.change(func(c *config.Config) { g.address(c, "10.0.0.7") })
		time.Sleep(quiet - time.Second)
		g.look(time.Now())
		if !g.leafOf().Equal(first) || !strings.Contains(g.Status().Due, "it does not name 10.0.0.7") {
			t.Errorf("after 15 minutes less a second: %+v", g.Status())
		}
		sum := sha256.Sum256(first.Raw)
		g.Sign(sum[:], nil, crypto.SHA256, false) // a browser comes
		time.Sleep(quiet - time.Second)
		g.look(time.Now())
		if !g.leafOf().Equal(first) {
			t.Error("replaced while a browser was there")
		}
		g.used = true
		time.Sleep(time.Hour)
		g.look(time.Now())
		if !g.leafOf().Equal(first) {
			t.Error("replaced in a session")
		}
		g.used = false
		g.look(time.Now())
		second := g.leafOf()
		if second.Equal(first) || second.VerifyHostname("10.0.0.7") != nil || g.Status().Due != "" {
			t.Errorf("not replaced: %+v", g.Status())
		}

		// Machines come every minute, and have no sessions.
		g.change(func(c *config.Config) { g.address(c, "10.0.0.8") })
		came := 0
		for g.leafOf().Equal(second) {
			sum := sha256.Sum256(second.Raw)
			g.Sign(sum[:], nil, crypto.SHA256, false)
			time.Sleep(time.Minute)
			g.look(time.Now())
			came++
		}
		if second = g.leafOf(); came != 24*60+1 || second.VerifyHostname("10.0.0.8") != nil {
			t.Errorf("replaced after %d minutes", came)
		}

		g.used = true
		time.Sleep(time.Until(second.NotAfter.Add(-renewEarly + time.Minute)))
		g.look(time.Now())
		if !g.leafOf().Equal(second) || !strings.Contains(g.Status().Due, "it ends on") {
			t.Errorf("a month before its end: %+v", g.Status())
		}
		time.Sleep(time.Until(second.NotAfter.Add(-renewNow + time.Minute)))
		g.clock = errors.New("not right")
		g.look(time.Now())
		if !g.leafOf().Equal(second) {
			t.Error("renewed by a clock that nobody believes")
		}
		g.clock = nil
		g.look(time.Now())
		if g.leafOf().Equal(second) {
			t.Error("not renewed before its end")
		}
	})
}

func profile(c *config.Config) {
	c.TLS = []*config.TLSProfile{{Name: "PAGE", V12: true, V13: true, PrivateKey: "pki:private-key/page", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/page"}}}}
	c.Web.TLS.Name = "PAGE"
}

func TestACertificateThatCannotBeUsedIsAnAlarm(t *testing.T) {
	g := start(t)
	own := g.leafOf()
	alarm := func() string {
		for _, a := range g.alarms.Current() {
			if a.ID == "webserver-certificate" {
				return a.Text
			}
		}
		return ""
	}
	g.change(profile)
	g.look(time.Now())
	if !g.leafOf().Equal(own) || !strings.Contains(alarm(), "has not been imported") || g.Status().Problem == "" {
		t.Errorf("without the certificate: %q, %+v", alarm(), g.Status())
	}
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	g.shelf.put(t, "page", "page.example.com", key)
	g.look(time.Now())
	c := g.leafOf()
	if c.VerifyHostname("page.example.com") != nil || alarm() != "" || g.Status().Profile != "PAGE" || g.Offer().Own || !slices.Contains(g.Offer().Hosts, "page.example.com") {
		t.Errorf("with it: %q, %+v", alarm(), g.Status())
	}
	g.look(c.NotAfter.Add(time.Minute))
	if g.leafOf().Equal(c) || !strings.Contains(alarm(), "it has ended on") {
		t.Errorf("after its end: %q", alarm())
	}
	g.change(func(c *config.Config) { c.Web.TLS.Name = "NONE" })
	g.look(time.Now())
	if !strings.Contains(alarm(), "there is no such profile") {
		t.Errorf("without the profile: %q", alarm())
	}
	g.change(func(c *config.Config) {})
	g.look(time.Now())
	if alarm() != "" || g.leafOf().VerifyHostname(lan) != nil {
		t.Errorf("without a line: %q", alarm())
	}
}

// remote is the key as consoled has it.
type remote struct {
	*Server
	leaf   []byte
	public crypto.PublicKey
}

func (r remote) Public() crypto.PublicKey { return r.public }
func (r remote) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a digest could be anything")
}
func (r remote) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	_, pss := opts.(*rsa.PSSOptions)
	return r.Server.Sign(r.leaf, message, opts.HashFunc(), pss)
}

// handshake connects a client to a server that shows what is offered.
func (g *rig) handshake(version uint16) error {
	o := g.Offer()
	c, _ := x509.ParseCertificate(o.Chain[0])
	sum := sha256.Sum256(c.Raw)
	a, b := net.Pipe()
	server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: o.Chain, PrivateKey: remote{g.Server, sum[:], c.PublicKey}}}, MaxVersion: version})
	client := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MinVersion: version})
	done := make(chan error, 1)
	go func() { done <- server.Handshake(); a.Close() }()
	err := client.Handshake()
	b.Close()
	return errors.Join(err, <-done)
}

func TestHandshakesAreSignedByTheBox(t *testing.T) {
	g := start(t)
	strong, _ := rsa.GenerateKey(rand.Reader, 2048)
	g.shelf.put(t, "page", "page.example.com", strong)
	for name, set := range map[string]func(*config.Config){"own": func(*config.Config) {}, "RSA of a profile": profile} {
		g.change(set)
		g.look(time.Now())
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if err := g.handshake(version); err != nil {
				t.Errorf("%s, %s: %v", name, tls.VersionName(version), err)
			}
		}
	}
}

func TestNothingButHandshakesIsSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t)
		c := g.leafOf()
		sum := sha256.Sum256(c.Raw)
		good := append(bytes.Clone(server13), sum[:]...)
		client := bytes.Replace(good, []byte("server"), []byte("client"), 1)
		curve := append(make([]byte, 64), 3, 0, 29, 4, 1, 2, 3, 4)
		for name, m := range map[string][]byte{
			"nothing": nil, "a certificate": c.RawTBSCertificate, "a client's handshake": client, "a digest": sum[:], "more behind it": append(bytes.Clone(good), 0),
			"another curve": append(make([]byte, 64), 3, 9, 29, 4, 1, 2, 3, 4), "too little of a curve": curve[:len(curve)-1],
		} {
			if _, err := g.Sign(sum[:], m, crypto.SHA256, false); !errors.Is(err, ErrNoHandshake) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := g.Sign(sum[:], good, crypto.SHA1, false); !errors.Is(err, ErrNoHandshake) {
			t.Errorf("SHA-1: %v", err)
		}
		if _, err := g.Sign(sum[:], curve, crypto.SHA256, false); err != nil {
			t.Errorf("TLS 1.2: %v", err)
		}
		if _, err := g.Sign(make([]byte, 32), good, crypto.SHA256, false); !errors.Is(err, ErrOtherCertificate) {
			t.Errorf("another certificate: %v", err)
		}
		if _, err := g.Sign(nil, good, crypto.SHA256, false); !errors.Is(err, ErrOtherCertificate) {
			t.Errorf("no certificate: %v", err)
		}

		// It is replaced while handshakes go on.
		key, _ := rsa.GenerateKey(rand.Reader, 2048)
		g.shelf.put(t, "page", "page.example.com", key)
		g.change(profile)
		g.look(time.Now())
		if _, err := g.Sign(sum[:], good, crypto.SHA256, false); err != nil {
			t.Errorf("with the certificate of a moment ago: %v", err)
		}
		time.Sleep(oldServes + time.Second)
		if _, err := g.Sign(sum[:], good, crypto.SHA256, false); !errors.Is(err, ErrOtherCertificate) {
			t.Errorf("with that of a minute ago: %v", err)
		}

		now := sha256.Sum256(g.leafOf().Raw)
		time.Sleep(time.Minute)
		signed := 0
		for {
			if _, err := g.Sign(now[:], good, crypto.SHA256, true); errors.Is(err, ErrTooMany) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			signed++
		}
		if signed != signBurst {
			t.Errorf("%d at once", signed)
		}
		time.Sleep(time.Second)
		if _, err := g.Sign(now[:], good, crypto.SHA256, true); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

func TestTheSetUpCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t)
		code := g.SetupCode()
		if len(code) != codeDigits || strings.Trim(code, "0123456789") != "" || g.SetupCode() != code {
			t.Fatalf("code %q, then %q", code, g.SetupCode())
		}
		never := func() error { t.Error("it opened"); return nil }
		wrong := "00000000"
		if code == wrong {
			wrong = "00000001"
		}
		for n := range codeTries {
			if err := g.SetUp([]string{wrong, "", code + "0", code[1:]}[n%4], never); !errors.Is(err, ErrWrongCode) {
				t.Errorf("%d: %v", n, err)
			}
		}
		next := g.SetupCode()
		if next == code {
			t.Error("the code is the same after 20 wrong ones")
		}
		if err := g.SetUp(next, never); !errors.Is(err, ErrCodeRests) {
			t.Errorf("at once after 20 wrong ones: %v", err)
		}
		time.Sleep(codePause)
		refused := errors.New("too short")
		if err := g.SetUp(next, func() error { return refused }); err != refused {
			t.Errorf("%v", err)
		}
		if err := g.SetUp(next, func() error { return nil }); err != nil || g.SetupCode() != next {
			t.Errorf("a question alone uses the code up: %v", err)
		}
		err := g.SetUp(next, func() error {
			g.shut = true
			return nil
		})
		if err != nil || g.SetupCode() != "" || g.Status().SetUp {
			t.Errorf("%v, %q", err, g.SetupCode())
		}
		if err := g.SetUp(next, never); !errors.Is(err, ErrNoSetup) {
			t.Errorf("a second time: %v", err)
		}
		g.shut = false
		if g.SetupCode() == next {
			t.Error("a code comes back")
		}
		for _, c := range []string{code, next} {
			if strings.Contains(g.log.String(), c) {
				t.Errorf("the log has it: %s", g.log.String())
			}
		}
	})
}

func TestRunFollowsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t)
		g.change(func(c *config.Config) { c.Web.HTTPS.Port = 0 })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		defer func() { cancel(); <-done }()
		synctest.Wait()
		if g.Offer() != nil {
			t.Error("it is not off")
		}
		g.change(func(c *config.Config) { c.Web.HTTPS.Port = 8443 })
		g.Changed()
		synctest.Wait()
		if o := g.Offer(); o == nil || o.Port != 8443 {
			t.Errorf("%+v", o)
		}
	})
}
