package siptransport

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

const (
	lookupTimeout = 4 * time.Second
	resolvedFor   = 30 * time.Second // an SRV answer; address records keep their own time in the resolver
	resolvedStale = 24 * time.Hour   // what was known is used so long while there is no new answer
	watchInterval = 20 * time.Second // how often the peers' names are looked up, for trust
)

// Target is the destination of a request: a name or an address, which is resolved when the request is sent. Port 0 means SRV, then the
// transport's default port.
type Target struct {
	Host      string
	Port      uint16
	Transport Transport
	Phone     *PhoneTarget // not nil: it is a phone, of PhoneTarget.Target
}

// String is the host with its port, if it has one.
func (t Target) String() string { return sipmsg.JoinHostPort(t.Host, t.Port) }

// URI names the target and its transport.
func (t Target) URI() string { return "sip:" + t.String() + t.Transport.param() }

// Peer is the target of requests to the peer of an interface, with the account of an identity ("": none).
func (g *Gate) Peer(i *config.SIPInterface, identity string) Target {
	return Target{Host: i.Remote.Host, Port: i.Remote.Port, Transport: g.conf.Load().TransportFor(i, identity)}
}

type resolved struct {
	Endpoint
	until time.Time
}

// ResolveNow resolves a target without waiting: a literal address, or a known name.
func (g *Gate) ResolveNow(t Target) (Endpoint, bool) {
	to := Endpoint{Transport: t.Transport, Name: t.Host, Phone: t.Phone}
	port := t.Port
	if a, ok := Literal(t.Host); ok {
		if port == 0 {
			port = t.Transport.DefaultPort()
		}
		to.Addrs = []netip.AddrPort{netip.AddrPortFrom(a, port)}
		return to, true
	}
	if port == 0 {
		return g.resolvedBefore(t)
	}
	for _, a := range g.opts.Resolver.Cached(t.Host) {
		to.Addrs = append(to.Addrs, netip.AddrPortFrom(a, port))
	}
	return to, len(to.Addrs) > 0
}

// resolvedBefore is what SRV said last. What has become old is still used, and asked for anew meanwhile: no call waits for the name
// servers but the first (teams.md C.18).
func (g *Gate) resolvedBefore(t Target) (Endpoint, bool) {
	to, ok, due := g.resolutions.find(t)
	if due {
		g.spawn(func() { g.lookup(g.ctx, t) })
	}
	return to, ok
}

// resolutions are the answers of SRV that a gate remembers.
type resolutions struct {
	mu    sync.Mutex
	known map[Target]resolved
}

// find returns what is known of a target. due tells that it is old and has to be asked for anew, once.
func (x *resolutions) find(t Target) (to Endpoint, ok, due bool) {
	now := time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	r, ok := x.known[t]
	if !ok || !now.Before(r.until.Add(resolvedStale)) {
		return Endpoint{}, false, false
	}
	if due = now.After(r.until); due {
		x.known[t] = resolved{r.Endpoint, now.Add(resolvedFor)}
	}
	return r.Endpoint, true, due
}

func (x *resolutions) keep(t Target, to Endpoint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keep(x.known, t, resolved{to, time.Now().Add(resolvedFor)}, func(r resolved) time.Time { return r.until })
}

// has reports whether a is an address of a target with a name.
func (x *resolutions) has(host string, a netip.Addr) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t, r := range x.known {
		if t.Host == host && slices.ContainsFunc(r.Addrs, func(one netip.AddrPort) bool { return one.Addr() == a }) {
			return true
		}
	}
	return false
}

// addresses are those of all targets with a name.
func (x *resolutions) addresses(host string) (list []netip.Addr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t, r := range x.known {
		if t.Host == host {
			for _, a := range r.Addrs {
				list = append(list, a.Addr())
			}
		}
	}
	return list
}

// Resolve finds the addresses of a target. It blocks if they are not known yet.
func (g *Gate) Resolve(ctx context.Context, t Target) (Endpoint, error) {
	if to, ok := g.ResolveNow(t); ok {
		return to, nil
	}
	return g.lookup(ctx, t)
}

// lookup asks for the addresses of a target (RFC 3263): SRV when no port is given, else its address records. It blocks.
func (g *Gate) lookup(ctx context.Context, t Target) (Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	to := Endpoint{Transport: t.Transport, Name: t.Host}
	if t.Port == 0 {
		kind := kinds[t.Transport]
		records, err := g.opts.Resolver.LookupSRV(ctx, kind.service, kind.proto, t.Host)
		if err == nil {
			for _, r := range records {
				list, _ := g.opts.Resolver.Lookup(ctx, strings.TrimSuffix(r.Target, "."))
				for _, a := range list {
					to.Addrs = append(to.Addrs, netip.AddrPortFrom(a, r.Port))
				}
			}
		}
	}
	if len(to.Addrs) == 0 {
		port := t.Port
		if port == 0 {
			port = t.Transport.DefaultPort()
		}
		list, err := g.opts.Resolver.Lookup(ctx, t.Host)
		if err != nil {
			return to, &Error{Op: OpResolve, Peer: t.Host, Err: err}
		}
		for _, a := range list {
			to.Addrs = append(to.Addrs, netip.AddrPortFrom(a, port))
		}
	}
	if len(to.Addrs) == 0 {
		return to, &Error{Op: OpResolve, Peer: t.Host, Err: noAddress(t.Host)}
	}
	if t.Port == 0 {
		g.resolutions.keep(t, to)
	}
	return to, nil
}

// mostKept is how many names and addresses are kept that peers may have told us, because a Contact or a Refer-To can name any.
const mostKept = 256

// keep stores a value under a key. If there are too many, the oldest one goes.
func keep[K comparable, V any](m map[K]V, key K, value V, until func(V) time.Time) {
	if _, known := m[key]; !known && len(m) >= mostKept {
		var oldest K
		first := true
		for k, v := range m {
			if first || until(v).Before(until(m[oldest])) {
				oldest, first = k, false
			}
		}
		delete(m, oldest)
	}
	m[key] = value
}

// Literal reads a host that is an address. Names are told by their first letter: netip would make an error of each, and a call asks for
// names some hundred times.
func Literal(host string) (netip.Addr, bool) {
	if host == "" || strings.IndexByte(host, ':') < 0 && (host[0] < '0' || host[0] > '9') {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap(), err == nil
}

// Known returns the known addresses of a name, also those behind its SRV records, without waiting.
func (g *Gate) Known(host string) []netip.Addr {
	if a, ok := Literal(host); ok {
		return []netip.Addr{a}
	}
	list := g.opts.Resolver.Cached(host)
	return append(list[:len(list):len(list)], g.resolutions.addresses(host)...)
}

// watch looks up the names of all peers, because trust must not wait until we have called a peer.
func (g *Gate) watch(ctx context.Context) {
	said := map[config.InterfaceID]string{} // by SIP interface: the error that the log was told
	for {
		for _, i := range g.conf.Load().interfaces {
			if i.Remote.Host == "" {
				continue
			}
			t := g.Peer(i, "")
			_, err := g.lookup(ctx, t)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil && said[i.ID()] != "":
				g.log.Info("name resolves again", "gw", g.name, "if", i.ID(), "name", t.Host)
				delete(said, i.ID())
			case err == nil || IsSilence(err) || said[i.ID()] == err.Error():
			default:
				said[i.ID()] = err.Error()
				g.log.Warn("name does not resolve", "gw", g.name, "if", i.ID(), "name", t.Host, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-g.rewatch:
		case <-time.After(watchInterval):
		}
	}
}

// TransportOf is what a URI asks for: its transport parameter, for sips a secure one; else that of the dialog.
func (g *Gate) TransportOf(u sipmsg.URI, otherwise Transport) Transport {
	word, _ := u.Param("transport")
	t, ok := ParseTransport(strings.ToLower(word))
	if u.Scheme == "sips" && !t.Secure() {
		t, ok = TLS, true
	}
	if ok && g.Conf().First(t) != nil {
		return t
	}
	return otherwise
}
