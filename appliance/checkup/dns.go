package checkup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/names"
	"viaduct/appliance/sipmsg"
)

// servers are the name servers, each with the network that it is in.
func servers(s *survey, _ string) (list []subject) {
	if len(s.servers) == 0 && len(s.mustExist()) > 0 {
		return []subject{{server: -1}}
	}
	for n, a := range s.servers {
		x := subject{name: serverName(a), server: n, side: s.leadsTo(a.Addr())}
		if x.side != nil && x.side.holds(a.Addr()) {
			x.free = []string{"router"}
		}
		list = append(list, x)
	}
	return list
}

func serverName(a netip.AddrPort) string {
	if a.Port() == 53 {
		return a.Addr().String()
	}
	return a.String()
}

// opinion is what one name server says.
type opinion struct {
	addrs  map[string][]netip.Addr // of the names that it knows
	errs   map[string]error        // of the others
	quick  string                  // time of its first answer
	silent error                   // it answers nothing at all
	forged []netip.Addr            // it has addresses for a name that does not exist
}

// mostNames of the configuration are asked about.
const mostNames = 12

// mustExist are the names of hosts that the box needs.
func (s *survey) mustExist() (list []string) {
	add := func(host string) {
		_, err := netip.ParseAddr(host)
		if host != "" && err != nil && !slices.Contains(list, host) && len(list) < mostNames {
			list = append(list, host)
		}
	}
	for _, p := range s.peers {
		if !p.test && (p.conf.Remote.Port != 0 || p.teams) {
			add(p.host)
		}
	}
	if s.cfg.SNTP.Enabled {
		for _, t := range s.cfg.SNTP.Servers {
			add(t.Host)
		}
	}
	return list
}

// opinions asks every server about every name.
func (s *survey) opinions(ctx context.Context) []opinion {
	return s.told.get(func() []opinion {
		list := make([]opinion, len(s.servers))
		var all sync.WaitGroup
		for n, server := range s.servers {
			all.Go(func() { list[n] = s.ask(ctx, server) })
		}
		all.Wait()
		return list
	})
}

// ask asks one server. One that does not answer the first question is asked no other.
func (s *survey) ask(ctx context.Context, server netip.AddrPort) opinion {
	o := opinion{addrs: map[string][]netip.Addr{}, errs: map[string]error{}}
	r := s.c.o.Resolver
	// RFC 6761: no server has a name under invalid.
	got, err := r.AskServer(ctx, server, names.A, sipmsg.Token(12)+".invalid")
	if errors.As(err, new(*names.SilentError)) {
		o.silent = err
		return o
	}
	o.quick, o.forged = ms(got.Took), got.Addrs
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, host := range s.mustExist() {
		all.Go(func() {
			got, err := r.AskServer(ctx, server, names.A, host)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				o.errs[host] = err
				return
			}
			o.addrs[host] = got.Addrs
		})
	}
	all.Wait()
	return o
}

// checkServer judges one name server by itself, past the cache.
func checkServer(ctx context.Context, s *survey, x subject) finding {
	if x.server < 0 {
		return finding{}.fails("no name server is configured, and no DHCP server has named one").
			by("Add one: `dns-client server A.B.C.D`.")
	}
	all := s.opinions(ctx)
	o := all[x.server]
	others := slices.ContainsFunc(all, func(p opinion) bool { return p.sound() })
	remove := func(f finding) finding {
		if others && slices.Contains(s.cfg.DNSServers, s.servers[x.server].Addr()) {
			return f.paste("configure", "no dns-client server "+s.servers[x.server].Addr().String(), "end").
				by("Take it out, as others answer well, or put it right.")
		}
		return f.by("Put this name server right, or configure another: `no dns-client server %s` and `dns-client server A.B.C.D`, for example that of the internet provider.", s.servers[x.server].Addr())
	}
	if o.silent != nil {
		f := finding{}
		if others {
			return remove(f.warns("it does not answer, others do: each look-up waits for it first"))
		}
		return remove(f.fails("it does not answer"))
	}
	f := ok("answers in " + o.quick)
	if len(o.forged) > 0 {
		f = remove(f.warns("it makes names up: it has the address %s for one that cannot exist", listed(o.forged)))
	}
	for _, host := range s.mustExist() {
		addrs, err := o.addrs[host], o.errs[host]
		switch {
		case err == nil && config.TeamsHub(host) && !ofTeams(addrs):
			return remove(f.fails("it lies: it has %s for %s, which is in none of Microsoft's networks", listed(addrs), host))
		case err == nil:
			f = f.saw("%s: %s", host, listed(addrs))
		case errors.Is(err, names.ErrNotFound) && (config.TeamsHub(host) || known(all, host)):
			return remove(f.fails("it is wrong: it says that there is no %s", host))
		case errors.Is(err, names.ErrNotFound):
			f = f.saw("%s: no such name", host) // a step of its own
		default:
			return remove(f.fails("it does not resolve %s: %v", host, err))
		}
	}
	return f
}

// sound reports whether a server answers well, as far as it can be told.
func (o opinion) sound() bool {
	if o.silent != nil {
		return false
	}
	for host, addrs := range o.addrs {
		if config.TeamsHub(host) && !ofTeams(addrs) {
			return false
		}
	}
	for host := range o.errs {
		if config.TeamsHub(host) {
			return false
		}
	}
	return true
}

// known reports whether a server has a name.
func known(all []opinion, host string) bool {
	return slices.ContainsFunc(all, func(o opinion) bool { return len(o.addrs[host]) > 0 })
}

// ofTeams reports whether addresses are Microsoft's, all of them.
func ofTeams(addrs []netip.Addr) bool {
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return !slices.ContainsFunc(config.TeamsSignalling, func(n netip.Prefix) bool { return n.Contains(a) }) && !government(a)
	})
}

// government reports whether an address is one of the clouds for the US government.
func government(a netip.Addr) bool {
	for _, n := range config.TeamsGovernment {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func listed[T fmt.Stringer](list []T) string {
	var words []string
	for _, a := range list[:min(len(list), shown)] {
		words = append(words, a.String())
	}
	if len(list) > shown {
		words = append(words, fmt.Sprintf("%d more", len(list)-shown))
	}
	return strings.Join(words, ", ")
}

// checkPeerName looks the peer up now.
func checkPeerName(ctx context.Context, s *survey, x subject) finding {
	p := x.peer
	if p.at == nil {
		return finding{}.fails("context sip-gateway %s has no interface with a port for it", p.gateway.Name).
			by("Add `transport-protocol tls PORT` for Teams, `transport-protocol udp+tcp PORT` for a PBX, and `bind ipaddress` to an interface of the gateway.")
	}
	f := s.find(ctx, p)
	if f.err != nil {
		out := finding{}
		if p.teams {
			return out.fails("%v", f.err).by("Microsoft's name must be known to every name server of the internet: look at `dns-client server`.")
		}
		return out.fails("%v", f.err).by("Correct the name in `remote %s` of interface sip %s, or add it at the name server of the LAN. An address serves as well.", p.host, p.conf.ID())
	}
	out := ok(fmt.Sprintf("%s %s", listed(f.addrs), f.how()))
	if p.teams && config.TeamsHub(p.host) && !ofTeams(bare(f.addrs)) {
		return out.fails("%s is not in Microsoft's networks", listed(f.addrs)).by("A name server lies, or a host of that name stands in between: look at `dns-client server`.")
	}
	return out
}

func (f found) how() string {
	switch {
	case f.via != "":
		return "by SRV " + f.via + " in " + ms(f.took)
	case f.took > 0:
		return "in " + ms(f.took)
	}
	return "as configured"
}

func bare(list []netip.AddrPort) (addrs []netip.Addr) {
	for _, a := range list {
		addrs = append(addrs, a.Addr())
	}
	return addrs
}

// ownName is what Teams calls the box at a gateway; "" when it is called by its address.
func (p *peer) ownName() string {
	if p.at != nil && p.at.SpoofedContact.Host != "" {
		return p.at.SpoofedContact.Host
	}
	return p.conf.Local.Host
}

// ownNames are the names of the box towards Teams, each with a peer that is told it.
func ownNames(s *survey, of string) (list []subject) {
	for _, p := range s.peers {
		name := p.ownName()
		if _, err := netip.ParseAddr(name); err == nil {
			name = "" // Teams takes no address for one
		}
		if !p.teams || p.test || p.side == nil || !wanted(p, of) ||
			slices.ContainsFunc(list, func(x subject) bool { return strings.EqualFold(x.name, name) && x.side == p.side }) {
			continue
		}
		list = append(list, subject{name: name, side: p.side, owner: p})
	}
	return list
}

// domains are those of the names that there are.
func domains(s *survey, of string) []subject {
	return slices.DeleteFunc(ownNames(s, of), func(x subject) bool { return x.name == "" })
}

// checkOwnName compares the A record of the box's name with its address.
func checkOwnName(ctx context.Context, s *survey, x subject) finding {
	if x.name == "" {
		return finding{}.fails("Contact towards Teams has no name: Teams answers 403").
			by("Add `spoofed contact-header manual NAME port PORT` in the interface of context sip-gateway %s.", x.owner.gateway.Name)
	}
	want := x.side.local
	if m := x.owner.at.SpoofedMedia; m.IsValid() {
		want = m
	}
	a, err := s.c.o.Resolver.Ask(ctx, x.name)
	record := fmt.Sprintf("Set the A record %s to %s where the domain is administered; until Teams sees it, minutes to a day pass.", x.name, want)
	switch {
	case errors.Is(err, names.ErrNotFound):
		return finding{}.fails("the name servers know no %s: Teams cannot call the box", x.name).by("%s", record)
	case err != nil:
		return finding{}.fails("%v", err)
	}
	f := ok(listed(a.Addrs))
	switch {
	case slices.Contains(a.Addrs, want) && len(a.Addrs) == 1:
		return f
	case slices.Contains(a.Addrs, want):
		return f.warns("%s has further addresses besides %s: calls of Teams go to each of them", x.name, want).by("Leave %s alone in the A record, unless the others lead to this box, too.", want)
	case want.IsPrivate():
		return f.saw("the box has %s behind NAT; whether the router forwards to it cannot be seen from here", want)
	case slices.ContainsFunc(a.Addrs, netip.Addr.IsPrivate):
		return f.warns("the name servers of the box have a private address for %s; what Teams sees cannot be seen from here", x.name).by("The public A record must be %s.", want)
	}
	return f.fails("%s leads to %s, but the box has %s", x.name, listed(a.Addrs), want).by("%s", record)
}

// checkCAA looks whether the domain lets the authority of the certificate issue one.
func checkCAA(ctx context.Context, s *survey, x subject) finding {
	if len(s.servers) == 0 {
		return ok()
	}
	labels := strings.Split(strings.TrimSuffix(x.name, "."), ".")
	for n := range len(labels) - 1 { // RFC 8659 3: the nearest ancestor with records counts
		name := strings.Join(labels[n:], ".")
		var got names.Reply
		var err error
		for _, server := range s.servers {
			if got, err = s.c.o.Resolver.AskServer(ctx, server, names.CAA, name); err == nil || errors.Is(err, names.ErrNotFound) {
				break
			}
		}
		if err != nil && !errors.Is(err, names.ErrNotFound) {
			return finding{}.warns("%v", err).by("An authority does not issue a certificate while the name servers of the domain do not answer.")
		}
		if len(got.CAAs) > 0 {
			return s.judgeCAA(x, name, got.CAAs)
		}
	}
	return ok("no CAA record: every authority may issue a certificate")
}

// judgeCAA compares the records with the authority that the box obtains certificates from.
func (s *survey) judgeCAA(x subject, at string, records []names.Authorization) finding {
	var may []string
	for _, r := range records {
		if r.Tag == "issue" {
			domain, _, _ := strings.Cut(r.Value, ";")
			may = append(may, strings.TrimSpace(domain))
		}
	}
	f := ok(fmt.Sprintf("%s lets %s issue certificates", at, strings.Join(may, ", ")))
	if len(may) == 0 {
		return ok(at + " has CAA records, but none about who may issue")
	}
	if p := s.acmeOf(x.owner); p != nil && p.Directory == config.LetsEncrypt && !slices.ContainsFunc(may, func(d string) bool { return strings.EqualFold(d, "letsencrypt.org") }) {
		return f.warns("the CAA records of %s do not let Let's Encrypt issue, which profile acme %s asks: the next renewal fails", at, p.Name).
			by("Add a record where the domain is administered: %s. CAA 0 issue \"letsencrypt.org\"", at)
	}
	return f
}
