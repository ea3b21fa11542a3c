package sipgw

import (
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// PeerHealth hears how each peer behaves, and may keep calls away from it. Package sipua implements it. Interfaces are named as in the
// configuration. The methods are called in read loops and on the goroutines of calls; they must not block.
type PeerHealth interface {
	// Refusal says why a call must not go out by an interface with the account of an identity; nil: it may. Urgent calls do not ask.
	Refusal(iface config.InterfaceID, identity string) error
	// Heard: the peer has sent a request, from this address.
	Heard(iface config.InterfaceID, from netip.Addr)
	// Responded: the peer has responded to an INVITE.
	Responded(iface config.InterfaceID)
	// Overloaded: the peer has refused an INVITE with 503. retryAfter is 0 when it did not say how long to leave it alone.
	Overloaded(iface config.InterfaceID, retryAfter time.Duration)
	// Silent: the peer has not responded to an INVITE since began.
	Silent(iface config.InterfaceID, began time.Time)
	// Disowned: the peer has refused an INVITE with the credentials of an identity.
	Disowned(iface config.InterfaceID, identity string)
	// Suspect: a call failed, and the peer may be gone.
	Suspect(iface config.InterfaceID)
}

// Phones knows who may call by the interfaces of phones. Package registrar implements it. The methods are called in read loops and must not
// block.
type Phones interface {
	// Admit says who sends a request outside dialogs that came by an interface of phones: an identity of its location service, or the
	// response that the request gets instead, as a challenge. urgent: it calls an emergency number.
	Admit(i *config.SIPInterface, req *sipmsg.Request, from siptransport.Arrival, urgent bool) (identity string, refuse *sipmsg.Fault)
	// Lost: a connection of a peer has ended.
	Lost(flow siptransport.FlowID)
}

// nobody is what there is without Phones: no phone is known.
type nobody struct{}

func (nobody) Admit(*config.SIPInterface, *sipmsg.Request, siptransport.Arrival, bool) (string, *sipmsg.Fault) {
	return "", &sipmsg.Fault{Code: 403}
}
func (nobody) Lost(siptransport.FlowID) {}

// Lifecycle follows the gateways. Package sipua implements it. No method may call Apply.
type Lifecycle interface {
	// Applied: the gateways stand as cfg says, as far as they could. renewed: some have a new certificate or new rules of TLS.
	Applied(cfg *config.Config, renewed bool)
	// Leaving: these gateways close when the method returns. It may wait to say good-bye to their peers.
	Leaving(gateways []string)
	// Ending: all gateways close when the method returns, likewise.
	Ending()
}

// Attach has h and l told what happens. It is called once, before Run and Apply.
func (s *Stack) Attach(h PeerHealth, l Lifecycle) {
	s.health = h
	s.Follow(l)
}

// Follow has l told, too, what becomes of the gateways. It is called before Run and Apply.
func (s *Stack) Follow(l Lifecycle) { s.lifecycle = append(s.lifecycle, l) }

// followers are told one after the other, but wait for their peers at the same time.
type followers []Lifecycle

func (f followers) Applied(cfg *config.Config, renewed bool) {
	for _, l := range f {
		l.Applied(cfg, renewed)
	}
}

func (f followers) Leaving(gateways []string) { f.each(func(l Lifecycle) { l.Leaving(gateways) }) }
func (f followers) Ending()                   { f.each(Lifecycle.Ending) }

func (f followers) each(do func(Lifecycle)) {
	var group sync.WaitGroup
	for _, l := range f {
		group.Go(func() { do(l) })
	}
	group.Wait()
}

// unattended is attached by default: every peer is believed to be sound.
type unattended struct{}

func (unattended) Refusal(config.InterfaceID, string) error     { return nil }
func (unattended) Heard(config.InterfaceID, netip.Addr)         {}
func (unattended) Responded(config.InterfaceID)                 {}
func (unattended) Overloaded(config.InterfaceID, time.Duration) {}
func (unattended) Silent(config.InterfaceID, time.Time)         {}
func (unattended) Disowned(config.InterfaceID, string)          {}
func (unattended) Suspect(config.InterfaceID)                   {}
