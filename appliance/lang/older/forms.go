// Package older knows statements of other device generations: statements that this box has in another form, and statements without effect,
// because the box does not have what they configure.
//
// It owns the forms of these statements and their translations. Package lang finds the mode that such a line belongs to, and applies the
// translation. The package has no state and no goroutines.
package older

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// form is a statement of an older generation, in the mode with a certain prompt ("" is the root), and its translation.
type form struct {
	prompt  string
	shown   string // for the manual
	pattern *regexp.Regexp
	left    string // the part of the line that has no effect, or ""
	// lines translates a match. here is the name of the object whose mode the line is in. It returns no lines if there is no translation.
	lines func(cfg *config.Config, here string, m []string) []string
}

const ip4 = `(\d+\.\d+\.\d+\.\d+)`

// forms are tried if the table does not understand a line.
var forms = []form{
	{prompt: "if-ip", shown: "ipaddress [NAME] ADDRESS MASK", pattern: full(`ip ?address (?:(\S+) )?` + ip4 + ` ` + ip4), lines: func(_ *config.Config, here string, m []string) []string {
		p, ok := masked4(m[2], m[3])
		if !ok {
			return nil
		}
		if m[1] == "" {
			m[1] = here
		}
		return []string{"ipaddress " + cli.Quote(m[1]) + " " + p.String()}
	}},
	{prompt: "ctx-ip", shown: "route NETWORK MASK GATEWAY [METRIC]", pattern: full(`route ` + ip4 + ` ` + ip4 + ` ` + ip4 + `(?: (\d+))?`), lines: route},
	{shown: "ip route NETWORK MASK GATEWAY [METRIC]", pattern: full(`ip route ` + ip4 + ` ` + ip4 + ` ` + ip4 + `(?: (\d+))?`), lines: func(cfg *config.Config, here string, m []string) []string {
		context, lines := "ROUTER", route(cfg, here, m)
		if lines == nil || len(cfg.IP) > 1 {
			return nil
		}
		if len(cfg.IP) == 1 {
			context = cfg.IP[0].Name
		}
		return append([]string{"context ip " + cli.Quote(context)}, lines...)
	}},
	{shown: "snmp-server community NAME [ro]", pattern: full(`snmp-server community (\S+)(?: [rR][oO])?`), lines: func(_ *config.Config, _ string, m []string) []string {
		return []string{"snmp-server", "community " + m[1]}
	}},
	{prompt: "rt-tab", shown: "route NETWORK MASK [gateway] GATEWAY [[metric] METRIC]", pattern: full(`route ` + ip4 + ` ` + ip4 + ` (?:gateway )?` + ip4 + `(?: (?:metric )?(\d+))?`), lines: func(cfg *config.Config, here string, m []string) []string {
		if lines := route(cfg, here, m); lines != nil {
			return lines[1:]
		}
		return nil
	}},
	{prompt: "if-gw", shown: "bind interface INTERFACE context CONTEXT [port PORT]", pattern: full(`bind interface (\S+) context (\S+)(?: port (\d+))?`), lines: func(cfg *config.Config, _ string, m []string) []string {
		lines := []string{fmt.Sprintf("bind ipaddress %s %s %s", m[2], m[1], addressName(cfg, m[2], m[1]))}
		if m[3] != "" {
			lines = append(lines, "transport-protocol udp+tcp "+m[3])
		}
		return lines
	}},
	{prompt: "svc-auth", shown: "realm NUMBER REALM", pattern: full(`realm \d+ (\S+)`), lines: func(_ *config.Config, _ string, m []string) []string {
		return []string{"realm " + cli.Quote(m[1])}
	}},
	{shown: "sntp-client server ADDRESS", pattern: full(`sntp-client server ` + ip4 + `(.*)`), lines: func(_ *config.Config, _ string, m []string) []string {
		return []string{"sntp-client server primary " + m[1] + m[2]}
	}},
	{shown: "clock local dst-rule NAME OFFSET from TIME mar last sunday until TIME oct last sunday", pattern: full(`clock local dst-rule \S+ ([+-]\d\d:\d\d) from \S+ mar last sun\S* until \S+ oct last sun\S*`), lines: func(_ *config.Config, _ string, m []string) []string {
		zone := map[string]string{"+01:00": "Europe/London", "+02:00": "Europe/Berlin", "+03:00": "Europe/Athens"}[m[1]]
		if zone == "" {
			return nil
		}
		return []string{"clock local zone " + zone}
	}},
	{prompt: "regout", shown: "preferred-transport-protocol TRANSPORT", pattern: full(`preferred-transport-protocol (udp|tcp|tls)`), lines: func(_ *config.Config, _ string, m []string) []string {
		return []string{"call outbound", "transport-protocol force " + m[1]}
	}},
	{prompt: "if-sip", shown: "hold-method direction-attribute, hold-method zero-ip", pattern: full(`hold-method (?:direction-attribute|zero-ip)`), lines: func(*config.Config, string, []string) []string {
		return []string{"hold-method direction-attribute " + string(config.HoldSendonly)}
	}},
	{prompt: "if-sip", shown: "address-translation outgoing-call HEADER user-part PROPERTY host-part to-header", left: "host-part to-header",
		pattern: full(`address-translation outgoing-call (\S+) user-part (fix \S+|\S+) host-part to-header`), lines: func(_ *config.Config, _ string, m []string) []string {
			return []string{"address-translation outgoing-call " + m[1] + " user-part " + m[2]}
		}},
	{prompt: "if-sip", shown: "address-translation outgoing-call HEADER user-part PROPERTY host-part PROPERTY",
		pattern: full(`address-translation outgoing-call (\S+) user-part (fix \S+|\S+) host-part (fix \S+|\S+)`), lines: func(_ *config.Config, _ string, m []string) []string {
			return []string{"address-translation outgoing-call " + m[1] + " user-part " + m[2], "address-translation outgoing-call " + m[1] + " host-part " + m[3]}
		}},
	{prompt: "pf-acl", shown: "permit|deny PROTOCOL SOURCE [WILDCARD] DESTINATION [WILDCARD] [eq PORT|range PORT PORT]", pattern: full(`(permit|deny) (ip|tcp|udp|icmp) (any|host \S+|` + ip4 + ` ` + ip4 + `) (any|host \S+|` + ip4 + ` ` + ip4 + `)(?: eq (\d+)| range (\d+) (\d+))?`), lines: rule},
}

func full(pattern string) *regexp.Regexp { return regexp.MustCompile(`^` + pattern + `$`) }

// Lines translates a line in the mode with a prompt, whose object has the name here. It returns no lines if the line is not an older
// statement. Left is the part of the line that has no effect.
func Lines(cfg *config.Config, prompt, here, line string) (lines []string, left string) {
	line = strings.Join(strings.Fields(line), " ")
	for _, f := range forms {
		if f.prompt != prompt {
			continue
		}
		if m := f.pattern.FindStringSubmatch(line); m != nil {
			if lines := f.lines(cfg, here, m); lines != nil {
				return lines, f.left
			}
		}
	}
	return nil, ""
}

func masked4(address, mask string) (netip.Prefix, bool) {
	a, err1 := netip.ParseAddr(address)
	m, err2 := netip.ParseAddr(mask)
	if err1 != nil || err2 != nil || !a.Is4() || !m.Is4() {
		return netip.Prefix{}, false
	}
	for bits := range 33 {
		p := netip.PrefixFrom(a, bits)
		if net, _ := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(bits); net.Addr() == m {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// route translates a route of a context ip, which belongs to a routing table here.
func route(_ *config.Config, _ string, m []string) []string {
	p, ok := masked4(m[1], m[2])
	if !ok || p != p.Masked() {
		return nil
	}
	line := "route " + p.String() + " gateway " + m[3]
	if m[4] != "" {
		line += " metric " + m[4]
	}
	return []string{"routing-table DEFAULT", line}
}

// addressName returns the name of the only address of an interface, or the name of the interface.
func addressName(cfg *config.Config, context, name string) string {
	i := cfg.IPInterface(config.Ref[config.Config, config.IPContext]{Name: context}, config.Ref[config.IPContext, config.IPInterface]{Name: name})
	if i != nil && len(i.Addresses) == 1 {
		return cli.Quote(i.Addresses[0].Name)
	}
	return name
}

// rule translates a rule with host addresses and wildcard masks.
func rule(_ *config.Config, _ string, m []string) []string {
	from, ok1 := host(m[3])
	to, ok2 := host(m[6])
	if !ok1 || !ok2 {
		return nil
	}
	line := strings.Join([]string{m[1], m[2], from, to}, " ")
	switch {
	case m[9] != "":
		line += " port " + m[9]
	case m[10] != "":
		line += " port " + m[10] + " " + m[11]
	}
	return []string{line}
}

func host(text string) (string, bool) {
	f := strings.Fields(text)
	switch {
	case len(f) == 1:
		return text, true
	case f[0] == "host":
		return f[1], true
	}
	w, err := netip.ParseAddr(f[1])
	if err != nil {
		return "", false
	}
	mask := w.As4()
	for i := range mask {
		mask[i] = ^mask[i]
	}
	p, ok := masked4(f[0], netip.AddrFrom4(mask).String())
	return p.Masked().String(), ok
}
