package presencelab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/lab/entra"
	"viaduct/appliance/presence"
	"viaduct/appliance/status"
)

const (
	appID = "11111111-2222-3333-4444-555555555555"
	poll  = 10 * time.Second
)

// key is the box's. Making one takes long, so all tests share it.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// office is a tenant with its application.
type office struct {
	*testing.T
	*entra.Service
	app         *entra.Application
	credentials graph.Credentials
}

// newOffice makes one that takes a certificate of the box.
func newOffice(t *testing.T) *office {
	t.Helper()
	s, err := entra.New(entra.Options{})
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "box"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(2, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key().Public(), key())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{T: t, Service: s, app: s.Register(appID, entra.UsersRead, entra.PresenceWrite),
		credentials: graph.Credentials{Tenant: "contoso.onmicrosoft.com", Application: appID, Cloud: config.CloudGlobal, Certificate: cert, Key: key()}}
	o.app.Upload(cert)
	o.app.Grant(entra.UsersRead, entra.PresenceWrite)
	return o
}

// client is one of Graph.
func (o *office) client() *graph.Client { return graph.New(o.Transport(), o.credentials) }

// refused lists what Microsoft did not take.
func (o *office) refused() string { return strings.Join(o.Refusals(), "\n") }

// box is an engine beside an office, with users 0 to n-1 whose identities are u0, u1 and so on.
type box struct {
	*office
	engine  *presence.Engine
	service *config.PresenceService
	cfg     *config.Config
	health  *health.Tracker
	log     lines
	keys    keys
	stop    func()
}

// user is the name of a user in the directory.
func user(n int) string { return fmt.Sprintf("u%d@contoso.com", n) }

// newBox starts an engine. It belongs into a bubble of virtual time.
func newBox(o *office, users int, change func(*config.PresenceService)) *box {
	b := &box{office: o, service: &config.PresenceService{Name: "TEAMS"}, cfg: config.New()}
	b.service.SetDefaults()
	b.service.Tenant, b.service.Application, b.service.Scope, b.service.ReportCalls = o.credentials.Tenant, appID, config.ScopeAll, true
	if change != nil {
		change(b.service)
	}
	place := &config.LocationService{Name: "LS"}
	for n := range users {
		o.AddUser(entra.User{UPN: user(n), Mail: user(n)})
		o.SignIn(user(n), entra.Available)
		place.Identities = append(place.Identities, &config.Identity{Name: fmt.Sprintf("u%d", n)})
	}
	b.cfg.Location, b.cfg.Presence = []*config.LocationService{place}, []*config.PresenceService{b.service}
	b.start()
	o.Cleanup(func() { b.stop() })
	return b
}

func (b *box) start() {
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	b.health = &health.Tracker{Log: log}
	b.engine = presence.New(presence.Options{Log: log, Health: b.health, Publisher: &b.keys,
		Dial: func(*config.PresenceService) (http.RoundTripper, graph.Credentials, error) {
			return b.Transport(), b.credentials, nil
		}})
	b.engine.Apply(b.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := b.engine.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	work.Go(func() { _ = b.health.Run(ctx) })
	b.stop = func() { cancel(); work.Wait() }
	b.pass(time.Second)
}

// pass lets so much time pass.
func (b *box) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// line has the PBX tell whether a user is on the phone.
func (b *box) line(n int, busy bool) {
	b.engine.Line(presence.Line{Identity: fmt.Sprintf("u%d", n), Origin: "dialog", Busy: busy})
	synctest.Wait()
}

// code is what the PBX's call for a user gets; 0: it goes on.
func (b *box) code(n int) int {
	code, _ := b.engine.Refuse(fmt.Sprintf("u%d", n))
	return code
}

func (b *box) status() status.PresenceService { return b.engine.Status(b.cfg).Services[0] }

// alarm returns the text and the advice of an alarm; "": it is not raised.
func (b *box) alarm(id string) string {
	i := slices.IndexFunc(b.health.Current(), func(a health.Alarm) bool { return a.ID == id })
	if i < 0 {
		return ""
	}
	a := b.health.Current()[i]
	return a.Text + " " + a.Advice
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns what was logged since the last time.
func (l *lines) take() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		list = append(list, line)
	}
	l.text.Reset()
	return list
}

// keys are those of other phones: what the engine publishes.
type keys struct {
	mu   sync.Mutex
	busy map[string]bool
	told func(presence.Publication) // beside; nil: nobody
}

func (k *keys) Publish(p presence.Publication) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy == nil {
		k.busy = map[string]bool{}
	}
	k.busy[p.Identity] = p.Busy && !p.Gone
	if k.told != nil {
		k.told(p)
	}
}

func (k *keys) lit(n int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.busy[fmt.Sprintf("u%d", n)]
}
