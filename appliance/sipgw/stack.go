package sipgw

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/mailbox"
	"viaduct/appliance/overload"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Options are what a stack is given.
type Options struct {
	siptransport.Options

	// OnInvite is told of each new INVITE outside a dialog that comes from a trusted source and passed all checks. It is called
	// in a read loop and must not block; it must call Leg.Take or Leg.Reject before it returns.
	OnInvite func(*Incoming)

	Phones Phones // nil: no phone is let in

	// OnApplied is told what the gateways could not do of a configuration, nil when all is done: after each Apply, and after each try to
	// open what could not be opened. Registrations and probes follow when it returns: it may wait for what they need. May be nil; it must
	// not call the Stack.
	OnApplied func(error)

	// Silent reports whether OPTIONS of an interface's peer stay unanswered, and none are sent to it. nil: never. It must not block.
	Silent func(config.InterfaceID) bool

	UserAgent string // Server and User-Agent header; empty: none
}

// Stack is all SIP gateways of the box.
type Stack struct {
	opts Options
	log  *slog.Logger
	ctx  context.Context // ends when the sockets close
	end  context.CancelFunc

	applying sync.Mutex // one Apply at a time
	addrs    func(config.AddressBind) netip.Addr

	mu       sync.Mutex
	cfg      *config.Config
	gateways map[string]*gateway
	closed   bool

	methods   methods
	health    PeerHealth
	lifecycle followers

	overload overload.Controller
	refused  *overload.Recent // INVITEs over UDP that overload has refused
	seed     maphash.Seed     // of the tags of these responses

	callMark string           // of our Call-IDs, see callID
	orphans  *mailbox.Mailbox // runs legs whose owner has ended
	group    sync.WaitGroup   // every goroutine of the stack
}

// New returns a stack without gateways.
func New(o Options) *Stack {
	o.SetDefaults()
	if o.Silent == nil {
		o.Silent = func(config.InterfaceID) bool { return false }
	}
	if o.Phones == nil {
		o.Phones = nobody{}
	}
	o.OnLost = o.Phones.Lost
	s := &Stack{opts: o, log: o.Log, cfg: config.New(), gateways: map[string]*gateway{}, callMark: "-" + sipmsg.Token(6) + "-", orphans: mailbox.New(), methods: newMethods(), refused: overload.NewRecent(), seed: maphash.MakeSeed(), health: unattended{}}
	s.overload.OnChange(s.overloaded)
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// spawn runs f as a goroutine of the stack; false: the stack has ended and f does not run.
func (s *Stack) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.group.Go(f)
	return true
}

// Run serves until ctx ends, then closes every socket and waits for every goroutine of the stack.
func (s *Stack) Run(ctx context.Context) error {
	s.spawn(s.orphans.Run)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(reopenInterval):
			s.reopen()
		}
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	gateways := slices.Collect(maps.Values(s.gateways))
	s.mu.Unlock()
	s.part(gateways, s.lifecycle.Ending)
	s.mu.Lock()
	s.closed = true
	s.gateways = map[string]*gateway{}
	s.mu.Unlock()
	for _, g := range gateways {
		g.Close()
	}
	s.end()
	s.orphans.End()
	s.group.Wait()
	return nil
}

// gateway returns a running gateway, or nil.
func (s *Stack) gateway(name string) *gateway {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gateways[name]
}

// sipInterface returns a SIP interface and its gateway; either may be nil.
func (s *Stack) sipInterface(id config.InterfaceID) (*config.SIPInterface, *gateway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, i := id.In(s.cfg)
	if i == nil {
		return nil, nil
	}
	return i, s.gateways[i.Gateway.Name]
}

// LocalAddr returns the local address that media towards the peer of a SIP interface binds to, the zero Addr when there is none.
func (s *Stack) LocalAddr(iface config.InterfaceID) netip.Addr {
	i, g := s.sipInterface(iface)
	if g == nil {
		return netip.Addr{}
	}
	return g.SideOf(i).Address()
}

// Messages counts the messages of a SIP interface.
func (s *Stack) Messages(id config.InterfaceID) status.SIPTraffic {
	_, g := s.sipInterface(id)
	if g == nil {
		return status.SIPTraffic{}
	}
	return g.Messages(id)
}

// maxHops is how often a call may come back to us through proxies before it is refused: a proxy may send it round to another of
// its users once or twice, but not for ever.
const maxHops = 3

// callID makes the Call-ID of a call that has passed through this box hops times. It ends in a mark of the box and that number:
// a proxy that brings the call back keeps the Call-ID, so the number is there when it comes (and nothing has to be remembered).
// Max-Forwards alone would let a call go round 70 times.
func (s *Stack) callID(hops int) string { return sipmsg.Token(20) + s.callMark + strconv.Itoa(hops) }

// hops is how often the call with this Call-ID has passed through this box, 0 for a Call-ID that is not ours.
func (s *Stack) hops(callID string) int {
	_, n, ours := strings.Cut(callID, s.callMark)
	if !ours {
		return 0
	}
	if hops, err := strconv.ParseUint(n, 10, 8); err == nil {
		return int(hops)
	}
	return maxHops + 1
}
