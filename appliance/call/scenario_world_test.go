package call_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/call"
	"viaduct/appliance/config"
	"viaduct/appliance/drain"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/license"
	"viaduct/appliance/messages"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"
)

// world is the box of one scenario, with everything around it.
type world struct {
	t     testing.TB
	start time.Time
	vars  variables
	sdps  map[string][]string
	lines []string // of the configuration, beyond the reference

	net      *memory
	names    *table
	relay    *relay
	media    call.Media // it, or a real one
	licenses *license.Manager
	stack    *sipgw.Stack
	calls    *call.Manager
	drains   *drain.Book
	peers    map[string]*peer
	dialogs  map[string]*dialog
	last     time.Time // when the last step ended

	counted map[string]status.SIPTraffic // of each interface, at the last step `messages`

	box      int        // how many there were
	paired   bool       // the box is one of two
	dies     bool       // and dies whenever the other one can go on with all calls
	gathered chan error // what Gather has said
	kept     kept       // by the standby of a pair
	halt     func()     // ends the box that is running
	quiet    *slog.Logger

	presence presence
	phones   *registrations

	taken              license.Share // what the scenario holds itself; nil: nothing
	sessions, channels int           // so many of each pool

	mu       sync.Mutex // of what the box's goroutines touch
	cfg      *config.Config
	records  []status.Record
	messages *messages.Store // nil: they are not kept
	problems []string
	trace    []string
	log      bytes.Buffer
	manual   map[string]bool // methods outside dialogs that the scenario answers itself
	sentOn   map[string]*link
	acks     map[string]bool // branches of INVITEs refused by a peer: true when their ACK has come
	ports    uint16
	stop     func()

	applying sync.WaitGroup // a configuration that waits for what peers say
}

// reference is the configuration that integrators paste.
const reference = "../lang/testdata/starface-teams.cfg"

var identityOfBox = sync.OnceValues(func() (*x509.Certificate, crypto.Signer) { return selfSigned("sbc.meinefirma.de") })

// selfSigned makes a certificate that is good in virtual time, which begins in the year 2000.
func selfSigned(names ...string) (*x509.Certificate, crypto.Signer) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	from := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	x := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: from, NotAfter: from.AddDate(50, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, x, x, key.Public(), key)
	if err != nil {
		panic(err)
	}
	x, err = x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return x, key
}

// keys is the box's key store: one certificate and its key under every name.
type keys struct{}

func (keys) Certificates(string) ([]*x509.Certificate, error) {
	x, _ := identityOfBox()
	return []*x509.Certificate{x}, nil
}

func (keys) PrivateKey(string) (crypto.Signer, error) {
	_, k := identityOfBox()
	return k, nil
}

var certificateOfTeams = sync.OnceValue(func() *x509.Certificate {
	x, _ := selfSigned("sip.pstnhub.microsoft.com", "sip2.pstnhub.microsoft.com", "sip3.pstnhub.microsoft.com", "*.pstnhub.microsoft.com")
	return x
})

// newWorld starts a box that knows no configuration yet.
func newWorld(t testing.TB) *world {
	w := &world{t: t, start: time.Now(), vars: variables{}, sdps: map[string][]string{}, licenses: license.New(), relay: &relay{},
		names: &table{names: map[string][]netip.Addr{}, srv: map[string][]*net.SRV{}}, peers: map[string]*peer{}, dialogs: map[string]*dialog{},
		manual: map[string]bool{}, sentOn: map[string]*link{}, acks: map[string]bool{}, ports: 40000}
	w.net = &memory{w: w, sockets: map[netip.AddrPort]*socket{}, listeners: map[netip.AddrPort]*listener{}}
	for _, p := range []struct{ name, addr, transport, host string }{
		{"teams", "52.114.75.24:5061", "tls", "sip.pstnhub.microsoft.com"},
		{"teams2", "52.114.132.46:5061", "tls", "sip2.pstnhub.microsoft.com"},
		{"teams3", "52.114.14.70:5061", "tls", "sip3.pstnhub.microsoft.com"},
		{"region", "52.114.76.76:5061", "tls", "sip-du-a-eu.pstnhub.microsoft.com"},
		{"pbx", "192.168.1.100:5060", "udp", "starface.meinefirma.de"},
	} {
		w.addPeer(p.name, netip.MustParseAddrPort(p.addr), p.transport)
		w.names.set(p.host, []netip.Addr{netip.MustParseAddrPort(p.addr).Addr()})
	}
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log.Write(b)
		if bytes.Contains(b, []byte("level=ERROR")) {
			w.problems = append(w.problems, string(b)) // a step that the states of a call do not have
		}
	}), nil))
	tracker := &health.Tracker{Log: log}
	w.drains = drain.New(drain.Options{Log: log, Health: tracker, Config: w.config, Count: func() int { return w.calls.Count() },
		Calls: func() []status.Call { return w.calls.Calls() }, Clear: func(id string) { w.calls.Clear(id) }})
	w.phones = newRegistrations(w, tracker)
	w.media = w.relay
	w.quiet = log
	w.boot()
	ctx, end := context.WithCancel(context.Background())
	var engines sync.WaitGroup
	engines.Go(func() { w.drains.Run(ctx) })
	engines.Go(func() { w.phones.Run(ctx) })
	w.stop = func() {
		w.applying.Wait()
		w.halt()
		end()
		engines.Wait()
		for _, p := range w.peers {
			p.closeAll()
		}
	}
	return w
}

// boot starts the signalling of a box. A second one takes the place of the first, see takeOver.
func (w *world) boot() {
	w.box++
	log := w.quiet
	w.stack = sipgw.New(sipgw.Options{Phones: w.phones, Options: siptransport.Options{Log: log, Resolver: w.names, PKI: keys{}, Network: w.net, Trace: w.traced}, UserAgent: "Viaduct SBC",
		Silent: w.drains.Silent, OnInvite: func(in *sipgw.Incoming) {
			if w.messages != nil {
				w.messages.Began(in.Request.CallID)
			}
			w.calls.OnInvite(in)
		}})
	w.phones.Attach(w.stack)
	sipevent.New(w.stack, sipevent.Options{Log: log})
	w.calls = call.New(call.Options{Log: log, SIP: w.stack, Peers: sipua.New(w.stack, log), Service: w.drains, Media: w.media, Licenses: w.licenses, Resolved: w.names.Cached,
		Config: w.config, Presence: &w.presence, Phones: w.phones, Survival: w.phones, Line: w.phones.of(w.box), Pair: &w.kept, Recorded: w.recorded, Record: func(r status.Record) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.records = append(w.records, r)
		}})
	var calls, stack sync.WaitGroup
	callsCtx, endCalls := context.WithCancel(context.Background())
	stackCtx, endStack := context.WithCancel(context.Background())
	m, s := w.calls, w.stack
	calls.Go(func() { m.Run(callsCtx) })
	stack.Go(func() { s.Run(stackCtx) })
	w.halt = func() {
		endCalls()
		calls.Wait()
		endStack()
		stack.Wait()
	}
}

func (w *world) config() *config.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cfg
}

type writer func([]byte)

func (f writer) Write(b []byte) (int, error) { f(b); return len(b), nil }

// presence is how Teams users are: the code with which each is to be refused.
type presence struct {
	mu    sync.Mutex
	codes map[string]int
}

func (p *presence) Refuse(identity string) (code int, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.codes[identity], "the called user is do-not-disturb in Teams"
}

// is says how a user is from now on.
func (p *presence) is(identity string, code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes == nil {
		p.codes = map[string]int{}
	}
	p.codes[identity] = code
}

// configure takes up the reference configuration with the lines that the scenario has added to it.
func (w *world) configure() error {
	text, err := os.ReadFile(reference)
	if err != nil {
		return err
	}
	// A re-INVITE at the begin of every call would hide what scenarios are about: those that want it say so.
	text = bytes.ReplaceAll(text, []byte("    srtp renegotiate-on-connect\n"), nil)
	cfg, problems := language().Parse([]byte(string(text) + "\n" + strings.Join(w.lines, "\n") + "\n"))
	for _, p := range problems {
		if p.Severity == check.Error {
			return fmt.Errorf("configuration: %q: %s", p.Text, p.Fix)
		}
	}
	if w.paired {
		cfg.Redundancy = pairOfBoxes()
	}
	w.mu.Lock()
	w.cfg = cfg
	w.mu.Unlock()
	w.phones.Apply(cfg)
	return w.stack.Apply(cfg, cfg.Address)
}

// reconfigure changes the running box. A change that waits for what peers say to it, as a gateway that leaves does, goes on while the steps
// that follow say it.
func (w *world) reconfigure(s step) {
	w.t.Helper()
	w.applying.Wait()
	done := make(chan struct{})
	w.applying.Go(func() {
		defer close(done)
		if err := w.configure(); err != nil {
			w.problem("%v", err)
		}
	})
	synctest.Wait()
	select {
	case <-done:
		time.Sleep(time.Second)
	default:
	}
}

var language = sync.OnceValue(lang.New)

// port is a new source port for a connection.
func (w *world) port() uint16 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports++
	return w.ports
}

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// note adds a line to the ladder that a failure prints.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%9.3fs ", time.Since(w.start).Seconds())+fmt.Sprintf(format, args...))
}

// fail ends the scenario with everything that was said until now.
func (w *world) fail(s step, format string, args ...any) {
	w.t.Helper()
	w.mu.Lock()
	log := w.log.String()
	trace := strings.Join(w.trace, "\n")
	w.mu.Unlock()
	w.t.Fatalf("%s: %s\n%s\n\nthe messages:\n%s\nthe log:\n%s", s.where, strings.Join(s.words, " "), fmt.Sprintf(format, args...), trace, log)
}

// settle lets the box finish what it is doing.
func (w *world) settle(s step) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	problems := w.problems
	w.problems = nil
	w.mu.Unlock()
	if problems != nil {
		w.fail(s, "%s", strings.Join(problems, "\n"))
	}
}
