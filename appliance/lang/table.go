package lang

import (
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/word"
)

// Line is an entry of the table.
type Line = cli.Line

const (
	noDSP     = "taken, no effect: there is no DSP here"
	noEffect  = "taken, no effect here"
	dest      = "(dest-table <dest.table>|dest-interface <dest.interface>|dest-service <dest.service>)"
	port      = ":1..65535>"
	digits    = ":digits>"
	incoming  = "from-header|to-header|request-uri|p-asserted-identity-header"
	outgoing  = "contact-header|from-header|to-header|request-uri"
	tableKeys = "called-e164|calling-e164|called-uri|calling-uri|called-name|calling-name|called-ip|calling-ip|calling-pi|calling-si|time|date|day-of-week"
)

// traits are what sets a statement apart.
type traits struct {
	accounts bool // it says who gets in: for those only who manage accounts
	bindable bool // it makes something that ports name in `bind interface`: see fixBindOrder
	atRoot   bool // blocks of its mode may stand at the root while only one object can be meant
}

func traitsOf(s *cli.Stmt) traits {
	t, _ := s.Data.(traits)
	return t
}

// statements are all lines of a configuration, in the order in which show running-config prints them.
var statements = []Line{
	{Line: "cli version <cliversion>", Into: "CLIVersion", Help: "Version of the command language that the file was written for"},
	{Line: "system hostname <hostname:host>", Into: "Hostname", Help: "Name of the box; without it the last six digits of the serial number"},
	{Line: "banner <banner:text>", Into: "Banner", Help: "Text before the login", Example: `banner "Authorised access only"`},
	{Line: "clock local zone <zone:zone>", Also: []string{"clock local default-offset <zone:zone>"}, Into: "Clock.Zone",
		Help: "Local time, for printing and for tables of times; logs and certificates are in UTC", Example: "clock local zone Europe/Berlin"},
	{Line: "dns-client server <#server>", Into: "DNSServers", Help: "Ask this name server; several are asked in turn"},
	{Line: "sntp-client", Into: "SNTP.Enabled", Help: "Set the clock from the network"},
	{Line: "sntp-client server <#role:" + strings.Join(config.SNTPRoles, "|") + "> <host:host> [port <port" + port + "] [version <version:1..4>]",
		Into: "SNTP.Servers", Help: "Ask this time server; when they disagree the majority is believed, and without one the primary"},
	{Line: "syslog-client", Into: "Syslog", Help: "Send the log to servers of the network", Prompt: "syslog", Lines: []Line{
		{Line: "remote <#host:host> [<port" + port + "]", Into: "Remotes", Help: "A server that takes RFC 5424 over UDP", Example: "remote 192.168.1.20"},
		{Line: "severity <severity:error|warning|informational|debug>", Also: []string{"facility <_> severity <severity:error|warning|informational|debug>"},
			Into: "Severity", Help: "The least severity that is sent"},
		{Line: "facility <facility:local0|local1|local2|local3|local4|local5|local6|local7>", Into: "Facility", Help: "Facility of the messages"},
	}},
	{Line: "webserver <_:rest>", Into: "-", Help: "Web pages of the original", Note: noEffect},
	{Line: "password-encryption", Into: "PasswordEncryption", Help: "Print and store secrets in a form that this box alone can read; a backup takes the key along"},
	{Line: "console idle-timeout <seconds:0..86400>", Into: "Console.IdleTimeout", Help: "Log a session out after this time without a key; 0 is never"},
	{Line: "console telnet <port" + port, Into: "Console.Telnet", Help: "Take logins over Telnet, which anybody on the way can read, passwords included; without it there is no Telnet"},
	{Line: "console access <#network>", Into: "Console.Access", Builtin: "without a console access line it is the networks at port ethernet 0 0: name those that may instead", Help: "A network that may reach SSH and Telnet, whatever port it comes in by; without any, the networks at port ethernet 0 0 may",
		Example: "console access 198.51.100.0/24"},
	{Line: "<class:superuser|administrator|operator> <#name:name> password <password:hash> encrypted [change]",
		Also: []string{"<class:superuser|administrator|operator> <#name:name> password <password:password> [change]"},
		Into: "Accounts", Help: "Let somebody log in: an operator looks, an administrator changes, a superuser also manages accounts; change asks for a new password at the first login",
		Complete: word.HashPassword, Data: traits{accounts: true}, Example: `administrator anna password "good night"`},
	{Line: "public-key <#account:name> <#type:ssh-ed25519|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521|ssh-rsa> <#key:ssh-key> [<comment>]",
		Also: []string{"<_:superuser|administrator|operator> <#account:name> public-key <#type:ssh-ed25519|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521|ssh-rsa> <#key:ssh-key> [<comment>]"},
		Into: "PublicKeys", Data: traits{accounts: true}, Help: "Let an account log in over SSH with this key, as it stands in authorized_keys",
		Example: "public-key anna ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1hbnkgd29ya2VkIGFuZCBub25lIHdhcyB0aXJlZCEh anna@desk"},
	{Line: "license-authority <#name:name> <key:ed25519>", Into: "LicenseAuthorities", Help: "Accept license keys of this issuer, besides the built-in one"},
	{Line: "profile tls <#name:name>", Into: "TLS", Help: "Identity and rules of TLS connections", Prompt: "pf-tls", Lines: tlsProfile},
	{Line: "profile voip <#name:name>", Into: "VoIP", Help: "Codecs, RTP and SRTP towards a peer", Prompt: "pf-voip", Lines: voipProfile},
	{Line: "profile acl <#name:name>", Into: "ACL", Help: "Packets that may pass; what no rule matches may not, answers always may", Prompt: "pf-acl", Lines: []Line{
		{Line: "rule [<#index:1..9999>] <action:permit|deny> <protocol:ip|tcp|udp|icmp> <source> <destination> [port <port-first" + port + " [<port-last" + port + "]]",
			Also: []string{"<action:permit|deny> <protocol:ip|tcp|udp|icmp> <source> <destination> [port <port-first" + port + " [<port-last" + port + "]]"},
			Into: "Rules", Help: "Let packets pass, or not; the first rule that matches decides", Example: "rule 10 permit udp 198.51.100.0/24 any port 16384 32767"},
	}},
	{Line: "context ip <#name:name>", Into: "IP", Help: "Interfaces, addresses and routes", Prompt: "ctx-ip", Lines: contextIP, Data: traits{bindable: true}},
	{Line: "context cs <#name:name>", Into: "CS", Help: "Routing of calls, and the SIP interfaces that they come and go by", Prompt: "ctx-cs", Lines: contextCS, Data: traits{atRoot: true}},
	{Line: "authentication-service <#name:name>", Into: "Auth", Help: "SIP accounts", Prompt: "svc-auth", Lines: []Line{
		{Line: "realm <realm>", Into: "Realm", Help: "Answer challenges of this realm only"},
		{Line: "username <#username> password <password>", Also: []string{"username <#username>"}, Into: "Users",
			Help: "An account; the password is taken as it is, up to the next blank"},
	}},
	{Line: "location-service <#name:name>", Into: "Location", Help: "Domains, and the identities that are known in them", Prompt: "svc-ls", Lines: locationService},
	{Line: "context sip-gateway <#name:name>", Into: "Gateways", Help: "SIP sockets: addresses, ports, TLS", Prompt: "ctx-sipgw", Lines: sipGateway},
	{Line: "port ethernet <#slot:0..0> <#port:0..7>", Into: "Ports", Help: "A network port: 0 0 is eth00 (LAN), 0 1 is eth01 (WAN)", Prompt: "prt-eth", Lines: []Line{
		{Line: "medium <speed:auto|10|100|1000|2500|10000> [<duplex:half|full>]", Into: "Medium", Help: "Speed in Mbit/s and duplex, where negotiation fails", Example: "medium 100 full"},
		{Line: "encapsulation <_:rest>", Into: "-", Help: "Encapsulation of the original", Note: "taken, no effect: it is always ip"},
		{Line: "bind interface <context> <interface>", Also: []string{"bind interface <interface> <context>"}, Into: "Bind",
			Help: "Interface of a context ip that this port carries", Example: "bind interface ROUTER if_eth00"},
		{Line: "shutdown", Into: "!Enabled", Help: "Take the port down"},
		// Last: shutdown and bind behind it would be the VLAN's.
		{Line: "vlan <#id:1..4094>", Into: "VLANs", Help: "Frames with this tag", Prompt: "vlan", Lines: []Line{
			{Line: "bind interface <context> <interface>", Also: []string{"bind interface <interface> <context>"}, Into: "Bind",
				Help: "Interface of a context ip that this VLAN carries", Example: "bind interface ROUTER if_voice"},
			{Line: "shutdown", Into: "!Enabled", Help: "Take the VLAN down"},
		}},
	}},
}

var tlsProfile = []Line{
	{Line: "protocol tls-v1.0", Into: "V10", Help: "TLS 1.0", Note: "taken, no effect: TLS 1.0 is never negotiated"},
	{Line: "protocol tls-v1.1", Into: "V11", Help: "TLS 1.1", Note: "taken, no effect: TLS 1.1 is never negotiated"},
	{Line: "protocol tls-v1.2", Into: "V12", Help: "TLS 1.2"},
	{Line: "protocol tls-v1.3", Into: "V13", Help: "TLS 1.3"},
	{Line: "compression", Into: "Compression", Help: "TLS compression of the original", Note: "taken, no effect: TLS has no compression any more"},
	{Line: "authentication incoming", Into: "AuthIncoming", Help: "Demand and check the certificate of a peer that connects to us"},
	{Line: "authentication outgoing", Into: "AuthOutgoing", Help: "Check the certificate of a peer that we connect to, and show ours"},
	{Line: "private-key <private-key:private-key>", Into: "PrivateKey", Help: "Our key", Example: "private-key pki:private-key/myprivate.key"},
	{Line: "own-certificate [<#index:1..99>] <name:certificate>", Into: "Own", Help: "Our certificate: 1 is the leaf, the rest is its chain",
		Example: "own-certificate 1 pki:certificate/MYCERTIFICATE"},
	{Line: "trusted-certificate <#trusted:certificate>", Also: []string{"trusted-certificate <_:number> <#trusted:certificate>"}, Into: "Trusted",
		Builtin: "without a trusted-certificate it is the built-in roots of Microsoft and DigiCert: name the certificates that are to be trusted", Help: "Trust certificates that this one has signed; without any, the built-in roots of Microsoft and DigiCert"},
	{Line: "diffie-hellman-parameters <dh-parameters:dh>", Into: "DHParameters", Help: "DH parameters of the original", Note: "taken, no effect: only ECDHE suites are used"},
	{Line: "require certificate-type <type:server|any>", Into: "RequireType",
		Help: "The peer's certificate must carry this usage, whatever its role: Microsoft's carries server only"},
}

var voipProfile = []Line{
	{Line: "codec [<#index:1..99>] <name:" + strings.Join(config.CodecNames, "|") + "> [rx-length <rx-length:10..60>] [tx-length <tx-length:10..60>] [silence-suppression] [voice-update-frames]",
		Into: "Codecs", Builtin: "without a codec line it is g711alaw64k and g711ulaw64k: write the codecs that are to be offered", Example: "codec 1 g711alaw64k rx-length 20 tx-length 20",
		Help: "Offer a codec; the lowest index is preferred. We ask for packets of rx-length (in ms), and send tx-length to a peer that asks for nothing"},
	{Line: "dtmf-relay <relay:default|rtp|signaling>", Into: "DTMFRelay",
		Help: "How digits travel: default is as telephone-events (RFC 4733), and in SIP INFO to a peer that has INFO but no events; rtp is events only, signaling SIP INFO only"},
	{Line: "fax <_:rest>", Into: "-", Help: "Fax of the original", Note: "taken, no effect: fax passes as voice"},
	{Line: "srtp transmission <srtp:forced|preferred|disabled>", Into: "SRTP", Help: "Encrypt media"},
	{Line: "srtp key-lifetime <exponent:10..48>", Into: "SRTPKeyLifetime", Help: "Use a key for 2^N packets: after three quarters of them a re-INVITE brings a new one"},
	{Line: "media-processing forced", Into: "MediaProcessing", Help: "Media processing of the original", Note: noDSP},
	{Line: "rtp rtcp-multiplexing", Into: "RTCPMultiplexing", Help: "RTP and RTCP on one port (RFC 5761)"},
	{Line: "rtp dscp <value:0..63>", Into: "DSCP", Help: "Mark of the media packets that we send, for the priorities of switches and routers; 46 is EF"},
}

var contextIP = []Line{
	{Line: "interface <#name:name>", Into: "Interfaces", Help: "An interface; a port binds to it", Prompt: "if-ip", Data: traits{bindable: true}, Lines: []Line{
		{Line: "ipaddress <#name> (dhcp|<prefix>)", Also: []string{"ipaddress (dhcp|<prefix>)"}, Into: "Addresses",
			Help:    "An address with its network, or the one that a DHCP server gives, with its default route and name servers where none are configured",
			Example: "ipaddress if_eth00 192.168.1.1/24"},
		{Line: "tcp adjust-mss rx <mode:=mtu>", Into: "AdjustMSSRx", Help: "Clamp the segment size of incoming TCP connections"},
		{Line: "tcp adjust-mss tx <mode:=mtu>", Into: "AdjustMSSTx", Help: "Clamp the segment size of outgoing TCP connections"},
		{Line: "mtu <octets:576..9000>", Into: "MTU", Help: "Largest packet, in octets; 1500 unless set"},
		{Line: "use routing-table <table>", Into: "Table", Help: "Routes of packets that leave with an address of this interface, as with two uplinks"},
		{Line: "use profile acl in <acl>", Also: []string{"use profile acl <acl> in"}, Into: "ACLIn", Help: "Packets that may come in here"},
		{Line: "use profile acl out <acl>", Also: []string{"use profile acl <acl> out"}, Into: "ACLOut", Help: "Packets that may go out here"},
		{Line: "media-ports <media-port-first:1024..65534> <media-port-last:1025..65535>", Into: ".", Help: "UDP ports for RTP and RTCP"},
	}},
	{Line: "routing-table <#name:name>", Into: "Tables", Help: "Routes", Prompt: "rt-tab", Lines: []Line{
		{Line: "route <#prefix> gateway <#gateway> [metric <metric:0..1000000>]", Into: "Routes", Help: "A route; 0.0.0.0/0 is the default route",
			Example: "route 0.0.0.0/0 gateway 192.0.2.1 metric 0"},
	}},
}

var contextCS = []Line{
	{Line: "national-prefix <prefix" + digits, Into: "NationalPrefix", Help: "What marks a national number", Example: "national-prefix 0"},
	{Line: "international-prefix <prefix" + digits, Into: "InternationalPrefix", Help: "What marks an international number", Example: "international-prefix 00"},
	{Line: "country-code <code:country>", Into: "CountryCode", Help: "Our country, without +", Example: "country-code 49"},
	{Line: "emergency-number <#number" + digits, Into: "Emergency", Help: "Calls to it are never refused for licenses, load or health, and try every destination",
		Example: "emergency-number 112"},
	{Line: "digit-collection <_:rest>", Into: "-", Help: "Digit collection of the original", Note: "taken, no effect: SIP numbers are complete"},
	{Line: "mapping-table <in> to <out> <#name:name>", Into: "MappingTables", Help: "Look at one property of a call and write another", Prompt: "rt-tab",
		Complete: completeMappingTable, Lines: []Line{
			{Line: "map (default|<#key>) to <to:text>", Into: "Maps", Complete: completeMapping,
				Help: `The best matching key's value replaces the whole property; \0 to \9 stand for the key's groups`, Example: `map (00)?49(...)?$ to \2`},
		}},
	{Line: "complex-function <#name:name>", Into: "Functions", Help: "Tables that run one after the other", Prompt: "cmplx-func", Lines: []Line{
		{Line: "execute [<#index:1..999>] <run>", Into: "Steps", Help: "Run a table or a complex function"},
	}},
	{Line: "routing-table <key:" + tableKeys + "> <#name:name>", Into: "RoutingTables", Help: "Choose where a call goes by one of its properties", Prompt: "rt-tab",
		Complete: completeRoutingTable, Lines: []Line{
			{Line: "route (default|<#key>) " + dest + " [<function>]", Into: "Routes", Complete: completeRoute, Help: "Where calls go whose property matches the key best",
				Example: "route default dest-interface if_sip_starface cf_teams2starface"},
		}},
	{Line: "interface sip <#name:name>", Into: "Interfaces", Help: "A peer, and how to speak with it", Prompt: "if-sip", Complete: completeInterface, Lines: sipInterface},
	{Line: "service hunt-group <#name:name>", Into: "HuntGroups", Help: "Destinations that are tried one after the other", Prompt: "svc-hunt", Lines: []Line{
		{Line: "cyclic", Into: "Cyclic", Help: "Begin with another destination for each call"},
		{Line: "timeout <seconds:1..300>", Into: "Timeout", Help: "Go on when a destination has not answered at all, not even with 100"},
		{Line: "drop-cause <#cause>", Into: "DropCauses", Help: "Go on when a destination refuses with this cause, or not, with `no`; silence and a destination that cannot be reached always go on. Unless a line says otherwise: " +
			strings.Join(word.Strings(config.DefaultDropCauses...), ", "), Example: "no drop-cause temporary-failure"},
		{Line: "route call [<#index:1..999>] " + dest, Into: "Routes", Help: "A destination"},
	}},
	{Line: "shutdown", Into: "!Enabled", Help: "Route no calls"},
}

var sipInterface = []Line{
	{Line: "bind context sip-gateway <gateway>", Into: "Gateway", Help: "Sockets to use"},
	{Line: "route call (dest-table <table>|dest-interface <interface>|dest-service <service>)", Into: "Route", Help: "Where calls go that come in here"},
	{Line: "remote <host:host> [<port" + port + "]", Into: "Remote", Help: "The peer; without a port its SRV records, or the usual port"},
	{Line: "local <host:host> [<port" + port + "]", Into: "Local", Help: "Our name towards this peer: host of From and P-Asserted-Identity"},
	{Line: "hold-method direction-attribute <method:inactive|sendonly|none>", Into: "HoldMethod", Help: "How hold is sent; every form is understood"},
	{Line: "early-connect", Into: "EarlyConnect", Help: "Answer as soon as there is audio"},
	{Line: "early-disconnect", Into: "EarlyDisconnect", Help: "Hang up at once when the other side has hung up"},
	{Line: "ringback local", Into: "LocalRingback",
		Help: "Play the ringing tone to callers who come in here until a voice comes, for peers that do not make it themselves; their calls are G.711"},
	{Line: "geolocation pass", Into: "PassLocation",
		Help: "Tell this peer where a caller is, when the other side says so (Geolocation and PIDF-LO, as Teams sends them with emergency calls)"},
	{Line: "call-transfer accept", Into: "TransferAccept", Help: "Act on REFER: call whom the peer names, in its place; off: no REFER in Allow"},
	{Line: "call-transfer emit", Into: "TransferEmit", Help: "Hand a call back with REFER when it left the way it came, to a peer whose Allow has REFER"},
	{Line: "call-reroute accept", Into: "RerouteAccept", Help: "Act on 3xx answers"},
	{Line: "call-reroute emit", Into: "RerouteEmit", Help: "Send 3xx answers"},
	{Line: "privacy", Into: "Privacy", Help: "Privacy and P-Asserted-Identity (RFC 3323, 3325)"},
	{Line: "address-complete-indication accept <value:=set>", Into: "AddressComplete", Help: "The number of a call is complete"},
	{Line: "address-translation incoming-call <#property:" + tableKeys + "> <header:" + incoming + ">", Into: "Incoming", Help: "Header that a property is taken from"},
	{Line: "address-translation outgoing-call <#header:" + outgoing + "> <#part:user-part|host-part> (fix <fix:value>|<property:" + tableKeys + ">)",
		Into: "Outgoing", Help: "What a part of a header is made from", Example: "address-translation outgoing-call from-header user-part calling-e164"},
	{Line: "use profile voip <profile>", Into: "VoIP", Help: "Media of this peer"},
	{Line: "use profile sip <_:profile>", Into: "-", Help: "SIP profile of the original", Note: noEffect},
	{Line: "use profile tone-set <_:profile>", Into: "-", Help: "Tones of the original", Note: noEffect},
	{Line: "use mapping-table in <table>", Into: "MappingIn", Help: "Run this table on calls that come in here"},
	{Line: "use mapping-table out <table>", Into: "MappingOut", Help: "Run this table on calls that go out here"},
	{Line: "srtp renegotiate-on-connect", Into: "SRTPRenegotiate", Help: "Once a call is connected, bring a new SRTP key with a re-INVITE"},
	{Line: "penalty-box sip-option-trigger interval <interval:5..3600> timeout <timeout:1..3600> [force tls]", Into: "PenaltyBox",
		Help: "Ask the peer with OPTIONS; skip it while it does not answer", Example: "penalty-box sip-option-trigger interval 60 timeout 60 force tls"},
	{Line: "session-timer <seconds:90..86400>", Into: "SessionTimer", Help: "Refresh calls, and drop them when the peer is gone (RFC 4028)"},
	{Line: "trust <#source>", Into: "Trust", Help: "Take requests from here", Example: "trust microsoft-teams"},
	{Line: "media trust <#network>", Into: "MediaTrust",
		Help:    "Exchange voice with addresses in this network; without a line with all on the peer's side of the network, and with Microsoft's where `trust microsoft-teams` stands",
		Example: "media trust 10.1.0.0/16"},
	{Line: "aoc-d <_:rest>", Into: "-", Help: "Advice of charge of the original", Note: noEffect},
	{Line: "update accept <_:rest>", Into: "-", Help: "UPDATE handling of the original", Note: noEffect},
	{Line: "new-session-after-redirect", Into: "-", Help: "Redirect handling of the original", Note: noEffect},
}

var locationService = []Line{
	{Line: "domain [<#index:1..99>] <host:host> [<port" + port + "]", Into: "Domains", Help: "A domain; the first one builds addresses and is the usual registrar"},
	{Line: "match-any-domain", Into: "MatchAny", Help: "Match requests whatever their domain"},
	{Line: "identity-group <#name:name>", Into: "Groups", Help: "Settings that identities inherit; DEFAULT is for identities that are not configured", Prompt: "identity-group", Lines: identitySettings},
	{Line: "identity <#name:name> [inherits <inherits>]", Into: "Identities", Help: "A user", Prompt: "identity",
		Lines: append([]Line{{Line: "alias name <#alias>", Into: "Aliases", Help: "Another name that requests may carry"}}, identitySettings...)},
}

// identitySettings are the lines of an identity and of a group of identities.
var identitySettings = []Line{
	{Line: "user phone", Into: "UserPhone", Help: "Say user=phone in addresses"},
	{Line: "authentication outbound", Into: "AuthOutbound", Help: "How we answer challenges", Prompt: "authout", Lines: []Line{
		{Line: "authenticate [<#index:1..99>] authentication-service <service> [username <username>]", Into: "Services",
			Help: "Take the account from here; without username, the identity's name"},
	}},
	{Line: "authentication inbound", Into: "AuthInbound", Help: "How we challenge", Prompt: "authin", Lines: []Line{
		{Line: "authenticate none", Into: "None", Help: "Do not challenge: trust is enough"},
	}},
	{Line: "registration outbound", Into: "Registration", Help: "Register with a registrar", Prompt: "regout", Lines: []Line{
		{Line: "registrar <host:host> [<port" + port + "]", Into: "Registrar", Help: "The registrar; without it the first domain"},
		{Line: "lifetime <seconds:30..86400>", Into: "Lifetime", Help: "Ask for registrations of this length"},
		{Line: "retry-timeout on-client-error <seconds:1..86400>", Into: "RetryClientError", Help: "Wait this long after a 4xx answer. After 401, 403 and 407 the next waits are 6, 30, 60 and 90 times as long, 15 minutes at most, because a PBX bans clients that insist; after others the wait doubles, up to 2 minutes"},
		{Line: "retry-timeout on-server-error <seconds:1..86400>", Into: "RetryServerError", Help: "Wait this long after a 5xx answer"},
		{Line: "retry-timeout on-system-error <seconds:1..86400>", Into: "RetrySystemError", Help: "Wait this long after no answer; a registrar that cannot be reached at all is asked sooner at first"},
		{Line: "register (auto|none)", Into: ".", Help: "Register on our own, or not at all"},
	}},
	{Line: "call outbound", Into: "CallOutbound", Help: "Calls from us", Prompt: "callout", Lines: []Line{
		{Line: "transport-protocol force <transport:tls|tcp|udp>", Also: []string{"preferred-transport-protocol <transport:tls|tcp|udp>"},
			Into: "ForceTransport", Help: "Use this transport only", Words: map[string]string{"preferred-transport-protocol": "The same, as older files have it"}},
	}},
	{Line: "call inbound", Into: "CallInbound", Help: "Calls to us", Prompt: "callin"},
}

var sipGateway = []Line{
	{Line: "use profile tls <profile>", Into: "TLS", Help: "Identity and rules of TLS connections"},
	{Line: "bind location-service <#service>", Into: "Location", Help: "Identities that belong here; several may be bound"},
	{Line: "interface <#name:name>", Into: "Interfaces", Help: "An address to listen on", Prompt: "if-gw", Lines: []Line{
		{Line: "transport-protocol udp+tcp <port" + port, Into: "UDPTCP", Help: "Listen for UDP and TCP"},
		{Line: "transport-protocol tls <port" + port, Into: "TLS", Help: "Listen for TLS"},
		{Line: "bind ipaddress <context> <interface> <address>", Into: "Bind", Help: "The address, by its name in a context ip",
			Example: "bind ipaddress ROUTER if_eth01 if_eth01"},
		{Line: "spoofed contact-header manual <host:host> [port <port" + port + "]", Into: "SpoofedContact", Help: "Name in Contact; Microsoft wants the name in our certificate"},
		{Line: "spoofed via-header manual <host:host> [port <port" + port + "]", Into: "SpoofedVia", Help: "Name in Via"},
		{Line: "spoofed media-address <address:ipv4>", Into: "SpoofedMedia", Help: "Address in SDP, behind port forwarding"},
	}},
	{Line: "answer-untrusted-hosts", Into: "AnswerUntrusted", Help: "Refuse strangers with 403; otherwise they get no answer at all"},
	{Line: "connection-reuse", Into: "ConnectionReuse", Help: "Use an open connection of ours for further requests"},
	{Line: "notify check-sync accept", Into: "NotifyCheckSync", Help: "Act on NOTIFY check-sync"},
	{Line: "calls-per-second <calls:1..10000>", Into: "CallsPerSecond", Help: "Refuse calls beyond this rate; without it there is no limit"},
	{Line: "calls-per-second-per-source <calls:1..10000>", Into: "CallsPerSource", Help: "New calls a second of one address; more get 503. By default half the licensed sessions, 20 at least. Emergency calls are counted apart"},
	{Line: "unanswered-calls-per-source <calls:1..10000>", Into: "UnansweredPerSource", Help: "Calls of one address at once that nobody has answered yet; more get 503. By default the licensed sessions, 500 at least"},
	{Line: "requests-per-second-per-source <requests:10..100000>", Into: "RequestsPerSource", Help: "Other requests a second of one address, outside calls; more get 503, four times as many messages are not read"},
	{Line: "max-connections <count:1..65535>", Into: "MaxConnections", Help: "Connections at once"},
	{Line: "max-connections-per-source <count:1..65535>", Into: "MaxConnsPerSource", Help: "Connections at once from one address"},
	{Line: "shutdown", Into: "!Enabled", Help: "Close the sockets"},
}
