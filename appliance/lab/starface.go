package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	starfacePort   = 5060
	starfaceAllow  = "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE, UPDATE"
	starfaceServer = "Asterisk PBX 20.15.2"
	realm          = "asterisk"
	// StarfaceTone is what STARFACE plays: its frequency in Hz; the level is ToneDBm0.
	StarfaceTone = 1004
	// starfacePorts is the first media port, as Asterisk has it by default.
	starfacePorts = 10000
	minExpires    = 60
)

// Accounts of the simulated STARFACE with their passwords: those of the reference configuration.
var accounts = map[string]string{
	"user.01": "meingeheimessippasswort01",
	"user.02": "meingeheimessippasswort02",
	"user.03": "meingeheimessippasswort03",
}

// Starface is a simulated STARFACE PBX: an Asterisk with one account for every Teams user.
// It has one goroutine for its state, one reader of the UDP socket, and one a TCP connection.
type Starface struct {
	*agent
	world *World
	udp   *net.UDPConn
	tcp   net.Listener

	mu   sync.Mutex // protects the following
	open map[net.Conn]bool

	// The following belong to the agent's goroutine.
	calls     map[string]*Call
	incoming  chan *Call
	refused   []Refusal
	nextPort  uint16
	behaviour Behaviour
	passwords map[string]string
	contacts  map[string]*registration
	nonces    map[string]bool     // valid ones
	watchers  map[string]*watcher // by Call-ID
	talking   map[string]bool     // extensions whose phones are in a call
	offline   bool
	invites   int
	registers int
}

// registration is where an account can be called.
type registration struct {
	uri      string
	flow     *flow
	expires  time.Time
	lifetime time.Duration
	times    int // how often it was renewed
}

// Registration is what the registrar knows of an account.
type Registration struct {
	Account, Contact string
	Lifetime         time.Duration // as granted
	Left             time.Duration
	Times            int // REGISTERs that were granted
}

func newStarface(ctx context.Context, w *World) (*Starface, error) {
	s := &Starface{
		agent: newAgent(ctx, "starface", &w.options), world: w, open: map[net.Conn]bool{}, calls: map[string]*Call{}, incoming: make(chan *Call, 1024),
		nextPort: starfacePorts, passwords: map[string]string{}, contacts: map[string]*registration{}, nonces: map[string]bool{},
		watchers: map[string]*watcher{}, talking: map[string]bool{},
	}
	for account, password := range accounts {
		s.passwords[account] = password
	}
	s.handle, s.ack, s.cancelled, s.stray, s.broken = s.taken, s.acknowledged, s.gaveUp, s.strayed, s.brokenMessage
	at := netip.AddrPortFrom(StarfaceAddr, starfacePort).String()
	conn, err := w.LAN.ListenPacket(ctx, "udp4", at)
	if err != nil {
		return nil, fmt.Errorf("listen as STARFACE: %w", err)
	}
	s.udp = conn.(*net.UDPConn)
	if s.tcp, err = w.LAN.Listen(ctx, "tcp4", at); err != nil {
		s.udp.Close()
		return nil, fmt.Errorf("listen as STARFACE: %w", err)
	}
	s.wg.Go(s.run)
	s.wg.Go(func() { readPackets(s.udp, s.receive) })
	s.wg.Go(s.serveTCP)
	return s, nil
}

func (s *Starface) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[conn] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			f := streamFlow("tcp", conn, true)
			if err := readStream(conn, f, 0, func(b []byte) { s.receive(f, b) }); err != nil && errors.Is(err, io.ErrUnexpectedEOF) {
				s.post(func() { s.refuse("connection", f.String(), &refusal{text: err.Error()}) })
			}
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
			conn.Close()
		})
	}
}

func (s *Starface) close() error {
	err := errors.Join(s.udp.Close(), s.tcp.Close())
	s.mu.Lock()
	for conn := range s.open {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	// Nobody owns the calls any more.
	for _, c := range s.calls {
		if c.Audio != nil {
			c.Audio.Close()
		}
	}
	return err
}

// Refusals are everything that STARFACE did not take so far.
func (s *Starface) Refusals() (list []Refusal) {
	_ = s.do(func() { list = slices.Clone(s.refused) })
	return list
}

// NextCall waits for the next call from the box that nobody asked for yet. Calls that a Behaviour refuses are left out.
func (s *Starface) NextCall(ctx context.Context) (*Call, error) {
	return nextCall(ctx, s.name, s.incoming)
}

// Behave sets how calls from the box are treated from now on.
func (s *Starface) Behave(b Behaviour) { _ = s.do(func() { s.behaviour = b }) }

// SetOffline makes STARFACE ignore everything, as if it were switched off, or listen again.
func (s *Starface) SetOffline(offline bool) { _ = s.do(func() { s.offline = offline }) }

// SetPassword changes an account, or adds it.
func (s *Starface) SetPassword(account, password string) {
	_ = s.do(func() { s.passwords[account] = password })
}

// ForgetNonces makes every nonce stale: the next request with one is challenged anew with stale=true.
func (s *Starface) ForgetNonces() { _ = s.do(func() { s.nonces = map[string]bool{} }) }

// Invites is how many INVITEs outside of dialogs came, challenged and refused ones included.
func (s *Starface) Invites() (n int) {
	_ = s.do(func() { n = s.invites })
	return n
}

// Registers is how many REGISTERs came, challenged and refused ones included.
func (s *Starface) Registers() (n int) {
	_ = s.do(func() { n = s.registers })
	return n
}

// Calls is how many calls are there, ringing or up.
func (s *Starface) Calls() (n int) {
	_ = s.do(func() { n = len(s.calls) })
	return n
}

// Registrations are the accounts that can be called now, sorted by name.
func (s *Starface) Registrations() (list []Registration) {
	_ = s.do(func() {
		for account, r := range s.contacts {
			if left := time.Until(r.expires); left > 0 {
				list = append(list, Registration{Account: account, Contact: r.uri, Lifetime: r.lifetime, Left: left, Times: r.times})
			}
		}
	})
	slices.SortFunc(list, func(a, b Registration) int {
		if a.Account < b.Account {
			return -1
		}
		return 1
	})
	return list
}

// WaitRegistered waits until so many accounts are registered.
func (s *Starface) WaitRegistered(ctx context.Context, n int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(s.Registrations()) < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d registrations (%d there, %d REGISTERs came): %w", n, len(s.Registrations()), s.Registers(), ctx.Err())
		}
	}
	return nil
}

// Ring is a call that STARFACE makes to a Teams user, by way of the user's account.
type Ring struct {
	Account string // whose registration is called; "": user.01
	From    string // the caller's number as STARFACE shows it; "": +4930123456
	Name    string // display name

	TCP       bool // send the INVITE over TCP
	Offerless bool
	Headers   map[string]string
}

// Call calls a registered account. It returns when the INVITE was sent; the Call tells the rest.
func (s *Starface) Call(ctx context.Context, r Ring) (*Call, error) {
	if r.Account == "" {
		r.Account = "user.01"
	}
	if r.From == "" {
		r.From = "+4930123456"
	}
	var call *Call
	var err error
	if e := s.do(func() {
		contact := s.contacts[r.Account]
		if contact == nil || time.Now().After(contact.expires) {
			err = fmt.Errorf("call %s: it is not registered", r.Account)
			return
		}
		c := newCall(s.agent, s, token(16)+"@"+StarfaceAddr.String())
		c.From, c.FromName, c.To, c.Account, c.offerless = r.From, r.Name, r.Account, r.Account, r.Offerless
		if err = s.openAudio(c); err != nil {
			return
		}
		display := ""
		if r.Name != "" {
			display = fmt.Sprintf("%q ", r.Name)
		}
		c.localTag = token(8)
		c.localValue = fmt.Sprintf("%s<sip:%s@%v>;tag=%s", display, r.From, StarfaceAddr, c.localTag)
		c.remoteValue = "<" + contact.uri + ">"
		c.target = contact.uri
		for name, value := range r.Headers {
			c.extra = append(c.extra, header{name, value})
		}
		s.calls[c.ID] = c
		call = c
		c.send(contact.flow)
	}); e != nil {
		return nil, e
	}
	return call, err
}
