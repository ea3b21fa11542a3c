package pki

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// world is a box and a peer with an authority of its own each, and an intermediate between.
type world struct {
	store              memory
	root, intermediate *identity // of the peer
	box                *identity
	boxRoot, boxMiddle *identity
}

func newWorld(t testing.TB) *world {
	w := &world{}
	w.root = issue(t, nil, "Peer Root", authority)
	w.intermediate = issue(t, w.root, "Peer Intermediate", authority)
	w.boxRoot = issue(t, nil, "Box Root", authority)
	w.boxMiddle = issue(t, w.boxRoot, "Box Intermediate", authority)
	w.box = issue(t, w.boxMiddle, "sbc.example.com", serverOnly("sbc.example.com"))
	w.store = memory{
		certs: map[string][]*x509.Certificate{"box": {w.box.cert}, "middle": {w.boxMiddle.cert}, "peer-root": {w.root.cert}, "chain": {w.box.cert, w.boxMiddle.cert}},
		keys:  map[string]crypto.Signer{"box": w.box.key},
	}
	return w
}

// profile is the reference configuration's, with the peer's root for a trust anchor.
func profile() *config.TLSProfile {
	p := &config.TLSProfile{
		Name: "pf", AuthIncoming: true, AuthOutgoing: true, RequireType: "server", PrivateKey: "pki:private-key/box",
		Own:     []config.OwnCertificate{{Index: 2, Name: "pki:certificate/middle"}, {Index: 1, Name: "pki:certificate/box"}},
		Trusted: []config.PKIName{"pki:certificate/peer-root"},
	}
	p.SetDefaults()
	return p
}

// chainOf is what a peer shows.
func chainOf(list ...*identity) *tls.Certificate {
	c := &tls.Certificate{PrivateKey: list[0].key}
	for _, i := range list {
		c.Certificate = append(c.Certificate, i.cert.Raw)
	}
	return c
}

// handshake connects both over loopback and returns what each side says. A byte goes each way, because a TLS 1.3 client learns
// only then that it was refused.
func handshake(t *testing.T, server, client *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	exchange := func(c *tls.Conn) error {
		if err := c.HandshakeContext(ctx); err != nil {
			return err
		}
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		s := tls.Server(c, server)
		err = exchange(s)
		state = s.ConnectionState()
		done <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	clientErr = exchange(tls.Client(c, client))
	serverErr = <-done
	return state, serverErr, clientErr
}

func TestAcceptedConnections(t *testing.T) {
	w := newWorld(t)
	stranger := issue(t, nil, "Stranger Root", authority)
	const name = "sip.pstnhub.microsoft.com"
	for why, c := range map[string]struct {
		show   *tls.Certificate
		change func(*config.TLSProfile)
		want   string // in the server's error; empty: it passes
	}{
		"Microsoft: server usage only":       {chainOf(issue(t, w.intermediate, name, serverOnly(name)), w.intermediate), nil, ""},
		"no usage at all":                    {chainOf(issue(t, w.root, name)), nil, ""},
		"client usage only, server demanded": {chainOf(issue(t, w.root, name, clientOnly(name))), nil, "does not carry the server usage"},
		"client usage only, no demand":       {chainOf(issue(t, w.root, name, clientOnly(name))), func(p *config.TLSProfile) { p.RequireType = "" }, ""},
		"no certificate":                     {&tls.Certificate{}, nil, "certificate"},
		"no certificate, none demanded":      {&tls.Certificate{}, func(p *config.TLSProfile) { p.AuthIncoming = false }, ""},
		"the intermediate is missing":        {chainOf(issue(t, w.intermediate, name, serverOnly(name))), nil, `comes from "Peer Intermediate", which is not trusted here and was not sent`},
		"an unknown root that was sent":      {chainOf(issue(t, stranger, name, serverOnly(name)), stranger), nil, `from the root "Stranger Root", which is not trusted here (SHA-256 ` + Fingerprint(stranger.cert)},
		"expired":                            {chainOf(issue(t, w.root, name, serverOnly(name), since(time.Now().Add(-2*time.Hour)), until(time.Now().Add(-time.Hour)))), nil, "it has expired, or this clock is wrong"},
		"the built-in roots do not know it":  {chainOf(issue(t, w.root, name, serverOnly(name))), func(p *config.TLSProfile) { p.Trusted = nil }, "not trusted here"},
	} {
		p := profile()
		if c.change != nil {
			c.change(p)
		}
		server, err := ServerConfig(p, w.store)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(w.boxRoot.cert) // the chain must come with the handshake
		client := &tls.Config{ServerName: "sbc.example.com", RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.show, nil }}
		state, serverErr, clientErr := handshake(t, server, client)
		if c.want == "" && (serverErr != nil || clientErr != nil) || c.want != "" && (serverErr == nil || !strings.Contains(serverErr.Error(), c.want)) {
			t.Errorf("%s: server %v, client %v; want %q", why, serverErr, clientErr, c.want)
		}
		if c.want == "" && len(c.show.Certificate) > 0 && why[:9] == "Microsoft" {
			if err := CheckNames(state, "sip2.pstnhub.microsoft.com", name); err != nil {
				t.Errorf("%s: %v", why, err)
			}
			if err := CheckNames(state, "sbc.example.com"); err == nil || err.Error() != "the peer's certificate is for "+name+", not for sbc.example.com" {
				t.Errorf("%s: %v", why, err)
			}
		}
	}
	if err := CheckNames(tls.ConnectionState{}, name); err == nil {
		t.Error("no certificate has the name")
	}
}

func TestDialledConnections(t *testing.T) {
	w := newWorld(t)
	const name = "sip.pstnhub.microsoft.com"
	hub := chainOf(issue(t, w.intermediate, name, serverOnly(name)), w.intermediate)
	other := chainOf(issue(t, w.intermediate, "other.example.com", serverOnly("other.example.com")), w.intermediate)
	for why, c := range map[string]struct {
		show   *tls.Certificate
		change func(*config.TLSProfile)
		want   string
	}{
		"a name that stands for it": {chainOf(issue(t, w.intermediate, "hub.example", serverOnly("hub.example")), w.intermediate), nil, ""},
		"the right name":            {hub, nil, ""},
		"the wrong name":            {other, nil, "the peer's certificate is for other.example.com, not for " + name + " or hub.example"},
		"wrong, unverified":         {other, func(p *config.TLSProfile) { p.AuthOutgoing = false }, ""},
		"no server usage":           {chainOf(issue(t, w.root, name, clientOnly(name))), nil, "does not carry the server usage"},
		"TLS 1.2 only":              {hub, func(p *config.TLSProfile) { p.V13 = false }, ""},
		"TLS 1.3 only":              {hub, func(p *config.TLSProfile) { p.V12 = false }, ""},
		"own chain in one name":     {hub, func(p *config.TLSProfile) { p.Own = []config.OwnCertificate{{Index: 1, Name: "pki:certificate/chain"}} }, ""},
		"no anchor that fits":       {hub, func(p *config.TLSProfile) { p.Trusted = []config.PKIName{"pki:certificate/middle"} }, "which is not trusted here"},
		"one anchor is missing":     {hub, func(p *config.TLSProfile) { p.Trusted = append(p.Trusted, "pki:certificate/gone") }, ""},
	} {
		p := profile()
		if c.change != nil {
			c.change(p)
		}
		client, err := ClientConfig(p, w.store, name, "hub.example")
		if err != nil {
			t.Fatal(err)
		}
		var sni string
		var shown int
		unrelated := x509.NewCertPool()
		unrelated.AddCert(w.root.cert) // the authorities that Teams lists need not include ours
		server := &tls.Config{
			ClientAuth: tls.RequireAnyClientCert, ClientCAs: unrelated,
			GetCertificate:   func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { sni = h.ServerName; return c.show, nil },
			VerifyConnection: func(cs tls.ConnectionState) error { shown = len(cs.PeerCertificates); return nil },
		}
		state, serverErr, clientErr := handshake(t, server, client)
		if c.want == "" && (serverErr != nil || clientErr != nil) || c.want != "" && (clientErr == nil || !strings.Contains(clientErr.Error(), c.want)) {
			t.Errorf("%s: client %v, server %v; want %q", why, clientErr, serverErr, c.want)
		}
		if sni != name {
			t.Errorf("%s: SNI %q", why, sni)
		}
		if c.want == "" && shown != 2 {
			t.Errorf("%s: the server saw a chain of %d", why, shown)
		}
		if c.want == "" && (state.Version == tls.VersionTLS12) != !p.V13 {
			t.Errorf("%s: TLS %x", why, state.Version)
		}
	}
}

func TestOldVersionsAreNotNegotiated(t *testing.T) {
	w := newWorld(t)
	p := profile()
	p.V10, p.V11 = true, true
	server, err := ServerConfig(p, w.store)
	if err != nil {
		t.Fatal(err)
	}
	// The error is that of the version, and not of the certificate that this peer does not show either.
	_, serverErr, _ := handshake(t, server, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if serverErr == nil || !strings.Contains(serverErr.Error(), "unsupported versions") {
		t.Errorf("a peer of TLS 1.1: %v", serverErr)
	}
	client, err := ClientConfig(p, w.store, "hub")
	if err != nil {
		t.Fatal(err)
	}
	old := &tls.Config{Certificates: []tls.Certificate{*chainOf(issue(t, w.root, "hub", serverOnly("hub")))}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if _, serverErr, _ := handshake(t, old, client); serverErr == nil || !strings.Contains(serverErr.Error(), "unsupported versions") {
		t.Errorf("a peer of TLS 1.1 that we dial: %v", serverErr)
	}
}

func TestAnUnknownIssuerCanBeTrusted(t *testing.T) {
	w := newWorld(t)
	leaf := issue(t, w.intermediate, "hub", serverOnly("hub"))
	cs := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.cert, w.intermediate.cert, w.root.cert}}
	p := profile()
	p.Trusted = nil
	server, err := ServerConfig(p, w.store)
	if err != nil {
		t.Fatal(err)
	}
	var e *UnknownIssuer
	if err := server.VerifyConnection(cs); !errors.As(err, &e) || !e.Root || e.Issuer != "Peer Root" || e.Subject != "hub" || !e.End.Equal(w.root.cert) || e.SHA256 != Fingerprint(w.root.cert) {
		t.Fatalf("%v", err)
	}
	if len(e.Chain) != 3 || e.Chain[0] != leaf.cert || e.Chain[1] != w.intermediate.cert {
		t.Errorf("a chain of %d", len(e.Chain))
	}
	w.store.certs["learned"] = []*x509.Certificate{e.End}
	p.Trusted = []config.PKIName{"pki:certificate/learned"}
	if server, err = ServerConfig(p, w.store); err != nil {
		t.Fatal(err)
	}
	if err := server.VerifyConnection(cs); err != nil {
		t.Error(err)
	}
}

// A chain is what belongs together, whatever the order and whatever else a peer sends; rings and long ones end.
func TestAChainIsPutInOrder(t *testing.T) {
	w := newWorld(t)
	leaf, other := issue(t, w.intermediate, "hub", serverOnly("hub")), issue(t, nil, "Peer Root", authority)
	sent := []*x509.Certificate{other.cert, w.root.cert, leaf.cert, w.root.cert, w.intermediate.cert, w.intermediate.cert}
	if got := Chain(leaf.cert, sent); len(got) != 3 || got[1] != w.intermediate.cert || got[2] != w.root.cert {
		t.Errorf("a chain of %d", len(got))
	}
	a, b := issue(t, nil, "A", authority), issue(t, nil, "B", authority)
	ringA, ringB := issueFor(t, b, "A", a.key, authority), issueFor(t, a, "B", b.key, authority)
	if got := Chain(issue(t, a, "ring").cert, []*x509.Certificate{ringA.cert, ringB.cert}); len(got) != 3 {
		t.Errorf("a ring gives a chain of %d", len(got))
	}
	top := w.root
	var long []*x509.Certificate
	for range 2 * maxChain {
		top = issue(t, top, "Again", authority)
		long = append([]*x509.Certificate{top.cert}, long...)
	}
	if got := Chain(issue(t, top, "deep").cert, long); len(got) > maxChain {
		t.Errorf("a chain of %d", len(got))
	}
}

func TestWhatCannotWorkIsSaid(t *testing.T) {
	w := newWorld(t)
	w.store.keys["other"] = w.root.key
	for why, c := range map[string]struct {
		change func(*config.TLSProfile)
		want   string
	}{
		"no certificate":     {func(p *config.TLSProfile) { p.Own = nil }, "profile tls pf: a server needs an own-certificate"},
		"no key":             {func(p *config.TLSProfile) { p.PrivateKey = "" }, "a server needs an own-certificate and its private-key"},
		"not imported":       {func(p *config.TLSProfile) { p.PrivateKey = "pki:private-key/gone" }, "profile tls pf: private-key: private key gone is not imported"},
		"the wrong key":      {func(p *config.TLSProfile) { p.PrivateKey = "pki:private-key/other" }, "profile tls pf: the private key (EC P-256) does not belong to the certificate of sbc.example.com"},
		"no version":         {func(p *config.TLSProfile) { p.V12, p.V13 = false, false }, "neither TLS 1.2 nor 1.3"},
		"no anchor imported": {func(p *config.TLSProfile) { p.Trusted = []config.PKIName{"pki:certificate/gone"} }, "no trusted certificate can be used"},
	} {
		p := profile()
		c.change(p)
		if _, err := ServerConfig(p, w.store); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", why, err, c.want)
		}
	}
	if _, err := ClientConfig(profile(), w.store, ""); err == nil {
		t.Error("a client without a name to verify")
	}
	p := profile()
	p.Own, p.PrivateKey = nil, ""
	if c, err := ClientConfig(p, w.store, "x"); err != nil || c.GetClientCertificate != nil {
		t.Errorf("a client without a certificate: %v", err)
	}
}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	w.store.certs["root"] = []*x509.Certificate{w.boxRoot.cert}
	w.store.certs["short"] = []*x509.Certificate{issueFor(t, w.boxMiddle, "short", w.box.key, serverOnly("short"), since(now.AddDate(0, 0, -80)), until(now.Add(10*24*time.Hour+time.Hour))).cert}
	w.store.certs["plain"] = []*x509.Certificate{issueFor(t, w.boxMiddle, "plain", w.box.key).cert}
	w.store.certs["client"] = []*x509.Certificate{issueFor(t, w.boxMiddle, "client", w.box.key, clientOnly("client")).cert}
	w.store.keys["other"] = w.root.key
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	w.store.certs["weak"], w.store.keys["weak"] = []*x509.Certificate{issueFor(t, w.boxMiddle, "weak", weak, serverOnly("weak")).cert}, weak
	own := func(names ...string) func(*config.TLSProfile) {
		return func(p *config.TLSProfile) {
			p.Own = nil
			for i, n := range names {
				p.Own = append(p.Own, config.OwnCertificate{Index: i + 1, Name: config.PKIName("pki:certificate/" + n)})
			}
		}
	}
	const serverUsage = "note: the certificate of sbc.example.com carries the server usage only"
	for why, c := range map[string]struct {
		change func(*config.TLSProfile)
		teams  bool
		at     time.Time
		want   []string
	}{
		"sound":                   {nil, false, now, []string{serverUsage}},
		"towards Teams, EC":       {nil, true, now, []string{"warning: the certificate of sbc.example.com has a key of type EC P-256: Microsoft Teams takes RSA only", serverUsage}},
		"the leaf alone":          {own("box"), false, now, []string{serverUsage, `note: only the certificate of sbc.example.com itself is sent: if "Box Intermediate" is`}},
		"wrong order":             {own("box", "root", "middle"), false, now, []string{serverUsage, "warning: the own-certificates are in the wrong order: sbc.example.com was issued by Box Intermediate, which must come next"}},
		"no chain":                {own("box", "peer-root"), false, now, []string{serverUsage, `warning: the own-certificates do not form a chain: sbc.example.com was not issued by Peer Root but by "Box Intermediate"`}},
		"an authority for a leaf": {own("middle", "box"), false, now, []string{"warning: the private key (EC P-256) does not belong to the certificate of Box Intermediate", "warning: the certificate of Box Intermediate is a certificate of an authority", "warning: the certificate of Box Intermediate holds no names", "warning: the own-certificates do not form a chain"}},
		"the wrong key":           {func(p *config.TLSProfile) { p.PrivateKey = "pki:private-key/other" }, false, now, []string{"warning: the private key (EC P-256) does not belong", serverUsage}},
		"nothing":                 {func(p *config.TLSProfile) { p.Own, p.PrivateKey = nil, "" }, false, now, nil},
		"not imported":            {own("gone", "middle"), false, now, []string{"warning: pki:certificate/gone cannot be used: certificate gone is not imported"}},
		"expires soon":            {own("short", "middle"), false, now, []string{"note: the certificate of short carries", "warning: own-certificate of short expires on " + now.Add(10*24*time.Hour+time.Hour).UTC().Format(time.DateOnly) + ", in 10 days"}},
		"everything has expired":  {nil, false, now.AddDate(1, 0, 0), []string{serverUsage, "warning: own-certificate of sbc.example.com has expired on", "warning: own-certificate of Box Intermediate has expired", "warning: trusted-certificate of Peer Root has expired"}},
		"the clock is at 1970":    {nil, false, time.Unix(0, 0), []string{serverUsage, "warning: own-certificate of sbc.example.com is not good before", "warning: own-certificate of Box Inter", "warning: trusted-certificate of Peer Root is not"}},
		"no names":                {own("plain", "middle"), false, now, []string{"warning: the certificate of plain holds no names"}},
		"client usage only":       {own("client", "middle"), false, now, []string{"warning: the certificate of client does not carry the server usage"}},
		"a leaf for an anchor": {func(p *config.TLSProfile) {
			p.Trusted = []config.PKIName{"pki:certificate/box", "pki:certificate/gone"}
		}, false, now, []string{serverUsage, "warning: pki:certificate/box: sbc.example.com is no certificate of an authority", "warning: pki:certificate/gone cannot be used"}},
		"a short RSA key": {func(p *config.TLSProfile) { own("weak", "middle")(p); p.PrivateKey = "pki:private-key/weak" }, true, now, []string{"warning: the certificate of weak has a key of type RSA 1024: peers want RSA 2048", "note: the certificate of weak carries"}},
	} {
		p := profile()
		if c.change != nil {
			c.change(p)
		}
		var got []string
		for _, f := range Check(p, w.store, c.teams, c.at) {
			got = append(got, f.Severity+": "+f.Text)
		}
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s:\n got %s\nwant %s", why, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
}

// The list of teams.md A.7: roots of Microsoft's certificates with their SHA-1.
func TestBuiltInRoots(t *testing.T) {
	want := map[string]string{
		"DigiCert Global Root CA":                       "A8985D3A65E5E5C4B2D7D66D40C6DD2FB19C5436",
		"DigiCert Global Root G2":                       "DF3C24F9BFD666761B268073FE06D1CC8D4F82A4",
		"DigiCert Global Root G3":                       "7E04DE896A3E666D00E687D33FFAD93BE83D349E",
		"DigiCert TLS ECC P384 Root G5":                 "17F3DE5E9F0F19E98EF61F32266E20C407AE30EE",
		"DigiCert TLS RSA4096 Root G5":                  "A78849DC5D7C758C8CDE399856B3AAD0B2A57135",
		"Microsoft ECC Root Certificate Authority 2017": "999A64C37FF47D9FAB95F14769891460EEC4C3C5",
		"Microsoft RSA Root Certificate Authority 2017": "73A5E64A3BFF8316FF0EDCCC618A906E4EAE4D74",
	}
	list := BuiltIn()
	if len(list) != len(want) {
		t.Errorf("%d roots, want %d", len(list), len(want))
	}
	for _, c := range list {
		i := Describe(c)
		if sum := fmt.Sprintf("%X", sha1.Sum(c.Raw)); want[i.Subject] != sum {
			t.Errorf("%s: SHA-1 %s, want %s", i.Subject, sum, want[i.Subject])
		}
		if !i.CA || i.Issuer != i.Subject {
			t.Errorf("%+v is no root", i)
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: Roots(), CurrentTime: c.NotBefore.AddDate(1, 0, 0), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: %v", i.Subject, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	root := issue(t, nil, "Root", authority)
	leaf := issue(t, root, "", func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"a.example.com"}, []net.IP{net.ParseIP("192.0.2.1")}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning}
	})
	i := Describe(leaf.cert)
	if i.Subject != "(no name)" || i.Issuer != "Root" || i.Key != "EC P-256" || i.CA || len(i.SHA256) != 64 ||
		!slices.Equal(i.Names, []string{"a.example.com", "192.0.2.1"}) || !slices.Equal(i.Usage, []string{"server", "client", "another"}) {
		t.Errorf("%+v", i)
	}
	hostile := issue(t, nil, "sbc\n  fix: reload\x1b[2J\u202e", func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("x", 5000)} })
	if i := Describe(hostile.cert); i.Subject != `sbc\x0a  fix: reload\x1b[2J\u202e` || i.Issuer != i.Subject {
		t.Errorf("%+v", i)
	}
	if Name("pki:certificate/a/b") != "a/b" || Name("plain") != "plain" {
		t.Error("names")
	}
}
