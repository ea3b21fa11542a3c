package sipgw

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// outline is the part of a leg that goroutines other than the owner's may read: read loops, and other calls.
type outline struct {
	mu        sync.Mutex
	state     legState
	remoteTag string
	forks     []string            // tags of early dialogs that our INVITE has made
	peer      netip.Addr          // who began the dialog, or answered last
	proxies   []string            // its route set
	requests  siptransport.Bucket // of the peer
}

// entered notes a new state, with what the dialog is by now.
func (o *outline) entered(s legState, d *dialog) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state, o.remoteTag, o.proxies = s, d.remoteTag, d.routes
}

// over reports whether the leg has ended.
func (o *outline) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == legOver
}

// copyOf takes over what another one says.
func (o *outline) copyOf(x *outline) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o.state, o.remoteTag, o.forks, o.peer, o.proxies, o.requests = x.state, x.remoteTag, x.forks, x.peer, x.proxies, x.requests
	if len(o.forks) == 1 && o.forks[0] == o.remoteTag {
		o.forks = nil // the tag alone says as much
	}
}

// speakers are the peer and the proxies of the route set.
func (o *outline) speakers() (peer netip.Addr, proxies []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.peer, o.proxies
}

// answeredBy notes who answers an INVITE of ours.
func (o *outline) answeredBy(peer netip.Addr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.peer = peer
}

// forked notes the tag of an early dialog.
func (o *outline) forked(tag string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if tag != "" && len(o.forks) < siptx.MaxForks && !slices.Contains(o.forks, tag) {
		o.forks = append(o.forks, tag)
	}
}

// isFork reports whether a provisional response has named an early dialog with this tag.
func (o *outline) isFork(tag string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.forks, tag)
}

// forkedBeside reports whether an early dialog with another tag is known.
func (o *outline) forkedBeside(tag string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.forks, func(other string) bool { return other != tag })
}

// named returns the state of the leg if r names it with the peer's tag, or with that of one of its early dialogs.
func (o *outline) named(r sipmsg.Replaces) (state legState, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state, r.FromTag == o.remoteTag || slices.Contains(o.forks, r.FromTag)
}

// dialogRequests is how many requests a second are taken in one dialog, BYE apart.
const dialogRequests = 20

// takes reports whether one more request of the peer is taken in the dialog.
func (o *outline) takes() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests.Take(dialogRequests, 2, time.Now())
}
