package older

import (
	"slices"
	"strings"

	"viaduct/appliance/cli"
)

// NoEffect is a group of statements that are accepted and have no effect, because this box does not have what they configure. Their first
// words identify them in the mode with a certain prompt ("" is the root).
type NoEffect struct {
	prompt string
	Block  bool // the statements are headers of blocks
	why    string
	begins []string
}

const (
	noPorts     = "there are no telephone ports here"
	noRouter    = "the box is not a router"
	provisioned = "the box is not provisioned by servers"
)

var noEffects = []NoEffect{
	{"", true, noPorts, []string{"port bri", "port pri", "port e1t1", "port e1", "port t1", "port fxs", "port fxo", "port isdn", "port analog", "port g703"}},
	{"", true, noPorts, []string{"profile tone-set", "profile call-progress-tone", "profile ringing-cadence", "profile pstn", "profile fxs", "profile fxo", "profile r2", "profile r2-signaling", "profile isdn"}},
	{"", true, noRouter, []string{"port serial", "port xdsl", "port adsl", "port dsl", "port gshdsl", "port atm", "port wan", "port usb", "port wlan",
		"profile napt", "profile ppp", "profile mlppp", "profile service-policy", "profile dhcp-server", "profile dhcp-client",
		"profile link-supervision", "profile wlan", "subscriber ppp", "context bridge", "context switch", "pppoe"}},
	{"", true, "SIP behaves as RFC 3398 says", []string{"profile sip"}},
	{"", true, "the box has its own accounts", []string{"profile aaa", "profile authentication", "profile radius", "radius-client", "tacacs-client", "radius-server", "tacacs-server"}},
	{"", true, provisioned, []string{"profile provisioning", "cwmp-client"}},
	{"", true, "there are no actions", []string{"actions"}},
	{"", true, noDSP, []string{"system"}},
	{"", true, "the box supports SIP only", []string{"gateway", "context h323-gateway", "context isoip-gateway", "context mgcp-gateway"}},
	{"", false, noDSP, []string{"ic voice", "system ic", "system clock-source", "system bypass-mode", "system synchronize-to-isdn-clock", "low-bitrate-codec", "clock-source"}},
	{"", false, "only the hostname is kept", []string{"system contact", "system location", "system provider", "system supplier", "system subscriber", "system description"}},
	{"", false, "clock local zone with the name of a zone, such as Europe/Berlin, knows its summer time", []string{"clock local dst-rule"}},
	{"", false, "the lines of snmp-server say who may read the box with SNMP", []string{"snmp", "snmp-client"}},
	{"", false, provisioned, []string{"timer", "provisioning", "message-server", "auto-provisioning"}},
	{"", false, "the box is not a DHCP or DNS server", []string{"dns-relay", "dhcp-server", "dns-server", "sntp-server", "ip dhcp-server"}},
	{"", false, "sntp-client server controls how the clock is set", []string{"sntp-client poll-interval", "sntp-client gmt-offset", "sntp-client operating-mode", "sntp-client anycast-address",
		"sntp-client local-clock-offset", "sntp-client root-delay-offset", "sntp-client local-port"}},
	{"", false, noRouter, []string{"rip", "icmp", "qos", "bridge", "tunnel", "napt", "nat"}},
	{"", false, "consoles are the serial line, SSH, and Telnet with console telnet", []string{"ssh-server", "telnet-server", "terminal telnet", "terminal ssh", "terminal console", "aaa", "http-server"}},
	{"", false, noPorts, []string{"isdn", "call-control", "tone-set"}},

	{"ctx-ip", false, noRouter, []string{"multicast-send", "qos", "rip", "icmp", "nat", "napt", "arp", "dhcp-server", "use profile dhcp-server", "use profile napt"}},
	{"if-ip", false, noRouter, []string{"use profile napt", "use profile service-policy", "use profile wlan", "point-to-point", "icmp", "rip", "cos", "igmp",
		"bandwidth", "multicast-send", "router-advertisement", "dhcp-server", "use profile dhcp-server", "mac-address", "ipaddress unnumbered"}},
	{"prt-eth", true, noRouter, []string{"pppoe"}},
	{"prt-eth", false, noRouter, []string{"cos", "frame-format", "mac-address", "priority", "phy"}},

	{"ctx-cs", true, noPorts, []string{"interface fxs", "interface fxo", "interface isdn", "interface bri", "interface pri", "interface h323", "interface isoip", "interface r2", "interface e1t1", "interface analog"}},
	{"ctx-cs", true, "the box has hunt groups and phones only", []string{"service distribution-group", "service limiter", "service priority", "service aaa", "service second-dialtone", "service sip-conference",
		"service bridge", "service ringback", "service overlap", "service call-pickup"}},
	{"ctx-cs", false, noPorts, []string{"use profile tone-set", "use profile pstn", "bearer-capability", "isdn", "limiter", "tone-set"}},
	{"if-sip", false, noPorts, []string{"use profile pstn", "limiter", "use tone-set"}},

	{"identity-group", true, "requests outside calls are not forwarded", []string{"message inbound", "message outbound", "subscription inbound", "subscription outbound", "presence inbound", "presence outbound", "notification inbound", "notification outbound"}},
	{"identity", true, "requests outside calls are not forwarded", []string{"message inbound", "message outbound", "subscription inbound", "subscription outbound", "presence inbound", "presence outbound", "notification inbound", "notification outbound"}},

	{"regin", false, "phones say themselves where they are", []string{"contact"}},
	{"callout", false, "the profiles of the interface sip apply to calls", []string{"use profile"}},
	{"callin", false, "the profiles of the interface sip apply to calls", []string{"use profile"}},
	{"callout", false, "SIP behaves as RFC 3398 says", []string{"invite-transaction-timeout", "non-invite-transaction-timeout", "session-timer"}},
	{"callin", false, "SIP behaves as RFC 3398 says", []string{"session-timer"}},

	{"pf-voip", false, noDSP, []string{"dejitter-mode", "dejitter-max-delay", "dejitter-buffer", "dejitter-grow-step", "dejitter-grow-attenuation", "dejitter-shrink-speed", "echo-canceller", "silence-compression", "high-pass-filter", "post-filter",
		"voice-volume", "flash-hook", "modem", "rtp traffic-class", "rtp port-range", "t38", "voice-update-frames", "dtmf-mute-encoder", "background-noise", "sid"}},
}

const noDSP = "there is no DSP here"

// Note is the note about such a line.
func (n *NoEffect) Note() string {
	if n.Block {
		return "taken, no effect, with its whole block: " + n.why
	}
	return "taken, no effect: " + n.why
}

// Find looks up a line in the mode with a prompt, with or without a `no`; nil if it is not such a statement.
func Find(prompt, line string) *NoEffect {
	return find(line, func(n *NoEffect) bool { return n.prompt == prompt })
}

// FindBlock looks up the header of a block likewise.
func FindBlock(prompt, line string) *NoEffect {
	return find(line, func(n *NoEffect) bool { return n.prompt == prompt && n.Block })
}

func find(line string, in func(*NoEffect) bool) *NoEffect {
	words := cli.Words(line)
	if len(words) > 0 && words[0].Text == "no" {
		words = words[1:]
	}
	for i := range noEffects {
		n := &noEffects[i]
		if in(n) && slices.ContainsFunc(n.begins, func(b string) bool { return beginsWith(words, b) }) {
			return n
		}
	}
	return nil
}

// beginsWith reports whether a line begins with these words. "system" alone is a block; with more words it is another statement.
func beginsWith(words []cli.Word, begin string) bool {
	if begin == "system" && len(words) > 1 {
		return false
	}
	for b := range strings.FieldsSeq(begin) {
		if len(words) == 0 || words[0].Text != b {
			return false
		}
		words = words[1:]
	}
	return true
}
