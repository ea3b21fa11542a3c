package wizard

import (
	"fmt"
	"net/netip"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// Names of what the wizard makes: those of the guide that integrators know.
const (
	contextIP     = "ROUTER"
	lanInterface  = "if_eth00"
	wanInterface  = "if_eth01"
	contextCS     = "SWITCH"
	tlsTeams      = "pf_tls_default"
	tlsPBX        = "pf_tls_starface"
	acmeProfile   = "teams"
	voipTeams     = "pf_voip_microsoft"
	voipPBX       = "pf_voip_starface"
	toAccounts    = "mt_teams2starface-a-uri"
	toNumbers     = "mt_starface2teams-b-e164"
	fromURI       = "mt_teams2starface-a-e164"
	calledForm    = "mt_teams2starface-b-form"
	towardsPBX    = "cf_teams2starface"
	towardsTeams  = "cf_starface2teams"
	fromTeams     = "rt_from_teams"
	fromPBX       = "rt_from_starface"
	pbxInterface  = "if_sip_starface"
	huntGroup     = "hg_microsoft-directrouting"
	accounts      = "as_starface-sipaccounts"
	domainsTeams  = "ls_microsoft"
	domainsPBX    = "ls_starface"
	identityGroup = "teams"
	// PBXRoot is the name under which the certificate of the PBX's issuer is imported, when calls go there over TLS.
	PBXRoot = "pbx-ca"
)

// Hidden stands for passwords where somebody may look over a shoulder.
const Hidden = "********"

// writer writes lines of a configuration, each block one level deeper than what is around it.
type writer struct {
	strings.Builder
	depth  int
	hidden bool // passwords
}

// f writes a line.
func (w *writer) f(format string, args ...any) {
	w.WriteString(strings.Repeat("  ", w.depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// why writes what the lines below are for.
func (w *writer) why(format string, args ...any) { w.f("# "+format, args...) }

// block writes a header and what is below it.
func (w *writer) block(header string, body func()) {
	w.f("%s", header)
	w.depth++
	body()
	w.depth--
}

// gap is the blank line before a part.
func (w *writer) gap() { w.WriteByte('\n') }

// Configuration writes the configuration that the answers make. They must be without a problem. hidden leaves out passwords, for eyes.
func Configuration(a Answers, hidden bool) string {
	w := &writer{hidden: hidden}
	a.Numbers = a.Numbers.trimmed()
	a.head(w)
	a.profiles(w)
	a.addresses(w)
	w.gap()
	w.why("How calls go: from Microsoft Teams to the PBX, and back.")
	w.block("context cs "+contextCS, func() {
		a.routing(w)
		for _, h := range clouds[a.Teams.Cloud].hubs {
			a.hub(w, h)
		}
		a.pbx(w)
		a.hunt(w)
		w.gap()
		w.why("Calls are routed from here on.")
		w.f("no shutdown")
	})
	a.identities(w)
	a.gateways(w)
	w.gap()
	w.why("The sockets of the box: the LAN, and the side towards the internet.")
	w.block("port ethernet 0 0", func() { w.f("bind interface %s %s", contextIP, lanInterface); w.f("no shutdown") })
	w.block("port ethernet 0 1", func() { w.f("bind interface %s %s", contextIP, wanInterface); w.f("no shutdown") })
	return w.String()
}

func (a Answers) head(w *writer) {
	w.why("%s between Microsoft Teams and the PBX at %s, as the set-up has written it.", a.fqdn(), a.pbxAddress())
	w.gap()
	w.why("The name of the box in its own network, and the time zone of its output.")
	w.f("system hostname %s", strings.TrimSpace(a.Box.Name))
	w.f("clock local zone %s", strings.TrimSpace(a.Box.Zone))
	if servers := once(list(a.Network.DNS)); len(servers) > 0 {
		w.gap()
		w.why("Microsoft is reached by names, never by addresses: they change.")
		for _, s := range servers {
			w.f("dns-client server %s", s)
		}
	}
	w.gap()
	w.why("Without the right time no certificate can be judged.")
	w.f("sntp-client")
	for i, s := range once(list(a.Network.NTP)) {
		w.f("sntp-client server %s %s", config.SNTPRoles[i], s)
	}
}

func (a Answers) profiles(w *writer) {
	x := a.Certificate
	if x.From == ACME {
		w.gap()
		w.why("The box obtains and renews its certificate by itself, with the name that the tenant knows.")
		w.block("profile acme "+acmeProfile, func() {
			if m := strings.TrimSpace(x.Contact); m != "" {
				w.f("contact %s", m)
			}
			w.f("name %s", a.fqdn())
			if x.Challenge != Challenges[0] { // the box's own choice
				w.f("challenge %s", x.Challenge)
			}
			w.f("certificate pki:certificate/%s", x.Name)
			w.f("private-key pki:private-key/%s", x.keyName())
		})
	}
	w.gap()
	w.why("TLS with Microsoft: both sides show a certificate, and both are verified. Microsoft's certificates are for servers only.")
	w.block("profile tls "+tlsTeams, func() {
		w.f("authentication incoming")
		w.f("authentication outgoing")
		w.why("The key and the certificate of the box, with the intermediates in one paste.")
		w.f("private-key pki:private-key/%s", x.keyName())
		w.f("own-certificate 1 pki:certificate/%s", x.Name)
		for _, name := range x.Trusted {
			w.f("trusted-certificate pki:certificate/%s", name)
		}
		w.f("require certificate-type server")
	})
	if a.PBX.Transport == TLS {
		w.gap()
		w.why("TLS with the PBX: its certificate must come from this issuer.")
		w.block("profile tls "+tlsPBX, func() {
			w.f("authentication incoming")
			w.f("authentication outgoing")
			w.f("private-key pki:private-key/%s", x.keyName())
			w.f("own-certificate 1 pki:certificate/%s", x.Name)
			w.f("trusted-certificate pki:certificate/%s", PBXRoot)
			w.f("require certificate-type any")
		})
	}
	w.gap()
	w.why("Voice with Microsoft is always encrypted.")
	w.block("profile voip "+voipTeams, func() {
		a.codecs(w)
		w.why("Keys are renewed before they are worn out.")
		w.f("srtp key-lifetime 31")
		w.f("srtp transmission forced")
		w.why("One port for voice and its reports.")
		w.f("rtp rtcp-multiplexing")
	})
	w.gap()
	w.why("Voice with the PBX.")
	w.block("profile voip "+voipPBX, func() { a.codecs(w) })
}

// codecs writes the codecs of the country, in packets of 20 ms: G.711 is µ-law in North America, and A-law elsewhere.
func (a Answers) codecs(w *writer) {
	names := []string{"g711alaw64k", "g711ulaw64k"}
	if a.Numbers.Country == "1" {
		names[0], names[1] = names[1], names[0]
	}
	for i, name := range names {
		w.f("codec %d %s silence-suppression", i+1, name)
	}
}

func (a Answers) addresses(w *writer) {
	lan, _ := network(a.Network.LAN)
	wan, _ := network(a.Network.WAN)
	w.gap()
	w.why("The addresses of the box.")
	w.block("context ip "+contextIP, func() {
		for _, port := range []struct{ name, address string }{{lanInterface, lan.String()}, {wanInterface, wan.String()}} {
			w.block("interface "+port.name, func() {
				if port.name == wanInterface && a.Network.DHCP {
					w.f("ipaddress %s dhcp", port.name)
				} else {
					w.f("ipaddress %s %s", port.name, port.address)
				}
				w.why("Connections pass links with a smaller MTU, such as DSL.")
				w.f("tcp adjust-mss rx mtu")
				w.f("tcp adjust-mss tx mtu")
			})
		}
		routed := !lan.Contains(a.pbxAddress())
		if a.Network.DHCP && !routed {
			return
		}
		w.block("routing-table DEFAULT", func() {
			if !a.Network.DHCP {
				w.why("Everything else is behind the router on the internet side.")
				w.f("route 0.0.0.0/0 gateway %s", strings.TrimSpace(a.Network.Gateway))
			}
			if routed {
				w.why("The PBX is behind a router on the LAN.")
				w.f("route %s gateway %s", netip.PrefixFrom(a.pbxAddress(), 32), strings.TrimSpace(a.PBX.Router))
			}
		})
	})
}

// pbxAddress is the address of the PBX.
func (a Answers) pbxAddress() netip.Addr {
	addr, _ := ipv4(a.PBX.Address)
	return addr
}

// pbxHost is what the PBX is called: by its name where it has one.
func (a Answers) pbxHost() string {
	if name := strings.TrimSpace(a.PBX.Name); name != "" {
		return name
	}
	return a.pbxAddress().String()
}

// hostAndPort writes a host with its port, if that is not the usual one.
func hostAndPort(host, port string) string {
	return strings.TrimSpace(host + " " + strings.TrimSpace(port))
}

func (a Answers) routing(w *writer) {
	n := a.Numbers
	w.why("Numbers as they are dialled here; Teams wants them as +%s ...", n.Country)
	if n.National != "" {
		w.f("national-prefix %s", n.National)
	}
	w.f("international-prefix %s", n.International)
	w.f("country-code %s", n.Country)
	emergency := once(list(n.Emergency))
	if len(emergency) > 0 {
		w.why("Calls to these are refused for neither licenses nor load.")
		for _, e := range emergency {
			w.f("emergency-number %s", e)
		}
	}
	w.gap()
	w.why("A call from Teams: the number of the caller,")
	w.block("mapping-table calling-uri to calling-e164 "+fromURI, func() {
		w.f(`map sip:(.*) to \1`)
		w.f(`map tel:(.*) to \1`)
	})
	w.why("and the account of the PBX that belongs to it. The PBX knows accounts by its own address.")
	w.block("mapping-table calling-e164 to calling-uri "+toAccounts, func() {
		for _, u := range a.Users {
			w.f("map %s to %s", cli.Quote(literal(u.number(n))+"$"), cli.Quote(fmt.Sprintf("sip:%s@%s", u.Account, a.pbxAddress())))
		}
	})
	form := a.calledForm()
	if len(form) > 0 {
		w.why("The number that is called, as the PBX wants it.")
		w.block("mapping-table called-e164 to called-e164 "+calledForm, func() {
			for _, line := range form {
				w.f("%s", line)
			}
		})
	}
	w.gap()
	w.why("A call from the PBX: the number in Teams of the account that is called.")
	w.block("mapping-table called-uri to called-e164 "+toNumbers, func() {
		if main := strings.TrimSpace(n.Main); main != "" {
			number, _ := n.e164(main)
			w.why("Accounts without a number of their own ring here.")
			w.f("map sip:(.+)@(.+) to %s", number)
		}
		for _, u := range a.Users {
			w.f("map %s to %s", cli.Quote("sip:"+literal(u.Account)+"@.+"), u.number(n))
		}
	})
	w.gap()
	w.why("In this order:")
	w.block("complex-function "+towardsPBX, func() {
		w.f("execute 1 %s", fromURI)
		w.f("execute 2 %s", toAccounts)
		if len(form) > 0 {
			w.f("execute 3 %s", calledForm)
		}
	})
	w.block("complex-function "+towardsTeams, func() { w.f("execute 1 %s", toNumbers) })
	w.gap()
	w.why("Everything from Teams goes to the PBX, and everything from the PBX to Teams.")
	w.block("routing-table called-e164 "+fromTeams, func() { w.f("route default dest-interface %s %s", pbxInterface, towardsPBX) })
	w.block("routing-table called-e164 "+fromPBX, func() { w.f("route default dest-service %s %s", huntGroup, towardsTeams) })
}

// calledForm writes the lines that bring a called number into the form of the PBX.
func (a Answers) calledForm() (lines []string) {
	n := a.Numbers
	switch n.Called {
	case Zeros:
		lines = append(lines, fmt.Sprintf(`map \+(.+) to %s\1`, n.International))
	case National:
		lines = append(lines, fmt.Sprintf(`map \+%s(.+) to %s\1`, n.Country, n.National), fmt.Sprintf(`map \+(.+) to %s\1`, n.International))
	}
	if count, ok := between(n.Extension, 2, 5); ok {
		lines = append(lines, fmt.Sprintf(`map %s(%s)$ to \1`, n.Country, strings.Repeat(".", count)))
	}
	for _, e := range once(list(n.Emergency)) {
		lines = append(lines, fmt.Sprintf("map %s$ to %s", e, e)) // Teams may put a + before it
	}
	return lines
}

// number is a user's number as the configuration has it.
func (u User) number(n Numbers) string {
	number, _ := n.e164(u.Number)
	return number
}

// literal writes text as a key that matches nothing else.
func literal(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(`\.+*?()[]{}|^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// interfaceOf is the name of the interface to a hub.
func interfaceOf(h hub) string { return "if_sip_microsoft-directrouting-" + h.suffix }

func (a Answers) hub(w *writer, h hub) {
	w.gap()
	w.why("Microsoft's %s name.", h.suffix)
	w.block("interface sip "+interfaceOf(h), func() {
		w.f("bind context sip-gateway %s", a.wanGateway())
		w.f("route call dest-table %s", fromTeams)
		w.f("remote %s 5061", h.name)
		w.why("The name in the certificate, which the tenant knows.")
		w.f("local %s %d", a.fqdn(), a.port())
		w.why("Teams knows hold in this form alone.")
		w.f("hold-method direction-attribute inactive")
		w.why("Teams transfers by itself: no REFER.")
		w.f("no call-transfer accept")
		w.f("privacy")
		w.f("use profile voip %s", voipTeams)
		w.f("srtp renegotiate-on-connect")
		w.why("Asked every minute; while it does not answer, calls go to the next name.")
		w.f("penalty-box sip-option-trigger interval 60 timeout 60 force tls")
		w.f("session-timer 3600")
		w.why("Who may call from there: Microsoft's networks, and nobody else.")
		w.f("trust remote")
		for _, t := range clouds[a.Teams.Cloud].trust {
			w.f("trust %s", t)
		}
	})
}

// port is where the box listens for Microsoft.
func (a Answers) port() int {
	port, _ := between(a.Teams.Port, 1, 65535)
	return port
}

func (a Answers) pbx(w *writer) {
	w.gap()
	w.why("The PBX.")
	w.block("interface sip "+pbxInterface, func() {
		w.f("bind context sip-gateway %s", a.lanGateway())
		w.f("route call dest-table %s", fromPBX)
		w.f("remote %s", hostAndPort(a.pbxHost(), a.PBX.Port))
		w.f("early-disconnect")
		w.f("no call-transfer accept")
		w.f("no call-transfer emit")
		w.f("address-complete-indication accept set")
		w.why("The PBX says in From who calls.")
		w.f("address-translation incoming-call calling-e164 from-header")
		w.f("address-translation incoming-call calling-uri from-header")
		w.f("address-translation incoming-call calling-name from-header")
		w.f("use profile voip %s", voipPBX)
		w.f("trust remote")
	})
}

func (a Answers) hunt(w *writer) {
	w.gap()
	w.why("Microsoft's names in their order. The next one is tried after three seconds without any answer, and when one refuses for a reason of its own.")
	w.block("service hunt-group "+huntGroup, func() {
		w.f("timeout 3")
		w.f("drop-cause normal-unspecified")
		for i, h := range clouds[a.Teams.Cloud].hubs {
			w.f("route call %d dest-interface %s", i+1, interfaceOf(h))
		}
	})
}

// once leaves out what was said before.
func once(values []string) (list []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			list = append(list, v)
		}
	}
	return list
}
