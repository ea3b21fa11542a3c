package siplegs

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// State is how far a leg is.
type State uint8

const (
	Ringing   State = iota // incoming, not answered
	Answered               // incoming, 200 sent, no ACK yet
	Inviting               // outgoing, no final response yet
	Confirmed              // answered and acknowledged
	Over
)

// Outline is the part of a leg that goroutines other than the owner's may read: read loops, and other calls.
type Outline struct {
	mu        sync.Mutex
	state     State
	remoteTag string
	forks     []string              // tags of early dialogs that our INVITE has made
	peer      netip.Addr            // who began the dialog, or answered last
	proxies   []string              // its route set
	phones    []siptransport.Origin // who may speak; nil: the peer is no phone
	requests  siptransport.Bucket   // of the peer
}

// Entered notes a new state, with the peer's tag and the route set as they are by now.
func (o *Outline) Entered(s State, remoteTag string, routes []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state, o.remoteTag, o.proxies = s, remoteTag, routes
}

// Over reports whether the leg has ended.
func (o *Outline) Over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == Over
}

// CopyOf takes over what another one says, with a text of its own for the tag.
func (o *Outline) CopyOf(x *Outline, remoteTag string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o.state, o.remoteTag, o.forks, o.peer, o.proxies, o.phones, o.requests = x.state, remoteTag, x.forks, x.peer, x.proxies, x.phones, x.requests
	if len(o.forks) == 1 && o.forks[0] == o.remoteTag {
		o.forks = nil // the tag alone says as much
	}
}

// Speakers are the peer and the proxies of the route set.
func (o *Outline) Speakers() (peer netip.Addr, proxies []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.peer, o.proxies
}

// Phones notes which phones the leg is with: the one, or all that are asked.
func (o *Outline) Phones(list ...siptransport.Origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.phones = list
}

// IsPhone reports whether x is one of the phones that the leg is with. One that is there by TLS comes by TLS, where addresses cannot be forged.
// phones is false for a leg that is not with phones.
func (o *Outline) IsPhone(x siptransport.Origin) (is, phones bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.phones, func(p siptransport.Origin) bool {
		return p.Addr == x.Addr && (x.Transport.Secure() || !p.Transport.Secure())
	}), o.phones != nil
}

// AnsweredBy notes who began the dialog, or answers an INVITE of ours.
func (o *Outline) AnsweredBy(peer netip.Addr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.peer = peer
}

// Forked notes the tag of an early dialog.
func (o *Outline) Forked(tag string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if tag != "" && len(o.forks) < siptx.MaxForks && !slices.Contains(o.forks, tag) {
		o.forks = append(o.forks, tag)
	}
}

// FirstFork is the tag of the first early dialog; "": there is none.
func (o *Outline) FirstFork() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.forks) == 0 {
		return ""
	}
	return o.forks[0]
}

// IsFork reports whether a provisional response has named an early dialog with this tag.
func (o *Outline) IsFork(tag string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.forks, tag)
}

// ForkedBeside reports whether an early dialog with another tag is known.
func (o *Outline) ForkedBeside(tag string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.forks, func(other string) bool { return other != tag })
}

// Named returns the state of the leg if this is the peer's tag, or that of one of its early dialogs.
func (o *Outline) Named(tag string) (state State, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state, tag == o.remoteTag || slices.Contains(o.forks, tag)
}

// DialogRequests is how many requests a second are taken in one dialog, BYE apart.
const DialogRequests = 20

// Takes reports whether one more request of the peer is taken in the dialog.
func (o *Outline) Takes() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests.Take(DialogRequests, 2, time.Now())
}
