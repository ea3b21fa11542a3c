package acme

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"

	lib "github.com/mholt/acmez/v3/acme"
)

// machine is the way of one certificate. A step that next does not have is a fault.
type machine struct {
	e      *Engine
	p      *config.ACMEProfile
	name   string
	j      journal
	loaded bool
	due    time.Time
	unseen time.Time // the TXT record is not seen since
}

// journal is what a machine knows across restarts. It is stored before each step that cannot be undone.
type journal struct {
	State  status.ACMEState
	Order  string  // URL
	For    string  // what was ordered, or failed; see terms
	Key    []byte  // PEM, of the order; it is stored before the authority hears of it
	Chain  []byte  // PEM, once it is issued
	Before *former // what it takes the place of; nil: nothing that was usable
	Back   bool    // Before is being installed again

	Up   []string  // interfaces whose peers were up before
	Used time.Time // the new certificate is in use since then

	Failures int // in a row
	Last     time.Time
	Held     time.Time // the authority wants to be left alone until then
	Error    string
	Advice   string
	Refused  string // what peers said of a certificate that was taken back

	Window  Window    // advice for the certificate with fingerprint Advised
	Ask     time.Time // for advice again
	Advised string
}

// former is a pair that was in use.
type former struct{ Chain, Key []byte }

// next are the steps between states.
var next = map[status.ACMEState][]status.ACMEState{
	status.ACMEIdle:       {status.ACMEClock, status.ACMERecord, status.ACMEOrdered, status.ACMEFailed},
	status.ACMEClock:      {status.ACMEIdle, status.ACMERecord, status.ACMEOrdered, status.ACMEFailed},
	status.ACMERecord:     {status.ACMEIdle, status.ACMEClock, status.ACMEOrdered, status.ACMEFailed},
	status.ACMEFailed:     {status.ACMEIdle, status.ACMEClock, status.ACMERecord, status.ACMEOrdered},
	status.ACMEOrdered:    {status.ACMEIdle, status.ACMEIssued, status.ACMEFailed},
	status.ACMEIssued:     {status.ACMEIdle, status.ACMEInstalling, status.ACMEFailed},
	status.ACMEInstalling: {status.ACMEIdle, status.ACMETrial, status.ACMEFailed},
	status.ACMETrial:      {status.ACMEIdle, status.ACMEInstalling, status.ACMEFailed},
}

func newMachine(e *Engine, name string) *machine { return &machine{e: e, name: name} }

func (m *machine) file() string {
	sum := sha256.Sum256([]byte(m.name))
	return fmt.Sprintf("order-%x", sum[:8])
}

// load reads the journal. One that cannot be read is an order that is lost, no more: the pair in use is whole.
func (m *machine) load() {
	if m.loaded {
		return
	}
	m.loaded = true
	text, err := m.e.o.Store.ACMEFile(m.file())
	if err == nil {
		err = json.Unmarshal(text, &m.j)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.j = journal{}
		m.e.o.Log.Error("state of a certificate not read", "name", m.name, "err", err)
	}
}

func (m *machine) save() error {
	text, err := json.Marshal(m.j)
	if err == nil {
		err = m.e.o.Store.SaveACMEFile(m.file(), text)
	}
	if err != nil {
		return failed(adviceStore, fmt.Errorf("the state of the certificate cannot be stored: %w", err))
	}
	return nil
}

// enter goes to another state.
func (m *machine) enter(s status.ACMEState) {
	if s == m.j.State {
		return
	}
	if !slices.Contains(next[m.j.State], s) {
		m.e.o.Log.Error("a step that does not exist", "name", m.name, "from", m.j.State, "to", s)
	}
	m.e.o.Log.Debug("certificate", "name", m.name, "from", m.j.State, "to", s)
	m.j.State = s
}

// to goes to another state and stores it. What fails there is a failure of the attempt.
func (m *machine) to(s status.ACMEState) bool {
	m.enter(s)
	if err := m.save(); err != nil {
		m.fail(err)
		return false
	}
	return true
}

// run goes on as far as it can, and returns when to be called again.
func (m *machine) run(ctx context.Context) time.Time {
	m.load()
	ctx, cancel := context.WithTimeout(ctx, sessionTime)
	defer cancel()
	asked := m.e.asked(m.name)
	if asked && m.j.State == status.ACMETrial {
		m.succeed() // an administrator who orders another one is content with this one
	}
	m.publish()
	var at time.Time
	for more := true; more && !m.interrupted(ctx); {
		at, more = m.step(ctx, asked)
		asked = asked && m.j.State == status.ACMEClock // it still waits
		m.publish()
	}
	return at
}

// interrupted reports whether the engine ends. A session that takes too long is a failure instead.
func (m *machine) interrupted(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled)
}

// step does what is to be done in the present state. more: another step can follow at once, else the next one is at the returned time.
func (m *machine) step(ctx context.Context, asked bool) (at time.Time, more bool) {
	switch m.j.State {
	case status.ACMEOrdered:
		return m.complete(ctx)
	case status.ACMEIssued:
		return m.judge()
	case status.ACMEInstalling:
		return m.install(ctx)
	case status.ACMETrial:
		return m.watch()
	}
	return m.rest(ctx, asked)
}

// terms are what an order depends on, in short: with other ones another order is wanted. The journal does not hold the MAC key so.
func (m *machine) terms() string {
	x := m.p.External
	text := fmt.Sprintf("%q", append([]string{directoryURL(m.p), string(m.p.DirectoryCA), m.p.Proxy, m.p.Contact, x.KeyID, string(x.MACKey), string(m.p.Challenge)}, m.p.Names...))
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

// complete goes on with an order: with one that was just placed, or with that of before a restart.
func (m *machine) complete(ctx context.Context) (time.Time, bool) {
	if m.j.For != m.terms() {
		m.j.Order, m.j.Key = "", nil
		return time.Time{}, m.to(status.ACMEIdle)
	}
	key, err := pki.ParsePrivateKey(m.j.Key, "")
	if err != nil {
		return m.fail(failed(adviceStore, fmt.Errorf("the key of the order cannot be used: %w", err)))
	}
	s, err := m.e.open(m.p, directoryURL(m.p))
	if err == nil {
		err = s.signIn(ctx)
	}
	var o lib.Order
	if err == nil {
		o, err = s.find(ctx, m.j.Order)
	}
	if err == nil && o.Status == lib.StatusPending {
		if err = s.prove(ctx, o); err == nil {
			o, err = s.find(ctx, m.j.Order)
		}
	}
	if err == nil && o.Status == lib.StatusReady {
		o, err = s.finalize(ctx, o, key)
	}
	if err == nil && o.Status != lib.StatusValid {
		var why error = errors.New("the order is " + o.Status)
		if o.Error != nil {
			why = *o.Error
		}
		err = failed(adviceOrder, fmt.Errorf("the order fails: %w", why))
	}
	if err == nil {
		m.j.Chain, err = s.download(ctx, o)
	}
	m.hold(s)
	if err != nil {
		if m.interrupted(ctx) {
			return time.Time{}, false // the order goes on after the restart
		}
		return m.fail(err)
	}
	return time.Time{}, m.to(status.ACMEIssued)
}

// earliest is how long a certificate may lie ready before its time comes. An authority dates back rather than forth, so a longer wait
// means that a clock is wrong.
const earliest = 24 * time.Hour

// judge decides whether the new certificate may be used.
func (m *machine) judge() (time.Time, bool) {
	now := time.Now()
	if m.e.o.Clock() != nil {
		return now.Add(clockPause), false
	}
	chain, err := pki.ParseCertificates(m.j.Chain)
	if err == nil {
		key, e := pki.ParsePrivateKey(m.j.Key, "")
		if err = e; err == nil {
			err = pki.Usable(chain, key, pki.Use{Names: m.p.Names, Roots: m.e.o.Roots(), Now: now})
		}
	}
	var early *pki.NotYetError
	if errors.As(err, &early) && early.Start.Before(now.Add(earliest)) {
		return early.Start, false
	}
	if err != nil {
		return m.fail(failed(adviceUnusable, fmt.Errorf("the new certificate is not used: %w", err)))
	}
	if m.j.Before, err = m.former(); err != nil {
		return m.fail(err)
	}
	certificate, _ := m.p.Target()
	m.j.Up = nil
	for _, p := range m.e.o.Peers(certificate) {
		if p.State == status.PeerUp {
			m.j.Up = append(m.j.Up, p.Interface)
		}
	}
	return time.Time{}, m.to(status.ACMEInstalling)
}

// former reads the pair in use; nil: there is none.
func (m *machine) former() (*former, error) {
	if m.inUse() == nil {
		return nil, nil
	}
	certificate, name := m.p.Target()
	chain, err := m.e.o.Store.CertificateText(pki.Name(certificate))
	if err == nil {
		key, e := m.e.o.Store.PrivateKey(pki.Name(name))
		if err = e; err == nil {
			var text []byte
			if text, err = pki.KeyPEM(key); err == nil {
				return &former{Chain: chain, Key: text}, nil
			}
		}
	}
	return nil, failed(adviceStore, fmt.Errorf("the certificate in use cannot be kept: %w", err))
}

// installPause is until the next attempt to store or to use a certificate that is here already.
const installPause = time.Minute

// install puts the new pair, or the former one again, into use. It is done again after a power cut.
func (m *machine) install(ctx context.Context) (time.Time, bool) {
	pair := former{m.j.Chain, m.j.Key}
	if m.j.Back {
		pair = *m.j.Before
	}
	certificate, key := m.p.Target()
	err := m.e.o.Store.InstallPair(pki.Name(certificate), pki.Name(key), pair.Chain, pair.Key)
	var used time.Time
	if err == nil {
		used, err = m.e.o.Use(ctx)
	}
	if err != nil {
		if m.interrupted(ctx) {
			return time.Time{}, false
		}
		m.alarm(failed(adviceStore, fmt.Errorf("the certificate is not installed: %w", err)))
		return time.Now().Add(installPause), false
	}
	m.j.Ask = time.Time{}
	if m.j.Back {
		why := m.j.Refused
		m.e.o.Log.Error("certificate taken back", "name", m.name, "err", why)
		return m.fail(failed(adviceRefused, errors.New(why)))
	}
	m.e.o.Log.Info("certificate renewed", "name", m.name, "until", m.end())
	m.j.Used = used
	if len(m.j.Up) == 0 {
		m.succeed()
		return time.Time{}, true
	}
	return time.Time{}, m.to(status.ACMETrial)
}

func (m *machine) end() string {
	if chain := m.inUse(); chain != nil {
		return chain[0].NotAfter.UTC().Format(time.DateTime)
	}
	return ""
}

// watch looks how peers take the new certificate.
func (m *machine) watch() (time.Time, bool) {
	now := time.Now()
	certificate, _ := m.p.Target()
	v, why := judgement(m.j.Up, m.e.o.Peers(certificate), m.j.Used, now)
	switch v {
	case undecided:
		return now.Add(time.Second), false
	case accepted:
		m.succeed()
		return time.Time{}, true
	}
	m.j.Refused = why
	if b := m.j.Before; b != nil && stillGood(b.Chain, now) {
		m.j.Back = true
		return time.Time{}, m.to(status.ACMEInstalling)
	}
	m.e.o.Log.Error("certificate refused, and none before it is good", "name", m.name, "err", why)
	return m.fail(failed(adviceRefused, errors.New(why)))
}

func stillGood(chain []byte, now time.Time) bool {
	list, err := pki.ParseCertificates(chain)
	return err == nil && !slices.ContainsFunc(list, func(c *x509.Certificate) bool { return now.After(c.NotAfter) || now.Before(c.NotBefore) })
}

// succeed ends the way of a certificate. The keys of before are forgotten.
func (m *machine) succeed() {
	m.j = journal{State: m.j.State, Window: m.j.Window, Ask: m.j.Ask, Advised: m.j.Advised, Held: m.j.Held}
	m.to(status.ACMEIdle)
	for _, w := range alarms {
		m.e.o.Health.Clear(w, m.name)
	}
}

// fail notes a failure. The order is given up, and with it its key: the next attempt has others.
func (m *machine) fail(err error) (time.Time, bool) {
	now := time.Now()
	m.j.Failures++
	if m.j.Refused != "" {
		m.j.Failures = max(m.j.Failures, dailyFailures)
	}
	m.j.Last, m.j.For = now, m.terms()
	m.j.Order, m.j.Key, m.j.Chain, m.j.Before, m.j.Back, m.j.Up = "", nil, nil, nil, false, nil
	m.enter(status.ACMEFailed)
	m.alarm(err)
	if err := m.save(); err != nil {
		m.e.o.Log.Error("state of a certificate not stored", "name", m.name, "err", err)
	}
	return retry(m.j.Failures, m.j.Last, m.j.Held), false
}

// dailyFailures is from how many failures in a row on there is one attempt a day: a certificate that peers refuse is not ordered hourly.
const dailyFailures = 3
