package lang

import (
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/word"
)

// Line is an entry of the table.
type Line = cli.Line

var transport = "<transport:" + strings.Join(config.TransportNames, "|") + ">"

const (
	noDSP    = "taken, no effect: there is no DSP here"
	noEffect = "taken, no effect here"
	dest     = "(dest-table <dest.table>|dest-interface <dest.interface>|dest-service <dest.service>)"
	port     = ":1..65535>"
	digits   = ":digits>"
	incoming = "from-header|to-header|request-uri|p-asserted-identity-header"
	outgoing = "contact-header|from-header|to-header|request-uri"
)

// traits are the properties of a statement that the session must know.
type traits struct {
	accounts bool // it decides who can log in: only sessions that manage accounts may use it
	bindable bool // it creates an object that ports name in `bind interface`: see fixBindOrder
	atRoot   bool // blocks of its mode may stand at the root while there is only one such object
}

func traitsOf(s *cli.Stmt) traits {
	t, _ := s.Data.(traits)
	return t
}

// ignored is a statement of the original device that is accepted with a note and not stored.
func ignored(line, help, note string) Line {
	return Line{Line: line, Into: "-", Help: help, Note: note}
}

// statements are the lines of a configuration, in the order of show running-config.
var statements = []Line{
	{Line: "cli version <cliversion>", Into: "CLIVersion", Help: "Version of the command language that the file was written for"},
	{Line: "system hostname <hostname:host>", Into: "Hostname", Help: "Name of the box; default: the last six digits of the serial number"},
	{Line: "banner <banner:text>", Into: "Banner", Help: "Text shown before the login", Example: `banner "Authorised access only"`},
	{Line: "clock local zone <zone:zone>", Also: []string{"clock local default-offset <zone:zone>"}, Into: "Clock.Zone",
		Help: "Local time zone, for output and for time tables; logs and certificates use UTC", Example: "clock local zone Europe/Berlin"},
	{Line: "dns-client server <#server>", Into: "DNSServers", Help: "Use this name server; several are tried in order"},
	{Line: "sntp-client", Into: "SNTP.Enabled", Help: "Set the clock with NTP"},
	{Line: "sntp-client server <#role:" + strings.Join(config.SNTPRoles, "|") + "> <host:host> [port <port" + port + "] [version <version:1..4>]",
		Into: "SNTP.Servers", Help: "Use this time server; if servers disagree, the majority wins, or the primary if there is none"},
	{Line: "syslog-client", Into: "Syslog", Help: "Send the log to syslog servers", Prompt: "syslog", Lines: []Line{
		{Line: "remote <#host:host> [<port" + port + "] [<transport:udp|tcp|tls>]", Into: "Remotes", Help: "A server; default: over UDP to port 514; over TLS the port is 6514",
			Example: "remote logs.example.com tls",
			Words:   map[string]string{"udp": "Datagrams, which may get lost", "tcp": "A connection, readable on the way", "tls": "An encrypted connection, with the trust of a profile tls"}},
		{Line: "use profile tls <profile>", Into: "TLS", Help: "Which servers over TLS to trust, and the certificate that they get to see"},
		{Line: "format <format:rfc5424|rfc3164>", Into: "Format", Help: "Form of the messages",
			Words: map[string]string{"rfc5424": "The present form, with the id of the call as structured data", "rfc3164": "The old form, in the local time zone, for old servers"}},
		{Line: "severity <severity:error|warning|informational|debug>", Also: []string{"facility <_> severity <severity:error|warning|informational|debug>"},
			Into: "Severity", Help: "Send messages of this severity and above",
			Words: map[string]string{"error": "Errors only", "warning": "Errors and warnings", "informational": "All but debug messages", "debug": "All messages"}},
		{Line: "facility <facility:local0|local1|local2|local3|local4|local5|local6|local7>", Into: "Facility", Help: "Syslog facility of the messages"},
		{Line: "audit-facility <facility:authpriv|local0|local1|local2|local3|local4|local5|local6|local7>", Into: "AuditFacility", Help: "Facility of what `show audit` shows, which is sent whatever the severity",
			Words: map[string]string{"authpriv": "That of logins; the default"}},
	}},
	{Line: "metrics-server", Into: "Metrics", Help: "Let Prometheus read the metrics over HTTPS", Prompt: "metrics", Lines: metricsServer},
	{Line: "snmp-server", Into: "SNMP", Help: "Let management stations read the state of the box with SNMP, and send them traps", Prompt: "snmp", Lines: snmpServer},
	{Line: "hep-client", Into: "HEP", Help: "Copy the SIP messages of the box and reports on voice to a capture server (HEP3), such as Homer", Prompt: "hep", Lines: []Line{
		{Line: "remote <host:host> [<port" + port + "] [<transport:udp|tcp|tls>]", Into: "Remote", Help: "The server", Example: "remote homer.example.com 9060 tls",
			Words: map[string]string{"udp": "Datagrams, which may get lost", "tcp": "A connection, readable on the way", "tls": "An encrypted connection, with the trust of a profile tls"}},
		{Line: "use profile tls <profile>", Into: "TLS", Help: "Whether to trust a server over TLS, and the certificate that it gets to see"},
		{Line: "node <id:1..2147483647> [<name:name>]", Into: "Node", Help: "As what the server knows the box: a number, and a name, by default the host name", Example: "node 2001 sbc01"},
		{Line: "auth-key <key>", Into: "AuthKey", Help: "What the server knows the box by, if it wants to; the key is readable in the packets, unless they go over TLS"},
	}},
	{Line: "call-records", Into: "CallRecords", Help: "How long records of calls are kept, and where they are sent", Prompt: "records", Lines: []Line{
		{Line: "keep <days:1..3650>", Into: "Days", Help: "Days for which the box keeps records; with 7, the default, none is older than a week"},
		{Line: "syslog <facility:local0|local1|local2|local3|local4|local5|local6|local7> [masked]", Into: "Syslog",
			Help: "Send a line for each call to the servers of syslog-client, with this facility; masked leaves out the last three digits of numbers", Example: "syslog local1"},
		{Line: "post <url:https> [token <token>] [masked]", Into: "Post", Help: "Send the records as JSON, in batches, to a web server, which is given the token as Authorization: Bearer; masked leaves out the last three digits of numbers",
			Words: map[string]string{"token": "What the server knows the box by"}, Example: "post https://records.example.com/sbc token 4f1c2a9e"},
	}},
	{Line: "fleet", Into: "Fleet", Help: "Belong to a fleet: its hub gets alarms and the state of the box, lends it licenses, and lets operators in", Prompt: "fleet", Lines: fleetLines},
	{Line: "redundancy", Into: "Redundancy", Help: "Be one of a pair of boxes: one is active, the other takes over its calls when it dies", Prompt: "redundancy", Lines: redundancyLines},
	{Line: "webserver https [port <port:1..65535>]", Into: "Web.HTTPS", Help: "Serve the web page over HTTPS, to the networks that have access to SSH (console access), and the same for machines with tokens; default port: 443",
		Example: "webserver https port 8443"},
	{Line: "webserver use profile tls <profile>", Into: "Web.TLS", Help: "The certificate to show; without it, the box shows one of its own making, whose SHA-256 `show webserver` prints"},
	{Line: "webserver token <#name:name> account <account:name> <scope:read|configure> <token:token-hash> encrypted",
		Also: []string{"webserver token <#name:name> account <account:name> <scope:read|configure> <token:token>"},
		Into: "Web.Tokens", Complete: word.HashToken, Data: traits{accounts: true}, Example: "webserver token monitoring account watcher read 4uH7-tQx2_bNf9Rk0sWz",
		Help:  "Let a machine that sends this word (Authorization: Bearer) act as an account, over HTTPS; 20 characters at least",
		Words: map[string]string{"read": "It can read what the account can see", "configure": "It can also change the configuration, if the account can"}},
	ignored("webserver <_:rest>", "Web pages of the original device", "taken, no effect here: `webserver https` switches the web page on"),
	{Line: "password-encryption", Into: "PasswordEncryption", Help: "Print and store secrets in a form that only this box can read; a backup includes the key"},
	{Line: "console idle-timeout <seconds:0..86400>", Into: "Console.IdleTimeout", Help: "Log an idle session out after this time; 0: never"},
	{Line: "console telnet <port" + port, Into: "Console.Telnet", Help: "Accept logins over Telnet, which is not encrypted: passwords can be read on the network; off by default"},
	{Line: "console access <#network>", Into: "Console.Access", Builtin: "without a console access line, the networks on port ethernet 0 0 have access: add the networks that should have it instead", Help: "Allow SSH, Telnet and the web page from this network, on any port; without a line, only the networks on port ethernet 0 0 have access",
		Example: "console access 198.51.100.0/24"},
	{Line: "<class:superuser|administrator|operator> <#name:name> password <password:hash> encrypted [change]",
		Also: []string{"<class:superuser|administrator|operator> <#name:name> password <password:password> [change]"},
		Into: "Accounts", Help: "An account: an operator can view, an administrator can change the configuration, a superuser can also manage accounts; change demands a new password at the first login",
		Complete: word.HashPassword, Data: traits{accounts: true}, Example: `administrator anna password "good night"`},
	{Line: "public-key <#account:name> <#type:ssh-ed25519|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521|ssh-rsa> <#key:ssh-key> [<comment>]",
		Also: []string{"<_:superuser|administrator|operator> <#account:name> public-key <#type:ssh-ed25519|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521|ssh-rsa> <#key:ssh-key> [<comment>]"},
		Into: "PublicKeys", Data: traits{accounts: true}, Help: "Allow an account to log in over SSH with this key, written as in authorized_keys",
		Example: "public-key anna ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1hbnkgd29ya2VkIGFuZCBub25lIHdhcyB0aXJlZCEh anna@desk"},
	{Line: "license-authority <#name:name> <key:ed25519>", Into: "LicenseAuthorities", Help: "Accept license keys from this issuer, in addition to the built-in one"},
	{Line: "profile tls <#name:name>", Into: "TLS", Help: "Certificates and rules for TLS connections", Prompt: "pf-tls", Lines: tlsProfile},
	{Line: "profile acme <#name:name>", Into: "ACME", Help: "A certificate that the box obtains and renews by itself", Prompt: "pf-acme", Lines: acmeProfile},
	{Line: "profile voip <#name:name>", Into: "VoIP", Help: "Codecs, RTP and SRTP towards a peer", Prompt: "pf-voip", Lines: voipProfile},
	{Line: "profile acl <#name:name>", Into: "ACL", Help: "Packet filter: packets that match no rule are dropped, replies always pass", Prompt: "pf-acl", Lines: []Line{
		{Line: "rule [<#index:1..9999>] <action:permit|deny> <protocol:ip|tcp|udp|icmp> <source> <destination> [port <port-first" + port + " [<port-last" + port + "]]",
			Also: []string{"<action:permit|deny> <protocol:ip|tcp|udp|icmp> <source> <destination> [port <port-first" + port + " [<port-last" + port + "]]"},
			Into: "Rules", Help: "Permit or deny packets; the first matching rule decides", Example: "rule 10 permit tcp microsoft-teams any port 5062",
			Words: map[string]string{"ip": "Any protocol"}},
	}},
	{Line: "context ip <#name:name>", Into: "IP", Help: "IP interfaces, addresses and routes", Prompt: "ctx-ip", Lines: contextIP, Data: traits{bindable: true}},
	{Line: "context cs <#name:name>", Into: "CS", Help: "Call routing and SIP interfaces", Prompt: "ctx-cs", Lines: contextCS, Data: traits{atRoot: true}},
	{Line: "authentication-service <#name:name>", Into: "Auth", Help: "SIP accounts", Prompt: "svc-auth", Lines: []Line{
		{Line: "realm <realm>", Into: "Realm", Help: "Answer challenges from this realm only"},
		{Line: "username <#username> password <password>", Also: []string{"username <#username>"}, Into: "Users",
			Help: "An account; the password ends at the next blank"},
	}},
	{Line: "location-service <#name:name>", Into: "Location", Help: "SIP domains and their identities", Prompt: "svc-ls", Lines: locationService},
	{Line: "presence-service <#name:name>", Into: "Presence", Help: "Presence of Teams users: read from Microsoft Graph, told to the PBX, and the other way round", Prompt: "svc-presence", Lines: presenceService},
	{Line: "provisioning-service <#name:name>", Into: "Provisioning", Help: "Phones in the LAN fetch their settings here", Prompt: "svc-prov", Lines: provisioningService},
	{Line: "context sip-gateway <#name:name>", Into: "Gateways", Help: "SIP sockets: addresses, ports, TLS", Prompt: "ctx-sipgw", Lines: sipGateway},
	{Line: "port ethernet <#slot:0..0> <#port:0..7>", Into: "Ports", Help: "A network port: 0 0 is eth00 (LAN), 0 1 is eth01 (WAN)", Prompt: "prt-eth", Lines: []Line{
		{Line: "medium <speed:auto|10|100|1000|2500|10000> [<duplex:half|full>]", Into: "Medium", Help: "Speed in Mbit/s and duplex, if negotiation fails", Example: "medium 100 full"},
		ignored("encapsulation <_:rest>", "Encapsulation of the original device", "taken, no effect: it is always ip"),
		{Line: "bind interface <context> <interface>", Also: []string{"bind interface <interface> <context>"}, Into: "Bind",
			Help: "The IP interface on this port", Example: "bind interface ROUTER if_eth00"},
		{Line: "shutdown", Into: "!Enabled", Help: "Take the port down"},
		// Last: shutdown and bind behind it would be the VLAN's.
		{Line: "vlan <#id:1..4094>", Into: "VLANs", Help: "A VLAN with this tag", Prompt: "vlan", Lines: []Line{
			{Line: "bind interface <context> <interface>", Also: []string{"bind interface <interface> <context>"}, Into: "Bind",
				Help: "The IP interface on this VLAN", Example: "bind interface ROUTER if_voice"},
			{Line: "shutdown", Into: "!Enabled", Help: "Take the VLAN down"},
		}},
	}},
}

var redundancyLines = []Line{
	{Line: "virtual-router <router:1..255>", Into: "Router", Help: "The number of this pair in VRRP: no other VRRP router in these networks may have it", Example: "virtual-router 51"},
	{Line: "box <#number:1..2> key <key:pin>", Into: "Boxes", Help: "A box of the pair, by the line that `show redundancy key` prints there",
		Example: "box 1 key 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"},
	{Line: "advertise-interval <milliseconds:50..1000>", Into: "Advertise", Help: "How often the active box says that it lives; three times this without a word, and the other takes over"},
	{Line: "preempt", Into: "Preempt", Help: "Let box 1 become active whenever it can; without it, the active box stays active until it fails"},
	{Line: "shutdown", Into: "!Enabled", Help: "Stand alone: the box has the pair's addresses if it was active, and none if not"},
	{Line: "interface <#context> <#interface>", Into: "Interfaces", Help: "An IP interface of both boxes: its ipaddress belongs to the pair, and the active box has it",
		Prompt: "interface", Example: "interface ROUTER if_eth00", Lines: []Line{
			{Line: "box <#number:1..2> <prefix>", Into: "Boxes", Help: "The address that a box has here for itself, with its network", Example: "box 1 192.168.1.2/24"},
			{Line: "witness <witness>", Into: "Witness", Help: "A device in this network that answers pings: it tells who has the pair's address when the boxes lose each other. Without it, the gateway of a route through this interface",
				Example: "witness 192.168.1.100"},
			{Line: "direct", Into: "Direct", Help: "The path between the two boxes alone: calls and keys are copied here. The interface has no ipaddress of its own"},
		}},
}

var fleetLines = []Line{
	{Line: "name <name:member>", Into: "Name", Help: "What the hub knows the box by: small letters, digits and hyphens; another name needs its key file handed over again", Example: "name berlin"},
	{Line: "hub <#host:host> [<port" + port + "]", Into: "Hubs", Complete: completeHub, Help: "Where the hub is; a hub of three nodes has three lines. Default port: 443", Example: "hub hub.example.com"},
	{Line: "ca <ca:certificate>", Into: "CA", Help: "The issuer of the hub's certificate", Example: "ca pki:certificate/HUBCA"},
	{Line: "pin <pin:pin>", Into: "Pin", Help: "The SHA-256 of the public key in the hub's certificate, as `hub` prints it; with `ca`, both must fit",
		Example: "pin 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"},
	{Line: "http-proxy <host:host> <port:1..65535> [username <user:value> password <password>] [ca <ca:certificate>]", Into: "Proxy",
		Help: "Reach the hub through this proxy (CONNECT); ca is the certificate that it signs with, if it inspects TLS", Example: "http-proxy 10.108.2.9 3128"},
	{Line: "lease licenses", Into: "Leases", Help: "Ask the hub's pools for the licenses that calls need beyond those of the box"},
	{Line: "call-records [masked]", Into: "Records", Help: "Send the records of calls to the hub; masked leaves out the last three digits of numbers"},
	{Line: "remote-management ssh", Into: "SSH", Help: "Let operators of the hub connect to the command line; they still need an account here"},
	{Line: "remote-management https", Into: "HTTPS", Help: "Let operators of the hub connect to the web page; they still need an account here"},
	{Line: "remote-management idle-timeout <seconds:60..86400>", Into: "IdleTimeout", Help: "End a connection of an operator on which nothing has passed for this long"},
	{Line: "shutdown", Into: "!Enabled", Help: "Do not connect: leases that the box has hold for 30 days beyond their end"},
}

// completeHub refuses a fourth node: a hub has one or three.
func completeHub(owner, elem any) error {
	f, h := owner.(*config.Fleet), elem.(*config.HubNode)
	if len(f.Hubs) >= config.MaxHubs && !slices.ContainsFunc(f.Hubs, func(x *config.HubNode) bool { return x.Host == h.Host }) {
		return fmt.Errorf("a hub has %d nodes at most: remove a line `hub` first", config.MaxHubs)
	}
	return nil
}

var metricsServer = []Line{
	{Line: "use profile tls <tls>", Into: "TLS", Help: "The certificate to show; with `authentication incoming` in the profile, collectors need one from its trusted-certificate lines", Example: "use profile tls LAN"},
	{Line: "token <token>", Into: "Token", Help: "Collectors must send this word (Authorization: Bearer); 16 characters at least", Example: "token 9f2b6c1d-prometheus-reads"},
	{Line: "port <port" + port, Into: "Port", Help: "TCP port to listen on"},
	{Line: "access <#network>", Into: "Access", Builtin: "without an access line, the networks on port ethernet 0 0 have access: add the networks that should have it instead", Help: "Allow collectors from this network, on any port; without a line, only the networks on port ethernet 0 0 have access",
		Example: "access 192.168.1.30/32"},
}

var snmpServer = []Line{
	{Line: "community <community>", Into: "Community", Help: "Answer v2c to stations that know this word; it is not encrypted on the network", Example: "community n0c-Reads-it"},
	{Line: "user <#name:name> authentication <authentication> [privacy <privacy>]", Into: "Users", Help: "A user of v3, with HMAC-SHA-256 and AES-128; without a privacy password its messages are not encrypted",
		Example: "user noc authentication correct-horse privacy battery-staple"},
	{Line: "access <#network>", Into: "Access", Builtin: "without an access line, the networks on port ethernet 0 0 have access: add the networks that should have it instead", Help: "Allow SNMP from this network, on any port; without a line, only the networks on port ethernet 0 0 have access",
		Example: "access 192.168.1.20/32"},
	{Line: "port <port" + port, Into: "Port", Help: "UDP port to listen on"},
	{Line: "trap-target <#host:host> [port <port" + port + "] [user <user:name>]", Into: "Targets", Help: "Send traps to this station: of v3 with the keys of a user, else of v2c with the community",
		Example: "trap-target 192.168.1.20 user noc"},
	{Line: "contact <contact:text>", Into: "Contact", Help: "Who looks after the box (sysContact)"},
	{Line: "location <location:text>", Into: "Location", Help: "Where the box stands (sysLocation)"},
}

var tlsProfile = []Line{
	{Line: "protocol tls-v1.0", Into: "V10", Help: "TLS 1.0", Note: "taken, no effect: TLS 1.0 is never negotiated"},
	{Line: "protocol tls-v1.1", Into: "V11", Help: "TLS 1.1", Note: "taken, no effect: TLS 1.1 is never negotiated"},
	{Line: "protocol tls-v1.2", Into: "V12", Help: "TLS 1.2"},
	{Line: "protocol tls-v1.3", Into: "V13", Help: "TLS 1.3"},
	{Line: "compression", Into: "Compression", Help: "TLS compression of the original device", Note: "taken, no effect: TLS no longer has compression"},
	{Line: "authentication incoming", Into: "AuthIncoming", Help: "Require a certificate from peers that connect to us, and verify it"},
	{Line: "authentication outgoing", Into: "AuthOutgoing", Help: "Verify the certificate of peers that we connect to, and send ours"},
	{Line: "private-key <private-key:private-key>", Into: "PrivateKey", Help: "Our private key", Example: "private-key pki:private-key/myprivate.key"},
	{Line: "own-certificate [<#index:1..99>] <name:certificate>", Into: "Own", Help: "Our certificate: 1 is the leaf, the others are its chain",
		Example: "own-certificate 1 pki:certificate/MYCERTIFICATE"},
	{Line: "trusted-certificate <#trusted:certificate>", Also: []string{"trusted-certificate <_:number> <#trusted:certificate>"}, Into: "Trusted",
		Builtin: "without a trusted-certificate line, the built-in roots of Microsoft and DigiCert are trusted: add the certificates to trust instead", Help: "Trust certificates signed by this one; without a line, the built-in roots of Microsoft and DigiCert are trusted"},
	{Line: "diffie-hellman-parameters <dh-parameters:dh>", Into: "DHParameters", Help: "DH parameters of the original device", Note: "taken, no effect: only ECDHE suites are used"},
	{Line: "require certificate-type <type:server|any>", Into: "RequireType",
		Help: "Required usage of the peer's certificate, whatever its role: Microsoft's certificates are for servers only"},
}

var acmeProfile = []Line{
	{Line: "directory <directory:directory> [ca <directory-ca:certificate>]", Into: ".", Help: "The authority, by the URL of its ACME directory; ca is the certificate that the directory's web server is verified by, if no built-in root does",
		Example: "directory https://acme.example.com/directory ca pki:certificate/OURCA"},
	{Line: "contact <contact:mail>", Into: "Contact", Help: "Mail address that the authority may write to"},
	{Line: "name <#name:domain>", Into: "Names", Help: "A name that the certificate is for", Example: "name sbc.example.com"},
	{Line: "challenge <challenge:dns-persist|http|tls-alpn>", Into: "Challenge", Help: "How the authority sees that the name is ours",
		Words: map[string]string{"dns-persist": "A TXT record that you set once; `show acme` prints it", "http": "A page on port 80, which is open while an order runs", "tls-alpn": "A handshake on port 443, which is open while an order runs"}},
	{Line: "certificate <certificate:certificate>", Into: "Certificate", Help: "Name of the certificate in the key store; default: that of the profile", Example: "certificate pki:certificate/MYCERTIFICATE"},
	{Line: "private-key <private-key:private-key>", Into: "PrivateKey", Help: "Name of its private key in the key store; default: that of the profile", Example: "private-key pki:private-key/myprivate.key"},
	{Line: "external-account <key-id> <mac-key>", Into: "External", Help: "The account that the authority has given you, by its key ID and MAC key (external account binding)"},
	{Line: "proxy <proxy:proxy>", Into: "Proxy", Help: "HTTP proxy on the way to the directory"},
}

var voipProfile = []Line{
	{Line: "codec [<#index:1..99>] <name:" + strings.Join(config.CodecNames, "|") + "> [rx-length <rx-length:10..60>] [tx-length <tx-length:10..60>] [silence-suppression] [voice-update-frames]",
		Into: "Codecs", Builtin: "without a codec line, g711alaw64k and g711ulaw64k are offered: add the codecs to offer instead", Example: "codec 1 g711alaw64k rx-length 20 tx-length 20",
		Help: "Offer a codec; the lowest index is preferred. rx-length is the packet length (in ms) that we ask for, tx-length what we send to a peer that asks for nothing"},
	{Line: "dtmf-relay <relay:default|rtp|signaling>", Into: "DTMFRelay",
		Help:  "How digits are sent: default uses telephone-events (RFC 4733), or SIP INFO if the peer supports INFO but no events; rtp uses events only, signaling SIP INFO only",
		Words: map[string]string{"rtp": "As telephone-events", "signaling": "In SIP INFO", "default": "In the way that the peer supports"}},
	ignored("fax <_:rest>", "Fax settings of the original device", "taken, no effect: fax is passed through as voice"),
	{Line: "srtp transmission <srtp:forced|preferred|disabled>", Into: "SRTP", Help: "Encryption of media"},
	{Line: "srtp key-lifetime <exponent:10..48>", Into: "SRTPKeyLifetime", Help: "Use a key for 2^N packets; after three quarters of them, a re-INVITE negotiates a new one"},
	{Line: "media-processing forced", Into: "MediaProcessing", Help: "Media processing of the original device", Note: noDSP,
		Words: map[string]string{"forced": "Always"}},
	{Line: "rtp rtcp-multiplexing", Into: "RTCPMultiplexing", Help: "RTP and RTCP on one port (RFC 5761)"},
	{Line: "rtp dscp <value:0..63>", Into: "DSCP", Help: "DSCP value of the media packets that we send; 46 is EF"},
}

var contextIP = []Line{
	{Line: "interface <#name:name>", Into: "Interfaces", Help: "An IP interface, to be bound to a port", Prompt: "if-ip", Data: traits{bindable: true}, Lines: []Line{
		{Line: "ipaddress <#name> (dhcp|<prefix>)", Also: []string{"ipaddress (dhcp|<prefix>)"}, Into: "Addresses",
			Help:    "An address with its prefix length, or an address from DHCP, along with a default route and name servers unless these are configured",
			Example: "ipaddress if_eth00 192.168.1.1/24"},
		{Line: "tcp adjust-mss rx <mode:=mtu>", Into: "AdjustMSSRx", Help: "Clamp the segment size of incoming TCP connections"},
		{Line: "tcp adjust-mss tx <mode:=mtu>", Into: "AdjustMSSTx", Help: "Clamp the segment size of outgoing TCP connections"},
		{Line: "mtu <octets:576..9000>", Into: "MTU", Help: "Largest packet, in octets; default: 1500"},
		{Line: "use routing-table <table>", Into: "Table", Help: "Routes for packets from an address of this interface, for example with two uplinks"},
		{Line: "use profile acl in <acl>", Also: []string{"use profile acl <acl> in"}, Into: "ACLIn", Help: "Filter for incoming packets"},
		{Line: "use profile acl out <acl>", Also: []string{"use profile acl <acl> out"}, Into: "ACLOut", Help: "Filter for outgoing packets"},
		{Line: "media-ports <media-port-first:1024..65534> <media-port-last:1025..65535>", Into: ".", Help: "UDP ports for RTP and RTCP"},
	}},
	{Line: "routing-table <#name:name>", Into: "Tables", Help: "Routes", Prompt: "rt-tab", Lines: []Line{
		{Line: "route <#prefix> gateway <#gateway> [metric <metric:0..1000000>]", Into: "Routes", Help: "A route; 0.0.0.0/0 is the default route",
			Example: "route 0.0.0.0/0 gateway 192.0.2.1 metric 0"},
	}},
}

var contextCS = []Line{
	{Line: "national-prefix <prefix" + digits, Into: "NationalPrefix", Help: "Prefix of national numbers", Example: "national-prefix 0"},
	{Line: "international-prefix <prefix" + digits, Into: "InternationalPrefix", Help: "Prefix of international numbers", Example: "international-prefix 00"},
	{Line: "country-code <code:country>", Into: "CountryCode", Help: "Our country, without +", Example: "country-code 49"},
	{Line: "emergency-number <#number" + digits, Into: "Emergency", Help: "An emergency number: its calls try every destination and are never rejected because of licenses, load or health",
		Example: "emergency-number 112"},
	ignored("digit-collection <_:rest>", "Digit collection of the original device", "taken, no effect: SIP numbers are complete"),
	{Line: "mapping-table <in> to <out> <#name:name>", Into: "MappingTables", Help: "Map one property of a call to another", Prompt: "rt-tab",
		Complete: completeMappingTable, Lines: []Line{
			{Line: "map (default|<#key>) to <to:text>", Into: "Maps", Complete: completeMapping,
				Help: `The value of the best matching key replaces the whole property; \0 to \9 stand for the groups of the key`, Example: `map (00)?49(...)?$ to \2`,
				Words: map[string]string{"default": "If no key matches"}},
		}},
	{Line: "complex-function <#name:name>", Into: "Functions", Help: "A sequence of tables", Prompt: "cmplx-func", Lines: []Line{
		{Line: "execute [<#index:1..999>] <run>", Into: "Steps", Help: "Run a table or a complex function"},
	}},
	{Line: "routing-table <key:" + word.TableKeys + "> <#name:name>", Into: "RoutingTables", Help: "Route calls by one of their properties", Prompt: "rt-tab",
		Complete: completeRoutingTable, Lines: []Line{
			{Line: "route (default|<#key>) " + dest + " [<function>]", Into: "Routes", Complete: completeRoute, Help: "The destination of calls whose property matches this key best",
				Example: "route default dest-interface if_sip_starface cf_teams2starface",
				Words:   map[string]string{"default": "If no key matches"}},
		}},
	{Line: "interface sip <#name:name>", Into: "Interfaces", Help: "A SIP peer and its settings", Prompt: "if-sip", Complete: completeInterface, Lines: sipInterface},
	{Line: "service hunt-group <#name:name>", Into: "HuntGroups", Help: "Destinations to try one after the other", Prompt: "svc-hunt", Lines: []Line{
		{Line: "cyclic", Into: "Cyclic", Help: "Start each call with the next destination"},
		{Line: "timeout <seconds:1..300>", Into: "Timeout", Help: "Try the next destination if there is no response at all, not even 100"},
		{Line: "drop-cause <#cause>", Into: "DropCauses", Help: "Try the next destination after a rejection with this cause; with `no`, give up instead. Timeouts and unreachable destinations always go on. Default causes: " +
			strings.Join(word.Strings(config.DefaultDropCauses...), ", "), Example: "no drop-cause temporary-failure"},
		{Line: "route call [<#index:1..999>] " + dest, Into: "Routes", Help: "A destination"},
	}},
	{Line: "service sip-location-service <#name:name>", Into: "PhoneServices", Help: "The phones that have registered as the called identity", Prompt: "svc-phones", Lines: []Line{
		{Line: "bind location-service <location>", Into: "Location", Help: "The location service whose identities can be called", Example: "bind location-service LS_PHONES"},
		{Line: "fork <fork:parallel|sequential>", Into: "Fork", Help: "The order in which the phones of an identity ring",
			Words: map[string]string{"parallel": "All at once; the default", "sequential": "One after the other, the one that registered last first"}},
		{Line: "timeout <seconds:1..300>", Into: "Timeout", Help: "Let each phone ring for so long with `fork sequential`"},
	}},
	{Line: "survival <#name:name>", Into: "Survivals", Help: "Other ways for calls while a peer is gone", Prompt: "survival", Lines: []Line{
		{Line: "watch interface <watch>", Into: "Watch", Help: "The peer that may be gone: it answers no OPTIONS of penalty-box, or has lost all registrations", Example: "watch interface if_sip_pbx"},
		{Line: "lost-after <seconds:5..600>", Into: "After", Help: "Use the other ways once the peer has been gone for so long"},
		{Line: "back-after <seconds:5..3600>", Into: "Back", Help: "Use the usual ways again once the peer has been well for so long; calls in progress stay as they are"},
		{Line: "route from <#from> " + dest, Into: "Routes", Help: "Where new calls of this interface go while the peer is gone, instead of its `route call`", Example: "route from if_sip_teams dest-service PHONES"},
	}},
	{Line: "shutdown", Into: "!Enabled", Help: "Do not route calls, and do not answer OPTIONS of Microsoft Teams. Calls in progress continue; `drain context cs` gives peers time before"},
}

var sipInterface = []Line{
	{Line: "bind context sip-gateway <gateway>", Into: "Gateway", Help: "The gateway whose sockets this interface uses"},
	{Line: "route call (dest-table <table>|dest-interface <interface>|dest-service <service>)", Into: "Route", Help: "The destination of calls from this peer"},
	{Line: "remote <host:host> [<port" + port + "]", Into: "Remote", Help: "The peer; without a port, its SRV records or the default port"},
	{Line: "use location-service <phones>", Into: "Phones", Help: "The peers are the phones that register as identities of this location service; such an interface has no remote, and phones come from its `trust` networks only",
		Example: "use location-service LS_PHONES"},
	{Line: "local <host:host> [<port" + port + "]", Into: "Local", Help: "Our name towards this peer: the host in From and P-Asserted-Identity"},
	{Line: "hold-method direction-attribute <method:inactive|sendonly|none>", Into: "HoldMethod", Help: "How to signal hold; we understand every form"},
	{Line: "early-connect", Into: "EarlyConnect", Help: "Answer as soon as audio arrives"},
	{Line: "early-disconnect", Into: "EarlyDisconnect", Help: "Hang up immediately when the other side hangs up"},
	{Line: "ringback local", Into: "LocalRingback",
		Help: "Play a ringing tone to callers from this peer until audio arrives, if the peer does not generate one; these calls use G.711"},
	{Line: "geolocation pass", Into: "PassLocation",
		Help: "Pass the location of callers to this peer (Geolocation and PIDF-LO, as Teams sends them with emergency calls)"},
	{Line: "call-transfer accept", Into: "TransferAccept", Help: "Act on REFER: call the target on behalf of the peer; without this line, Allow does not list REFER"},
	{Line: "call-transfer emit", Into: "TransferEmit", Help: "If a call goes back to the peer that it came from, hand it back with REFER, if the peer's Allow lists REFER"},
	{Line: "call-reroute accept", Into: "RerouteAccept", Help: "Follow 3xx responses of phones (use location-service): the call goes to the number of their Contact, by the tables of this interface"},
	{Line: "call-reroute emit", Into: "RerouteEmit", Help: "Send 3xx responses"},
	{Line: "privacy", Into: "Privacy", Help: "Privacy and P-Asserted-Identity (RFC 3323, 3325)"},
	{Line: "address-complete-indication accept <value:=set>", Into: "AddressComplete", Help: "The number of a call is complete"},
	{Line: "address-translation incoming-call <#property:" + word.TableKeys + "> <header:" + incoming + ">", Into: "Incoming", Help: "The header from which a property is taken"},
	{Line: "address-translation outgoing-call <#header:" + outgoing + "> <#part:user-part|host-part> (fix <fix:value>|<property:" + word.TableKeys + ">)",
		Into: "Outgoing", Help: "The property or text for a part of a header", Example: "address-translation outgoing-call from-header user-part calling-e164"},
	{Line: "use profile voip <profile>", Into: "VoIP", Help: "Media settings of this peer"},
	ignored("use profile sip <_:profile>", "SIP profile of the original device", noEffect),
	ignored("use profile tone-set <_:profile>", "Tones of the original device", noEffect),
	{Line: "use mapping-table in <table>", Into: "MappingIn", Help: "Apply this table to calls from this peer"},
	{Line: "use mapping-table out <table>", Into: "MappingOut", Help: "Apply this table to calls to this peer"},
	{Line: "use presence-service <presence>", Into: "Presence", Help: "Tell this peer how Teams users are, if it subscribes (RFC 6665), and take from it how users of the PBX are, if it publishes (RFC 3903)"},
	{Line: "srtp renegotiate-on-connect", Into: "SRTPRenegotiate", Help: "Negotiate a new SRTP key with a re-INVITE once a call is connected"},
	{Line: "penalty-box sip-option-trigger interval <interval:5..3600> timeout <timeout:1..3600> [force tls]", Into: "PenaltyBox",
		Help: "Probe the peer with OPTIONS; skip it while it does not respond", Example: "penalty-box sip-option-trigger interval 60 timeout 60 force tls",
		Words: map[string]string{"force": "Over this transport"}},
	{Line: "session-timer <seconds:90..86400>", Into: "SessionTimer", Help: "Refresh calls, and end them if the peer is gone (RFC 4028)"},
	{Line: "trust <#source>", Into: "Trust", Help: "Accept requests from this source", Example: "trust microsoft-teams"},
	{Line: "media trust <#network>", Into: "MediaTrust",
		Help:    "Exchange media with addresses in this network; without a line, with all addresses on the peer's side of the network, and with Microsoft's if `trust microsoft-teams` is set",
		Example: "media trust 10.1.0.0/16"},
	ignored("aoc-d <_:rest>", "Advice of charge of the original device", noEffect),
	ignored("update accept <_:rest>", "UPDATE handling of the original device", noEffect),
	ignored("new-session-after-redirect", "Redirect handling of the original device", noEffect),
}

var locationService = []Line{
	{Line: "domain [<#index:1..99>] <host:host> [<port" + port + "]", Into: "Domains", Help: "A domain; the first one is used in addresses and is the default registrar"},
	{Line: "match-any-domain", Into: "MatchAny", Help: "Match requests for any domain"},
	{Line: "identity-group <#name:name>", Into: "Groups", Help: "Settings that identities inherit; DEFAULT applies to identities that are not configured", Prompt: "identity-group", Lines: identitySettings},
	{Line: "identity <#name:name> [inherits <inherits>]", Into: "Identities", Help: "A user", Prompt: "identity",
		Lines: append([]Line{
			{Line: "alias name <#alias>", Into: "Aliases", Help: "Another name of this identity in requests", Words: map[string]string{"name": "A user name"}},
			{Line: "display-name <display-name:shown>", Into: "DisplayName", Help: "The name that calls of its phones show; by default, the one that the phone sends", Example: `display-name "Anna Meier"`},
			{Line: "caller-id <caller-id:caller>", Into: "CallerID", Help: "The calling number of its phones, whatever they send; default: the name of the identity", Example: "caller-id +4972115104221"},
		}, identitySettings...)},
}

// identitySettings are the lines of an identity and of an identity group.
var identitySettings = []Line{
	{Line: "user phone", Into: "UserPhone", Help: "Add user=phone to addresses"},
	{Line: "presence subscribe dialog", Into: "SubscribeDialog", Help: "Ask the registrar which calls this identity has (RFC 4235), for `report calls` of a presence-service"},
	{Line: "authentication outbound", Into: "AuthOutbound", Help: "How to answer challenges", Prompt: "authout", Lines: []Line{
		{Line: "authenticate [<#index:1..99>] authentication-service <service> [username <username>]", Into: "Services",
			Help: "Use an account of this service; default username: the name of the identity"},
	}},
	{Line: "notify message-waiting", Into: "MessageWaiting", Help: "Tell its phones of waiting messages, as the registrar of the identity says (RFC 3842)"},
	{Line: "authentication inbound", Into: "AuthInbound", Help: "How to challenge requests", Prompt: "authin", Lines: []Line{
		{Line: "authenticate none", Into: "None", Help: "Do not challenge: trust lines are enough"},
		{Line: "authenticate [<#index:1..99>] authentication-service <service> [username <username>]", Into: "Services",
			Help: "Its phones must show an account of this service; default username: the name of the identity"},
		{Line: "digest sha-256", Into: "SHA256", Help: "Challenge for SHA-256, and for MD5 behind it (RFC 8760): phones that do not know it may not register at all. Default: MD5 alone"},
	}},
	{Line: "registration inbound", Into: "Inbound", Help: "Phones may register as this identity", Prompt: "regin", Lines: []Line{
		{Line: "lifetime [default <default:30..86400>] [min <min:30..86400>] [max <max:30..86400>]", Also: []string{"lifetime <default:30..86400>"}, Into: ".", Help: "How long registrations last, in seconds",
			Words:   map[string]string{"default": "If the phone asks for nothing", "min": "Phones that ask for less are told to ask for this (423)", "max": "Phones that ask for more get this"},
			Example: "lifetime default 300 min 60 max 3600"},
		{Line: "max-contacts <max-contacts:1..16> [refuse]", Into: ".", Help: "How many phones can be registered at once; one more displaces the one that was here longest",
			Words: map[string]string{"refuse": "One more is refused instead"}, Example: "max-contacts 2 refuse"},
	}},
	{Line: "registration outbound", Into: "Registration", Help: "Register with a registrar", Prompt: "regout", Lines: []Line{
		{Line: "registrar <host:host> [<port" + port + "]", Into: "Registrar", Help: "The registrar; default: the first domain"},
		{Line: "lifetime <seconds:30..86400>", Into: "Lifetime", Help: "Request registrations of this length"},
		{Line: "retry-timeout on-client-error <seconds:1..86400>", Into: "RetryClientError", Help: "Wait this long after a 4xx response. After 401, 403 and 407, further waits are 6, 30, 60 and 90 times as long, up to 15 minutes, because a PBX bans clients that keep trying; after other responses the wait doubles, up to 2 minutes"},
		{Line: "retry-timeout on-server-error <seconds:1..86400>", Into: "RetryServerError", Help: "Wait this long after a 5xx response"},
		{Line: "retry-timeout on-system-error <seconds:1..86400>", Into: "RetrySystemError", Help: "Wait this long if there is no response; a registrar that cannot be reached at all is first tried again sooner"},
		{Line: "register (auto|none)", Into: ".", Help: "Register automatically, or not at all"},
	}},
	{Line: "call outbound", Into: "CallOutbound", Help: "Outgoing calls", Prompt: "callout", Lines: []Line{
		{Line: "transport-protocol force " + transport, Also: []string{"preferred-transport-protocol " + transport},
			Into: "ForceTransport", Help: "Use only this transport", Words: map[string]string{"force": "Use no other", "preferred-transport-protocol": "The same, as in older files"}},
	}},
	{Line: "call inbound", Into: "CallInbound", Help: "Incoming calls", Prompt: "callin"},
}

var presenceService = []Line{
	{Line: "tenant <tenant:tenant>", Into: "Tenant", Help: "The tenant of Microsoft 365, by its ID or one of its domains", Example: "tenant contoso.onmicrosoft.com"},
	{Line: "application <application:guid>", Into: "Application", Help: "The application in Microsoft Entra as which the box signs in, by its ID (client ID)",
		Example: "application 11111111-2222-3333-4444-555555555555"},
	{Line: "certificate <certificate:certificate>", Into: "Certificate", Help: "Sign in with this certificate and the private key of the same name; `generate presence-certificate` makes both", Example: "certificate pki:certificate/TEAMS"},
	{Line: "secret <value> [ends <ends:day>]", Into: "Secret", Help: "Sign in with this secret of the application, if there is no certificate; with its last day, an alarm is raised before",
		Words: map[string]string{"ends": "The day on which the secret expires, as Entra shows it"}, Example: "secret wK48Q~l3xgtFbTqZ9 ends 2027-06-30"},
	{Line: "cloud <cloud>", Into: "Cloud", Help: "The cloud that the tenant is in"},
	{Line: "http-proxy <host:host> <port:1..65535> [username <user:value> password <password>] [ca <ca:certificate>]", Into: "Proxy",
		Help:    "Reach Microsoft through this proxy (CONNECT); ca is the certificate that it signs with, if it inspects TLS",
		Example: "http-proxy 10.108.2.9 3128"},
	{Line: "poll-interval <seconds:5..300>", Into: "PollInterval", Help: "Read the presence of the users this often; a state that is older than three times this is unknown"},
	{Line: "users <scope:listed|all>", Into: "Scope", Help: "Which users of the tenant to look at",
		Words: map[string]string{"listed": "Those of `user` lines", "all": "All that belong to an identity, except those of `exclude` lines"}},
	{Line: "match <match>", Into: "Match", Help: "How the identity of a user is found, unless its `user` line has it"},
	{Line: "map-status <#state> (none|[refuse <refuse:486|480|603>] [publish] [starface-dnd])", Into: "Map", Builtin: "a state without a line is as by default: for nothing to follow, use `map-status STATE none`", Complete: completePresenceMap,
		Help: "What follows from a state of a Teams user. By default, do-not-disturb and presenting refuse calls with 486 and are published, in-a-call and in-a-conference are published",
		Words: map[string]string{"none": "Nothing", "refuse": "Refuse calls from the PBX to the user with this code: other phones go on ringing", "publish": "Show the user as busy on the keys of other phones",
			"starface-dnd": "Set do not disturb at the STARFACE, for all phones of the user", "486": "Busy Here", "480": "Temporarily Unavailable", "603": "Decline"},
		Example: "map-status in-a-call refuse 486 publish"},
	{Line: "user <#name:user> [identity <identity:identity>] [extension <extension:name>]", Into: "Users", Help: "A user of the tenant, with the identity that it has here and its extension at the PBX",
		Words:   map[string]string{"identity": "Its identity in a location-service; without it, `match` finds it", "extension": "Its extension at the PBX; default: the name of the identity"},
		Example: "user anna@contoso.com identity user.01 extension 21"},
	{Line: "exclude <#user:user>", Into: "Exclude", Help: "Leave this user alone, with `users all`", Example: "exclude boss@contoso.com"},
	{Line: "report calls", Into: "ReportCalls", Help: "Show users as in a call in Teams while they have a call at the PBX"},
	{Line: "report calls preferred", Into: "Preferred", Help: "Do so with the status that users set themselves, which is restored afterwards: it hides any other status meanwhile"},
	{Line: "publish interface <publish-to> [event <publish-event:asterisk-devicestate|dialog|presence>] [resource <publish-resource:name>]", Into: ".",
		Help: "Send what is published to the peer of this interface (PUBLISH, RFC 3903)",
		Words: map[string]string{"event": "The event of these messages", "asterisk-devicestate": "The state of devices, for the hints of an Asterisk; the default", "dialog": "Calls in progress (RFC 4235)",
			"presence": "Presence (RFC 3856)", "resource": "The name of Asterisk's inbound-publication; default: viaduct"},
		Example: "publish interface if_sip_pbx event asterisk-devicestate resource viaduct"},
	{Line: "starface <url:https> username <user:value> password <password> [ca <ca:certificate>]", Into: "Starface",
		Help: "The REST interface of the STARFACE, for starface-dnd, and an account of an administrator there; ca is the certificate that its own is verified by", Example: "starface https://10.108.2.100 username presence password hush"},
	{Line: "shutdown", Into: "!Enabled", Help: "Do not sign in: all states are unknown, and no call is refused"},
}

var provisioningService = []Line{
	{Line: "bind ipaddress <context> <interface> <address>", Into: "Bind", Help: "The address at which phones ask, by its name in a context ip; nothing listens at any other", Example: "bind ipaddress ROUTER if_eth00 if_eth00"},
	{Line: "protocol http [<port" + port + "]", Into: "HTTP", Help: "Serve the settings over HTTP; default port: 8080"},
	{Line: "protocol tftp", Into: "TFTP", Help: "Serve the settings over TFTP too, for old phones"},
	{Line: "protocol sip-pnp", Into: "PnP", Help: "Answer phones that ask the whole network where their settings are (SUBSCRIBE for ua-profile by multicast)"},
	{Line: "use location-service <location>", Into: "Location", Help: "The location service whose identities the phones are", Example: "use location-service LS_PHONES"},
	{Line: "server <host:host> [<port" + port + "]", Into: "Server", Help: "Where the phones register; by default here, at the address of `bind`"},
	{Line: "backup-server <host:host> [<port" + port + "]", Into: "Backup", Help: "Where they also register, or go when the first server is gone"},
	{Line: "transport <transport:udp|tls>", Into: "Transport", Help: "How the phones register",
		Words: map[string]string{"udp": "Over UDP, readable in the LAN; the default", "tls": "Over TLS; the phones get the root of the internal CA to trust"}},
	{Line: "administrator-password <administrator>", Into: "Administrator", Help: "The password of the phones' own pages; without a line, that of the maker stays"},
	{Line: "language <language:en|de>", Into: "Language", Help: "Language of the phones", Words: map[string]string{"en": "English", "de": "German"}},
	{Line: "phone <#mac> model <model:model> identity <#identity:identity> [address <address>] [label <label:shown>]", Into: "Phones",
		Help: "A phone: its hardware address, its model and the identity that it registers as; several lines are several accounts of the phone, or the handsets of a DECT base. It gets its settings in a window (`provisioning open`), and then at the same address",
		Words: map[string]string{"model": "Maker and model, such as yealink-t46s, snom-d735 or gigaset-n670", "address": "It gets its settings from this address only, and without a window",
			"label": "What its display shows; default: the name that its identity shows"},
		Example: `phone 00:15:65:aa:bb:cc model yealink-t46s identity 21 label "Anna"`},
	{Line: "upstream <#host:host>", Into: "Upstreams", Help: "Fetch http://BOX/HOST/... from https://HOST/..., for phones that cannot verify that server; what passes can be read in the LAN",
		Example: "upstream prov.cloudpbx.example"},
	{Line: "shutdown", Into: "!Enabled", Help: "Serve nothing"},
}

var sipGateway = []Line{
	{Line: "use profile tls <profile>", Into: "TLS", Help: "Certificates and rules for TLS connections"},
	{Line: "bind location-service <#service>", Into: "Location", Help: "A location service of this gateway; there can be several"},
	{Line: "interface <#name:name>", Into: "Interfaces", Help: "An address to listen on", Prompt: "if-gw", Lines: []Line{
		{Line: "transport-protocol udp+tcp <port" + port, Into: "UDPTCP", Help: "Listen for UDP and TCP"},
		{Line: "transport-protocol tls <port" + port, Into: "TLS", Help: "Listen for TLS"},
		{Line: "bind ipaddress <context> <interface> <address>", Into: "Bind", Help: "The address, by its name in a context ip",
			Example: "bind ipaddress ROUTER if_eth01 if_eth01"},
		{Line: "spoofed contact-header manual <host:host> [port <port" + port + "]", Into: "SpoofedContact", Help: "Name in Contact; Microsoft requires the name in our certificate"},
		{Line: "spoofed via-header manual <host:host> [port <port" + port + "]", Into: "SpoofedVia", Help: "Name in Via"},
		{Line: "spoofed media-address <address:ipv4>", Into: "SpoofedMedia", Help: "Address in SDP, behind port forwarding"},
	}},
	{Line: "answer-untrusted-hosts", Into: "AnswerUntrusted", Help: "Reject untrusted requests with 403; without this line they get no response"},
	{Line: "connection-reuse", Into: "ConnectionReuse", Help: "Reuse open connections for further requests"},
	{Line: "notify check-sync accept", Into: "NotifyCheckSync", Help: "Act on NOTIFY check-sync"},
	{Line: "calls-per-second <calls:1..10000>", Into: "CallsPerSecond", Help: "Reject calls beyond this rate; default: no limit"},
	{Line: "calls-per-second-per-source <calls:1..10000>", Into: "CallsPerSource", Help: "New calls per second from one address; the rest get 503. Default: half the licensed sessions, at least 20. Emergency calls are counted separately"},
	{Line: "unanswered-calls-per-source <calls:1..10000>", Into: "UnansweredPerSource", Help: "Unanswered calls from one address at the same time; the rest get 503. Default: the licensed sessions, at least 500"},
	{Line: "requests-per-second-per-source <requests:10..100000>", Into: "RequestsPerSource", Help: "Other requests per second from one address, outside calls; the rest get 503, and beyond four times the rate, or eight messages for each call that it may begin, messages are not read"},
	{Line: "max-connections <count:1..65535>", Into: "MaxConnections", Help: "Maximum number of connections"},
	{Line: "max-connections-per-source <count:1..65535>", Into: "MaxConnsPerSource", Help: "Maximum number of connections from one address"},
	{Line: "shutdown", Into: "!Enabled", Help: "Close the sockets"},
}
