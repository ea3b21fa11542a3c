package older

import (
	"strings"

	"viaduct/appliance/cli"
)

// Elsewhere is what to do in place of commands of other devices, which begin with certain words.
type Elsewhere struct {
	Here   string // for people
	Begins []string
}

// Commands returns all of them.
func Commands() []Elsewhere { return commands }

// commands are those of Trinity and SmartWare first, then what administrators of other SBCs, of routers and of computers type by habit.
var commands = []Elsewhere{
	{"here it is `show sntp-client` or `show clock`", []string{"show ntp", "show time"}},
	{"here it is `show system`", []string{"show cpu-usage", "show cpu", "show memory", "show processes", "show temperature", "show environment", "show system info", "show system cpu-usage", "show system memory", "show system temperature", "show system uptime", "top", "ps"}},
	{"here it is `show log`", []string{"show logging", "show event-log", "show debug-log", "show syslog"}},
	{"here it is `show pki`", []string{"show profile tls", "show tls", "show certificate", "show certificates", "show crypto", "show pki:certificate", "show pki:private-key", "show pki:trusted-certificate"}},
	{"here it is in `show running-config`; `| begin TEXT` or `| include TEXT` behind it finds the place", []string{"show profile", "show service", "show hunt-group", "show authentication-service", "show location-service", "show context cs", "show mapping-table", "show complex-function", "show access-list", "show acl"}},
	{"here it is `show call-router NAME`, and `show call-router trace NAME called-e164 NUMBER` for one call", []string{"show routing-table"}},
	{"`nslookup NAME` asks the name servers, and `check all` asks each of them", []string{"show dns-client", "show dns", "show hosts"}},
	{"here it is `show context sip-gateway`", []string{"show sip-gateway", "show gateway", "show sip gateway"}},
	{"here it is `show sip registrations`", []string{"show identity", "show registration", "show registrations", "show voip register"}},
	{"here it is `show calls history`", []string{"show call-history", "show call history", "show cdr", "show voip calls history", "show call-control history"}},
	{"here it is `show calls detail 3`", []string{"show rtp", "show media", "show voip calls", "show voip"}},
	{"here it is `show sip penalty-box`", []string{"show voip proxy", "show proxy", "show penalty-box", "show options"}},
	{"here it is `show ip interface` or `show ip route`", []string{"show context ip", "show ip", "show network", "ifconfig", "ip addr show", "ip address show"}},
	{"here it is `show arp`", []string{"arp"}},
	{"`show context sip-gateway` lists where the box listens for SIP", []string{"netstat", "ss"}},
	{noPorts, []string{"show dsp", "show isdn", "show port fxs", "show port fxo", "show port isdn", "show port bri", "show port pri", "show port e1t1", "show port analog"}},
	{"here it is `show system images`; `show startup-config N` shows older configurations", []string{"show flash", "show flash:", "show images", "show image", "dir", "ls"}},
	{"here it is `show redundancy`", []string{"show high-availability", "show ha", "show vrrp"}},
	{"here it is `show audit`", []string{"show activity-log", "show history"}},
	{"here it is `show users`", []string{"show sessions", "show ssh", "show telnet"}},
	{"`debug sip`, `debug call` and others print into this session until `no debug all`", []string{"show debug", "show trace"}},
	{"here it is `debug sip`; for a call that is over `show calls ladder ID`", []string{"debug sip-gateway", "debug context", "debug gateway", "debug voip", "trace"}},
	{"here it is `debug call`", []string{"debug call-control", "debug cc"}},
	{"here it is `debug route`", []string{"debug call-router", "debug session-router"}},
	{"here it is `debug rtp`", []string{"debug media", "debug dsp", "debug voice"}},
	{"here it is `debug tls`", []string{"debug pki", "debug ssl"}},
	{"here it is `show log follow`", []string{"debug log"}},
	{"here it is `capture port ethernet 0 1`", []string{"tcpdump", "debug pcap"}},
	{"here it is `no debug all`", []string{"undebug"}},
	{"here it is `show call-router trace TABLE called-e164 NUMBER`", []string{"call-router"}},
	{"here it is `copy running-config startup-config`", []string{"write", "save"}},
	{"here it is `reload`, or `reload graceful`, which waits until calls have ended", []string{"reset", "reboot", "restart", "shutdown now"}},
	{"here it is `copy factory-config startup-config`, then `reload`", []string{"write factory", "write erase", "clear config", "clear configuration", "factory-reset"}},
	{"only a time server sets the clock: `sntp-client server primary HOST`", []string{"clock set", "date"}},
	{"here it is `traceroute HOST`", []string{"tracert", "tracepath"}},
	{"here it is `nslookup NAME`", []string{"dig", "host"}},
	{"here it is `system hostname NAME`", []string{"hostname"}},
	{"here it is `sntp-client server primary HOST`", []string{"ntp"}},
	{"here it is `syslog-client`, and below it `remote HOST`", []string{"logging", "syslog"}},
	{"here it is `dns-client server ADDRESS`", []string{"ip name-server"}},
	{"here it is `context ip ROUTER`, below it `routing-table DEFAULT`, and there `route 0.0.0.0/0 gateway ADDRESS`", []string{"ip route"}},
	{"here it is `snmp-server`, and below it `community NAME` and `trap-target HOST`", []string{"snmp-server community", "snmp-server host"}},
	{"nobody logs in to another machine from this box: `ping`, `traceroute` and `check all` try the way", []string{"telnet", "ssh", "curl", "wget"}},
	{"private keys leave the box within `export backup` alone, under a pass phrase", []string{"export pki:private-key"}},
}

// Command says what takes the place of a command of another device; "" if the line is none that is known. The longest beginning counts.
func Command(line string) string {
	var words []string
	for _, w := range cli.Words(line) {
		class, _, _ := strings.Cut(w.Text, "/") // pki:certificate/NAME
		words = append(words, class)
	}
	typed, longest, here := strings.Join(words, " ")+" ", 0, ""
	for _, c := range commands {
		for _, begin := range c.Begins {
			if len(begin) > longest && strings.HasPrefix(typed, begin+" ") {
				longest, here = len(begin), c.Here
			}
		}
	}
	return here
}
