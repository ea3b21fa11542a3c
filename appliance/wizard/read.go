package wizard

import (
	"net/netip"
	"slices"
	"strings"
)

// Read finds the answers in a running configuration, as the box prints it, as far as they are there. What is not there keeps its default.
// Sign-in names are in no configuration.
func Read(running string) Answers {
	a, root := Defaults(), tree(running)
	set(&a.Box.Name, root.value("system", "hostname"))
	set(&a.Box.Zone, root.value("clock", "local", "zone"))
	set(&a.Network.DNS, values(root.all("dns-client", "server"), 2))
	set(&a.Network.NTP, values(root.all("sntp-client", "server"), 3))
	readNetwork(&a, root)
	teams, pbx := peers(&a, root)
	readSwitch(&a, root)
	readTeams(&a, root, teams)
	readPBX(&a, root, pbx)
	return a
}

// set takes a value that is there.
func set(to *string, value string) {
	if value != "" {
		*to = value
	}
}

// values joins a word of several lines.
func values(lines []*node, word int) string {
	var list []string
	for _, l := range lines {
		list = append(list, l.word(word))
	}
	return strings.Join(list, " ")
}

func readNetwork(a *Answers, root *node) {
	var lan netip.Prefix
	for port, to := range map[string]*string{"0": &a.Network.LAN, "1": &a.Network.WAN} {
		bind := root.one("port", "ethernet", "0", port).one("bind", "interface")
		address := root.one("context", "ip", bind.word(2)).one("interface", bind.word(3)).one("ipaddress")
		switch value := address.word(2); {
		case value == "dhcp" && port == "1":
			a.Network.DHCP = true
		case value != "dhcp":
			set(to, value)
		}
	}
	lan, _ = network(a.Network.LAN)
	for _, context := range root.all("context", "ip") {
		for _, table := range context.all("routing-table", "*") {
			set(&a.Network.Gateway, table.value("route", "0.0.0.0/0", "gateway"))
			for _, r := range table.all("route", "*", "gateway") {
				if g, ok := ipv4(r.word(3)); ok && lan.IsValid() && lan.Contains(g) && r.word(1) != "0.0.0.0/0" {
					a.PBX.Router = g.String()
				}
			}
		}
	}
}

// peers are the interfaces to Microsoft and to the PBX.
func peers(a *Answers, root *node) (teams, pbx *node) {
	for _, context := range root.all("context", "cs") {
		for _, i := range context.all("interface", "sip") {
			switch c := cloudOf(i.value("remote")); {
			case c != "" && teams == nil:
				teams, a.Teams.Cloud = i, c
			case c == "" && i.one("remote") != nil && pbx == nil:
				pbx = i
			}
		}
	}
	return teams, pbx
}

// cloudOf says in which cloud a hub is, "" when it is no hub.
func cloudOf(host string) string {
	for name, c := range clouds {
		if slices.ContainsFunc(c.hubs, func(h hub) bool { return strings.EqualFold(h.name, host) }) {
			return name
		}
	}
	return ""
}

func readTeams(a *Answers, root, peer *node) {
	set(&a.Box.FQDN, peer.value("local"))
	gateway := root.one("context", "sip-gateway", peer.value("bind", "context", "sip-gateway"))
	for _, i := range gateway.all("interface") {
		set(&a.Teams.Port, i.value("transport-protocol", "tls"))
		set(&a.Network.Public, i.value("spoofed", "media-address"))
	}
	profile := root.one("profile", "tls", gateway.value("use", "profile", "tls"))
	if own := profile.one("own-certificate"); own != nil {
		a.Certificate.Name = strings.TrimPrefix(own.words[len(own.words)-1], "pki:certificate/")
	}
	if key := strings.TrimPrefix(profile.value("private-key"), "pki:private-key/"); key != a.Certificate.Name {
		a.Certificate.Key = key
	}
	for _, t := range profile.all("trusted-certificate") {
		a.Certificate.Trusted = append(a.Certificate.Trusted, strings.TrimPrefix(t.words[len(t.words)-1], "pki:certificate/"))
	}
	for _, p := range root.all("profile", "acme") {
		if strings.TrimPrefix(p.value("certificate"), "pki:certificate/") != a.Certificate.Name && p.word(2) != a.Certificate.Name {
			continue
		}
		a.Certificate.From = ACME
		set(&a.Certificate.Challenge, p.value("challenge"))
		set(&a.Certificate.Contact, p.value("contact"))
	}
}

func readPBX(a *Answers, root, peer *node) {
	remote := peer.one("remote")
	if _, ok := ipv4(remote.word(1)); ok {
		a.PBX.Address = remote.word(1)
	} else {
		set(&a.PBX.Name, remote.word(1))
	}
	set(&a.PBX.Port, remote.word(2))
	gateway := root.one("context", "sip-gateway", peer.value("bind", "context", "sip-gateway"))
	for _, bind := range gateway.all("bind", "location-service") {
		service := root.one("location-service", bind.word(2))
		for _, d := range service.all("domain") {
			for _, w := range d.words {
				if _, ok := ipv4(w); ok {
					a.PBX.Address = w
				}
			}
		}
		for _, g := range service.all("identity-group") {
			set(&a.PBX.Transport, g.one("call", "outbound").value("transport-protocol", "force"))
		}
	}
}

func readSwitch(a *Answers, root *node) {
	passwords := map[string]string{}
	for _, s := range root.all("authentication-service") {
		for _, u := range s.all("username", "*", "password") {
			passwords[u.word(1)] = u.word(3)
		}
	}
	for _, context := range root.all("context", "cs") {
		if country := context.value("country-code"); country != "" {
			a.Numbers.Country = country
			a.Numbers.National = context.value("national-prefix")
			set(&a.Numbers.International, context.value("international-prefix"))
			a.Numbers.Emergency = values(context.all("emergency-number"), 1)
		}
		for _, t := range context.all("mapping-table") {
			switch t.word(1) + " " + t.word(3) {
			case "calling-e164 calling-uri":
				readUsers(a, t, passwords)
			case "called-uri called-e164":
				for _, m := range t.all("map") {
					if key := m.word(1); strings.HasPrefix(key, "sip:(.+)@") {
						a.Numbers.Main = m.word(3)
					}
				}
			case "called-e164 called-e164":
				readForm(a, t)
			}
		}
	}
}

// readUsers takes the lines that lead a number to an account.
func readUsers(a *Answers, table *node, passwords map[string]string) {
	for _, m := range table.all("map", "*", "to") {
		number, exact := unescaped(strings.TrimSuffix(m.word(1), "$"))
		account, host, _ := strings.Cut(strings.TrimPrefix(m.word(3), "sip:"), "@")
		if !exact || account == "" || host == "" {
			continue
		}
		if _, ok := ipv4(host); ok && a.PBX.Address == "" {
			a.PBX.Address = host
		}
		if number, fault := a.Numbers.trimmed().e164(number); fault == nil {
			a.Users = append(a.Users, User{Number: number, Account: account, Password: passwords[account]})
		}
	}
}

// unescaped reads a key that stands for one text alone.
func unescaped(key string) (text string, exact bool) {
	var b strings.Builder
	escaped := false
	for _, r := range key {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
			continue
		case strings.ContainsRune(".*?()[]{}|^$", r) || r == '+' && b.Len() > 0:
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), !escaped
}

// readForm finds how the PBX wants called numbers.
func readForm(a *Answers, table *node) {
	for _, m := range table.all("map", "*", "to") {
		key, to := m.word(1), m.word(3)
		switch {
		case key == `\+`+a.Numbers.Country+"(.+)" && to == a.Numbers.National+`\1`:
			a.Numbers.Called = National
		case key == `\+(.+)` && to == a.Numbers.International+`\1` && a.Numbers.Called == Plus:
			a.Numbers.Called = Zeros
		}
		head, dots, ok := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(key, "$"), "?"), a.Numbers.Country+"(")
		if dots = strings.TrimSuffix(dots, ")"); ok && (head == "" || strings.HasSuffix(head, "?")) && dots != "" && strings.Trim(dots, ".") == "" && len(dots) <= 5 {
			a.Numbers.Extension = string(rune('0' + len(dots)))
		}
	}
}
