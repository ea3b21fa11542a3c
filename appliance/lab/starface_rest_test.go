package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab/entra"
	"viaduct/appliance/lab/starfacerest"
	"viaduct/appliance/status"
)

const pbxPassword = "hush-4711-pbx"

// startREST starts the REST interface of the STARFACE, whose certificate has a name of its own, and returns that.
func startREST(r *running, s *starfacerest.Server) *x509.Certificate {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "starface"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := r.LAN.Listen(r.ctx, "tcp4", netip.AddrPortFrom(StarfaceAddr, 443).String())
	if err != nil {
		r.t.Fatal(err)
	}
	web := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	done := make(chan error, 1)
	go func() { done <- web.ServeTLS(l, "", "") }()
	r.t.Cleanup(func() {
		web.Close()
		<-done
	})
	return leaf
}

// TestDoNotDisturbAtTheStarface has the whole box set do not disturb at a STARFACE for who does not want to be disturbed in Teams, and take back what
// it has set and nothing else, over a crash, too.
func TestDoNotDisturbAtTheStarface(t *testing.T) {
	const anna, bert, cara = "anna@contoso.com", "bert@contoso.com", "cara@contoso.com"
	t.Parallel() // it waits more than it works
	dnd := entra.State{Availability: "DoNotDisturb", Activity: "DoNotDisturb"}
	r := newRunning(t)
	r.patience(5 * time.Minute)
	m := startMicrosoft(r)
	pbx := starfacerest.New(starfacerest.Options{},
		starfacerest.User{ID: 1, Login: "presence", Password: pbxPassword, Admin: true},
		starfacerest.User{ID: 21, Login: "0021", Mail: "Anna@Contoso.com"},
		starfacerest.User{ID: 22, Login: "0022", Mail: bert},
		starfacerest.User{ID: 23, Login: "user.03"}, // found by his login id
	)
	leaf := startREST(r, pbx)
	r.start(Setup{})
	r.paste("import pki:certificate/STARFACE", string(CertificatePEM(leaf.Raw)))
	m.configure("map-status do-not-disturb refuse 486 starface-dnd", "starface https://"+StarfaceAddr.String()+" username presence password "+pbxPassword+" ca pki:certificate/STARFACE")
	m.known(anna, "available")
	if said := m.test(); !strings.Contains(said, "4 users that the account may see") {
		t.Errorf("presence test: %s", said)
	}
	set := func(id int64, want bool) {
		t.Helper()
		r.wait("do not disturb", func() bool { return pbx.Phones(id).DoNotDisturb == want })
	}

	pbx.Switch(22, true) // his own
	for _, name := range []string{anna, bert, cara} {
		m.SignIn(name, dnd)
	}
	set(21, true)
	set(23, true)
	if want := (starfacerest.PhoneConfig{DoNotDisturb: true}); pbx.Phones(21) != want {
		t.Errorf("%+v", pbx.Phones(21))
	}
	for _, name := range []string{anna, bert, cara} {
		m.SignIn(name, entra.Available)
	}
	set(21, false)
	set(23, false)
	m.known(bert, "available")
	if !pbx.Phones(22).DoNotDisturb {
		t.Error("what the user had switched on himself was switched off")
	}

	m.SignIn(anna, dnd)
	set(21, true)
	r.paste("copy running-config startup-config")
	if err := r.box.Kill(); err != nil {
		t.Fatal(err)
	}
	pbx.EndSessions() // that of the box that has died
	m.SignIn(anna, entra.Available)
	if err := r.box.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	set(21, false)

	// A STARFACE that does not answer holds up nothing.
	pbx.Instead(func(_ http.ResponseWriter, q *http.Request) bool {
		<-q.Context().Done()
		return true
	})
	m.SignIn(anna, dnd)
	m.SignIn(cara, dnd)
	m.known(anna, "do-not-disturb")
	m.known(cara, "do-not-disturb")
	m.SignIn(cara, entra.Available)
	m.known(cara, "available")
	r.wait("it is said that the STARFACE does not answer", func() bool { return m.service().Starface.State == status.SinkFailing })
	pbx.Instead(nil)
	set(21, true)
	m.SignIn(anna, entra.Available)
	set(21, false)

	// The service ends, and takes back what is its own.
	m.SignIn(anna, dnd)
	set(21, true)
	r.paste("configure", "presence-service TEAMS", "no starface", "end")
	set(21, false)
	r.wait("the session at the STARFACE ends", func() bool { now, _ := pbx.Sessions(); return now == 0 })
	if !pbx.Phones(22).DoNotDisturb {
		t.Error("what the user had switched on himself was switched off")
	}
	if no := pbx.Refusals(); len(no) > 0 {
		t.Error(no)
	}
	if changes := pbx.Changes(); slices.ContainsFunc(changes, func(c starfacerest.Change) bool { return c.ID == 22 }) {
		t.Error(changes)
	}
	if log := r.log.String(); strings.Contains(log, pbxPassword) || strings.Contains(log, "authToken") {
		t.Error("the log shows the password, or a token")
	}
}
