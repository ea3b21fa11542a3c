package wizard

import (
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/config"
)

// Steps are the parts of the set-up that have answers, in their order. A problem belongs to the step that its field begins with.
var Steps = []string{"box", "network", "pbx", "numbers", "users", "teams", "certificate"}

// Step is the step of a problem.
func (p Problem) Step() string {
	head, _, _ := strings.Cut(p.Field, ".")
	head, _, _ = strings.Cut(head, "/")
	return head
}

// checker collects what is wrong.
type checker struct {
	Answers
	problems []Problem
}

func (c *checker) add(field, fault string, args ...string) {
	c.problems = append(c.problems, Problem{Field: field, Fault: fault, Args: args})
}

// Check says what is wrong with the answers, step by step. Without a problem, Configuration has a text that every box accepts.
func Check(a Answers) []Problem {
	c := &checker{Answers: a}
	c.box()
	c.network()
	c.pbx()
	c.numbers()
	c.users()
	c.teams()
	c.certificate()
	return c.problems
}

// filled reports whether a field has text that fits into a line, and says so if not.
func (c *checker) filled(field, text string) bool {
	switch {
	case strings.TrimSpace(text) == "":
		c.add(field, "missing")
	case !plain(strings.Map(lineEndsToBlanks, text)):
		c.add(field, "not-text")
	case len(text) > 1000:
		c.add(field, "too-long", "1000")
	default:
		return true
	}
	return false
}

// lineEndsToBlanks is for fields with several values, which may stand in lines.
func lineEndsToBlanks(r rune) rune {
	if r == '\n' || r == '\r' || r == '\t' {
		return ' '
	}
	return r
}

// choice wants one of the values.
func (c *checker) choice(field, text string, values []string) {
	if !slices.Contains(values, text) {
		c.add(field, "not-choice", text)
	}
}

// maxName is the longest name of an SBC that Teams takes.
const maxName = 63

func (c *checker) box() {
	if name := strings.TrimSpace(c.Box.Name); c.filled("box.name", name) && (!hostName(name) || strings.Contains(name, ".")) {
		c.add("box.name", "not-name", name)
	}
	if name := c.fqdn(); c.filled("box.fqdn", name) {
		switch {
		case !hostName(name) || !strings.Contains(name, "."):
			c.add("box.fqdn", "not-fqdn", name)
		case len(name) > maxName:
			c.add("box.fqdn", "fqdn-long", strconv.Itoa(maxName))
		case strings.HasSuffix("."+name, ".onmicrosoft.com"):
			c.add("box.fqdn", "fqdn-onmicrosoft")
		}
	}
	if zone := strings.TrimSpace(c.Box.Zone); c.filled("box.zone", zone) {
		if _, err := config.Zone(zone); err != nil || strings.ContainsAny(zone, " \"") {
			c.add("box.zone", "zone", zone)
		}
	}
}

// fqdn is the name for the tenant as everybody writes it.
func (a Answers) fqdn() string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(a.Box.FQDN), "."))
}

// port reads a network of a port.
func (c *checker) port(field, text string) (netip.Prefix, bool) {
	if !c.filled(field, text) {
		return netip.Prefix{}, false
	}
	p, ok := network(text)
	switch {
	case !ok:
		c.add(field, "not-network", strings.TrimSpace(text))
	case !usable(p.Addr()):
		c.add(field, "not-usable", p.Addr().String())
		ok = false
	case !hostIn(p):
		c.add(field, "not-host-in-network", p.String())
		ok = false
	}
	return p, ok
}

// address reads an address of a host that is not the box.
func (c *checker) address(field, text string) (netip.Addr, bool) {
	if !c.filled(field, text) {
		return netip.Addr{}, false
	}
	a, ok := ipv4(text)
	switch {
	case !ok:
		c.add(field, "not-address", strings.TrimSpace(text))
	case !usable(a):
		c.add(field, "not-usable", a.String())
		ok = false
	}
	return a, ok
}

func (c *checker) network() {
	n := c.Network
	lan, lanOK := c.port("network.lan", n.LAN)
	wan, wanOK := netip.Prefix{}, false
	if !n.DHCP {
		if wan, wanOK = c.port("network.wan", n.WAN); wanOK && lanOK && wan.Overlaps(lan) {
			c.add("network.wan", "overlap", wan.Masked().String(), lan.Masked().String())
			wanOK = false
		}
		if g, ok := c.address("network.gateway", n.Gateway); ok && wanOK {
			c.neighbour("network.gateway", g, wan)
		}
	}
	switch {
	case strings.TrimSpace(n.Public) != "":
		if a, ok := c.address("network.public", n.Public); ok && a.IsPrivate() {
			c.add("network.public", "public-private", a.String())
		}
	case wanOK && wan.Addr().IsPrivate():
		c.add("network.public", "public-needed", wan.Addr().String())
	}
	if strings.TrimSpace(n.DNS) != "" || !n.DHCP {
		c.several("network.dns", n.DNS, 4, func(text string) {
			if a, ok := c.address("network.dns", text); ok && (lanOK && a == lan.Addr() || wanOK && a == wan.Addr()) {
				c.add("network.dns", "own-address", a.String())
			}
		})
	}
	c.several("network.ntp", n.NTP, len(config.SNTPRoles), func(text string) {
		if a, ok := ipv4(text); !(ok && usable(a)) && !hostName(text) {
			c.add("network.ntp", "not-name", text)
		}
	})
}

// neighbour wants a router to be in the network of a port.
func (c *checker) neighbour(field string, a netip.Addr, in netip.Prefix) {
	switch {
	case a == in.Addr():
		c.add(field, "own-address", a.String())
	case !in.Contains(a):
		c.add(field, "outside", a.String(), in.Masked().String())
	}
}

// several judges each of several values.
func (c *checker) several(field, text string, most int, each func(string)) {
	if !c.filled(field, text) {
		return
	}
	values := list(text)
	if len(values) == 0 {
		c.add(field, "missing")
	}
	if len(values) > most {
		c.add(field, "too-many", strconv.Itoa(len(values)), strconv.Itoa(most))
		return
	}
	for i, v := range values {
		if !slices.Contains(values[:i], v) {
			each(v)
		}
	}
}

func (c *checker) pbx() {
	p := c.PBX
	if name := strings.TrimSpace(p.Name); name != "" && !hostName(name) {
		c.add("pbx.name", "not-name", name)
	} else if name != "" && strings.EqualFold(name, c.fqdn()) {
		c.add("pbx.name", "own-address", name)
	} else if config.TeamsHost(name) {
		c.add("pbx.name", "teams", name)
	}
	if a, ok := c.address("pbx.address", p.Address); ok {
		lan, lanOK := network(c.Network.LAN)
		wan, wanOK := network(c.Network.WAN)
		switch {
		case lanOK && a == lan.Addr() || !c.Network.DHCP && wanOK && a == wan.Addr():
			c.add("pbx.address", "own-address", a.String())
		case config.TeamsHost(a.String()):
			c.add("pbx.address", "teams", a.String())
		case !c.Network.DHCP && wanOK && wan.Contains(a):
			c.add("pbx.address", "outside", a.String(), lan.Masked().String())
		case lanOK && !lan.Contains(a) && strings.TrimSpace(c.PBX.Router) == "":
			c.add("pbx.address", "router-needed", a.String(), lan.Masked().String())
		}
	}
	if strings.TrimSpace(p.Router) != "" {
		r, ok := c.address("pbx.router", p.Router)
		if lan, lanOK := network(c.Network.LAN); ok && lanOK {
			c.neighbour("pbx.router", r, lan)
		}
	}
	if port := strings.TrimSpace(p.Port); port != "" {
		if _, ok := between(port, 1, 65535); !ok {
			c.add("pbx.port", "not-port", port)
		}
	}
	c.choice("pbx.transport", p.Transport, Transports)
}

func (c *checker) numbers() {
	n := c.Numbers
	if code := n.country(); c.filled("numbers.country", n.Country) && (!digits(code, 3) || code[0] == '0') {
		c.add("numbers.country", "not-country", n.Country)
	}
	if p := strings.TrimSpace(n.National); p != "" && !digits(p, 4) {
		c.add("numbers.national", "not-digits", p)
	}
	if p := strings.TrimSpace(n.International); c.filled("numbers.international", p) && !digits(p, 5) {
		c.add("numbers.international", "not-digits", p)
	}
	if strings.TrimSpace(n.Emergency) != "" {
		c.several("numbers.emergency", n.Emergency, 20, func(text string) {
			if !digits(text, 7) {
				c.add("numbers.emergency", "not-digits", text)
			}
		})
	}
	c.choice("numbers.called", n.Called, Forms)
	if e := strings.TrimSpace(n.Extension); e != "" && e != "0" {
		if _, ok := between(e, 2, 5); !ok {
			c.add("numbers.extension", "extension")
		}
	}
	if m := strings.TrimSpace(n.Main); m != "" {
		if _, fault := n.trimmed().e164(m); fault != nil {
			c.add("numbers.main", fault.Fault, fault.Args...)
		}
	}
}

// country is the country code without its prefix.
func (n Numbers) country() string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(n.Country), "+"), "00")
}

// trimmed are the prefixes as they are used.
func (n Numbers) trimmed() Numbers {
	n.Country, n.National, n.International = n.country(), strings.TrimSpace(n.National), strings.TrimSpace(n.International)
	return n
}

func (c *checker) users() {
	if len(c.Users) == 0 {
		c.add("users", "no-users")
	}
	if len(c.Users) > MaxUsers {
		c.add("users", "too-many-users", strconv.Itoa(MaxUsers))
		return
	}
	byNumber, byAccount := map[string]int{}, map[string]int{}
	for i, u := range c.Users {
		field := "users/" + strconv.Itoa(i+1)
		number, fault := c.Numbers.trimmed().e164(u.Number)
		if fault == nil {
			fault = u.fault()
		}
		u.Number = number
		if fault == nil {
			fault = taken(byNumber, byAccount, u)
		}
		if fault != nil {
			c.add(field, fault.Fault, fault.Args...)
			continue
		}
		byNumber[number], byAccount[u.Account] = i+1, i+1
	}
}

func (c *checker) teams() {
	t := c.Teams
	c.choice("teams.cloud", t.Cloud, Clouds)
	port, ok := between(t.Port, 1, 65535)
	switch {
	case !ok:
		c.add("teams.port", "not-port", t.Port)
	case t.Cloud != World && port != 5061:
		c.add("teams.port", "port-government")
	}
	if _, ok := between(t.Sessions, 1, 10000); !ok {
		c.add("teams.sessions", "sessions")
	}
}

func (c *checker) certificate() {
	x := c.Certificate
	c.choice("certificate.from", x.From, []string{Imported, ACME})
	if x.From == ACME {
		c.choice("certificate.challenge", x.Challenge, Challenges)
		if m := strings.TrimSpace(x.Contact); m != "" && !mailAddress(m) {
			c.add("certificate.contact", "not-mail", m)
		}
	}
	for _, name := range append([]string{x.Name, x.keyName()}, x.Trusted...) {
		if name == "" || len(name) > 100 || !plain(name) || strings.ContainsAny(name, `/\ "`) || strings.HasPrefix(name, ".") {
			c.add("certificate.name", "not-store-name", name)
		}
	}
}

// keyName is that of the private key in the key store.
func (x Certificate) keyName() string {
	if x.Key != "" {
		return x.Key
	}
	return x.Name
}

// mailAddress reports whether text is a plain mail address.
func mailAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text && len(text) <= 254 && !strings.ContainsAny(text, "?%\" ")
}
