package health

import "time"

// The alarms of the box, and of what its calls need. table_services.go has the others. `make docs` writes docs/alarms.md from both, in their order.

// Engines. Calls need the critical ones.
var (
	RelayDown = declare(Warnable{
		ID: "relay-down", Severity: Critical, Title: "the media relay does not run",
		Text:   "the media relay does not run: {why}; it is restarted",
		Advice: "No calls are possible. If this persists, reload. After an update the box returns to the previous firmware by itself.",
		Cure:   []string{"reload"},
	})
	SIPDown = declare(Warnable{
		ID: "sip-down", Severity: Critical, Title: "the SIP gateways do not run",
		Text:   "the SIP gateways do not run: {why}; they are restarted",
		Advice: "If this persists, reload.", Cure: []string{"reload"},
	})
	NetworkDown = declare(Warnable{
		ID: "network-down", Severity: Critical, Title: "the network engine does not run",
		Text:   "the network engine does not run: {why}; it is restarted",
		Advice: "If this persists, reload.", Cure: []string{"reload"},
	})
	APIDown = declare(Warnable{
		ID: "api-down", Severity: Critical, Title: "consoles get no answers",
		Text:   "nothing serves the socket of the consoles: {why}; it is opened again",
		Advice: "The console at the serial line offers to restart sbcd.",
	})
	EngineDown = declare(Warnable{
		ID: "engine-down", Severity: Critical, Subject: "engine", Title: "an engine that calls depend on does not run",
		Text:   `the engine "{engine}" does not run: {why}; it is restarted`,
		Advice: "If this persists, reload.", Cure: []string{"reload"},
	})
	ServiceDown = declare(Warnable{
		ID: "service-down", Severity: Error, Subject: "engine", Title: "a part of the box does not run",
		Text:   `the engine "{engine}" does not run: {why}; it is restarted`,
		Advice: "Calls continue. If this persists, reload.", Cure: []string{"reload"},
	})
)

// The box and its memory.
var (
	DataDamaged = declare(Warnable{
		ID: "data-damaged", Severity: Critical, Title: "the data partition is not used", Text: "{why}",
		Advice: "Note the configuration, and flash the box anew.",
	})
	DataReadOnly = declare(Warnable{
		ID: "data-read-only", Severity: Error, Title: "nothing can be saved",
		Text:   "the data partition is read-only, its medium may be damaged: nothing is saved",
		Advice: "Note the configuration, and flash the box anew.",
	})
	StartupUnusable = declare(Warnable{
		ID: "startup-config-unusable", Severity: Error, Title: "the last saved configuration is not in use",
		Text:   "the box started with {used}, because later versions cannot be used: {why}",
		Advice: "Check that it is complete, and save it.", Cure: []string{"copy running-config startup-config"},
	})
	StartupLines = declare(Warnable{
		ID: "startup-config-lines", Severity: Warning, Subject: "line", Title: "lines of the startup-config are not in force",
		Text:   "{line} {was} left out at the start: {why}",
		Advice: "Correct the line and save the configuration. Without the correction, saving drops the line.",
	})
	FileDamaged = declare(Warnable{
		ID: "file-damaged", Severity: Warning, Subject: "why", Title: "a stored file cannot be used", Text: "{why}",
		Advice: "Import it again. `show pki` lists the certificates and keys.",
	})
	SecretKeyLost = declare(Warnable{
		ID: "secret-key-lost", Severity: Error, Title: "stored passwords cannot be read",
		Text:   "{why}: a new one was made. Passwords sealed with the old one stay in the configuration and do not work",
		Advice: "Enter them again, or import a backup of this box.",
	})
	SyslogAway = declare(Warnable{
		ID: "syslog-away", Severity: Warning, Subject: "server", Title: "a syslog server is not reached",
		Text: "syslog server {server} is not reached: {why}", Delay: 15 * time.Second,
		Advice: "The box tries again at least once a minute, and keeps up to 1 MiB of messages for it. Compare the lines of `syslog-client` with the server; over TLS its certificate must hold its name, and come from an issuer that the profile tls trusts.",
	})
	AuditLost = declare(Warnable{
		ID: "audit-not-kept", Severity: Error, Title: "the trail of who did what is not kept", Text: "the trail of who did what is not kept: {why}",
		After:  []Cause{{Of: DataReadOnly}},
		Advice: "The last 500 entries are in memory if there was no trail at the start, and syslog servers get all. `show version` shows the free space of the flash.",
	})
	HEPAway = declare(Warnable{
		ID: "hep-away", Severity: Warning, Subject: "server", Title: "the capture server is not reached",
		Text: "the capture server {server} is not reached: {why}", Delay: 15 * time.Second,
		Advice: "The box tries again at least once a minute, and keeps up to 4 MiB of messages for it. Compare the lines of `hep-client` with the server; over TLS its certificate must hold its name, and come from an issuer that the profile tls trusts.",
	})
	RecordsLost = declare(Warnable{
		ID: "call-records-lost", Severity: Error, Title: "call records are lost", Text: "{why}",
		Advice: "`show version` shows the free space of the flash.",
	})
	RecordsWait = declare(Warnable{
		ID: "call-records-wait", Severity: Warning, Title: "call records cannot be posted",
		Text:   "call records wait for {server}: {why}{shed}",
		Advice: "See to the server, or correct the line `post` in `call-records`. `show call-records` shows how much waits; the box tries again every five minutes at least, and sends all that it still keeps.",
		Again:  "shed", After: []Cause{{Of: NameServersSilent}},
	})
	Unsaved = declare(Warnable{
		ID: "config-unsaved", Severity: Info, Title: "the configuration is not saved", Delay: time.Hour,
		Text:   "the running configuration is not the startup-config: a restart takes the changes back",
		Advice: "`show config diff` shows them. Save the configuration.", Cure: []string{"copy running-config startup-config"},
	})
	Unconfirmed = declare(Warnable{
		ID: "config-unconfirmed", Severity: Info, Title: "a change of the configuration waits for its confirmation",
		Text:   "{by} has changed the configuration on trial: it goes back at {until}",
		Advice: "`confirm` lets it stay, `no confirm` takes it back now, with all that others changed meanwhile. A restart takes it back, too.", Cure: []string{"confirm"}, Again: "until",
	})
	FlashFull = declare(Warnable{
		ID: "flash-full", Severity: Warning, Title: "the flash is nearly full",
		Text:   "{free} of {total} are free on the flash",
		Advice: "Call records take most of it: keep them for fewer days (`keep` in `call-records`).",
	})
	Hot = declare(Warnable{
		ID: "temperature", Severity: Warning, Title: "the box is too hot",
		Text:   "the processor is hotter than {limit} °C: it slows down, and voice suffers",
		Advice: "`show system` shows the temperature. Give the box air.",
	})
	ImageFailed = declare(Warnable{
		ID: "image-failed", Severity: Warning, Subject: "slot", Title: "an update was taken back",
		Text:   "firmware {version} did not prove itself, and the box returned to the one before",
		Advice: "`show log` of its start says why, if it came that far. Install it again, or a newer one.",
	})
	ImageWaits = declare(Warnable{
		ID: "image-waits", Severity: Info, Subject: "slot", Title: "an update waits for a restart",
		Text:   "firmware {version} is installed, and runs after the next restart",
		Advice: "Calls end with it: choose the moment.", Cure: []string{"reload graceful"},
	})
)

// Licenses.
var (
	LicensesDamaged = declare(Warnable{
		ID: "licenses-damaged", Severity: Error, Title: "the file of the licenses is damaged", Text: "{why}: {left}",
		Advice: "Install the keys again.",
	})
	LicensesUsedUp = declare(Warnable{
		ID: "licenses-used-up", Severity: Warning, Subject: "pool", Title: "all licenses of one kind are in use",
		Text:   "all {total} licenses {pool} are in use, or were within the last minute: further calls are refused, {refused} since the start",
		Advice: "`show system licenses` has the figures. Wait for calls to end, or order more licenses.",
	})
	LicensesLow = declare(Warnable{
		ID: "licenses-low", Severity: Warning, Subject: "pool", Title: "licenses of one kind are nearly used up",
		Text:   "four of five licenses {pool} are in use, or more, of {total}",
		Advice: "`show system licenses` has the figures. Order more licenses before calls are refused.",
		After:  []Cause{{Of: LicensesUsedUp, Same: "pool"}},
	})
)

// Phones.
var (
	PhonesUnlicensed = declare(Warnable{
		ID: "phones-unlicensed", Severity: Error, Title: "phones may not register",
		Text:   "a phone asks to register as {name}, but the license sip-registrar is missing",
		Advice: "Order it, and install it with `install license`. `show system licenses` lists what there is.",
	})
	PhonePassword = declare(Warnable{
		ID: "phone-password", Severity: Warning, Subject: "name", Title: "a phone shows a wrong password",
		Text:   "{peer} asks to register as {name} with a wrong user name or password, again and again",
		Advice: "Enter the password of its account at the phone, or look who that is. After twelve wrong ones the address is shut out for ten minutes.",
	})
	PhonesNotKept = declare(Warnable{
		ID: "phones-not-kept", Severity: Warning, Title: "which phones are registered is not kept",
		Text:   "which phones are registered is not kept: {why}. After a restart each is reached when it has registered again",
		Advice: "`show version` shows the free space of the flash.", After: []Cause{{Of: DataReadOnly}},
	})
)

// The network.
var (
	FirewallNotWritten = declare(Warnable{
		ID: "firewall-not-written", Severity: Critical, Title: "the rules of the firewall are not in force", Text: "{why}",
		Advice: "No port comes up without rules. The box tries again every ten seconds. A smaller configuration (profile acl) may fit.",
	})
	PeerShutOut = declare(Warnable{
		ID: "peer-shut-out", Severity: Error, Subject: "peer", Title: "the firewall drops packets of a configured peer", Text: "{why}",
		Advice: "Add the peer's address to the trust lines, or permit it in the profile acl.",
	})
	NetworkRefused = declare(Warnable{
		ID: "network-refused", Severity: Warning, Subject: "why", Title: "the network is not as configured", Text: "{why}",
		Advice: "Correct these lines.",
	})
	LinkDown = declare(Warnable{
		ID: "link-down", Severity: Error, Subject: "port", Title: "a port has no link",
		Text: "port {port} has no link", Delay: 3 * time.Second,
		Advice: "Check the cable and the switch. Close an unused port with `shutdown`.",
	})
	HalfDuplex = declare(Warnable{
		ID: "half-duplex", Severity: Warning, Subject: "port", Title: "a port sends and receives by turns",
		Text:   "port {port} runs at half duplex: voice suffers as soon as there is traffic",
		Advice: "The switch is set to a fixed speed without negotiation. Set its port to automatic.",
	})
	GatewaySilent = declare(Warnable{
		ID: "gateway-silent", Severity: Error, Subject: "gateway", Title: "a router does not answer",
		Text:   "the gateway {gateway} at port {port} does not answer ARP: nothing behind it is reached",
		Advice: "Look whether the router runs, whether its address is that of the `route` line, and whether the cable is in its port. `show arp` shows who answers.",
		After:  []Cause{{Of: LinkDown, Same: "port"}},
	})
	NameServersSilent = declare(Warnable{
		ID: "name-servers-silent", Severity: Error, Title: "no name server answers", Text: "{why}",
		Advice: "Correct `dns-client server A.B.C.D`, or check the path to the servers with `ping` and `traceroute`.",
	})
)

// The clock.
var (
	TimeDistrusted = declare(Warnable{
		ID: "time-distrusted", Severity: Error, Title: "no time server is believed", Text: "the time is not taken: {why}",
		Advice: "`show sntp-client` shows what each server says.", After: []Cause{{Of: NameServersSilent}},
	})
	TLSWaits = declare(Warnable{
		ID: "tls-waits", Severity: Error, Title: "TLS waits for the time", Text: "gateways wait with TLS: {why}",
		Advice: "Configure time servers that answer (sntp-client), or accept their time with `clock sync`.", After: []Cause{{Of: NameServersSilent}},
	})
	ClockUnsynchronised = declare(Warnable{
		ID: "clock-unsynchronised", Severity: Warning, Title: "the clock follows no time server",
		Text: "the clock is not synchronised: {why}", Delay: time.Minute,
		Advice: "`show sntp-client` shows what each server says.",
		After:  []Cause{{Of: NameServersSilent}, {Of: TimeDistrusted}, {Of: TLSWaits}},
	})
)

// Gateways and peers.
var (
	NoGateway = declare(Warnable{
		ID: "no-gateway", Severity: Info, Title: "no gateway is configured",
		Text: "no gateway is configured, so there are no calls", Advice: "docs/setup.md has an example.",
	})
	Overloaded = declare(Warnable{
		ID: "overloaded", Severity: Error, Title: "new calls are refused, too many come",
		Text:   "more calls come than the box can carry: those beyond are refused with 503",
		Advice: "Calls in progress go on, and emergency calls are let in. `show system` shows how many are refused. Find out who calls so much: `calls-per-second-per-source` of the gateway limits one source.",
	})
	OutOfService = declare(Warnable{
		ID: "out-of-service", Severity: Warning, Subject: "what", Title: "a part of the box, or all of it, is being taken out of service",
		Text:   "{what} is being taken out of service by {by}: new calls are refused, or will soon be",
		Advice: "Calls in progress go on, and emergency calls are taken. `show system` says how many calls are left, and these lines take it back.", Cure: []string{"{undo}"},
	})
	Deaf = declare(Warnable{
		ID: "deaf", Severity: Critical, Title: "no gateway can listen", Text: "no gateway can listen: {why}",
		Advice: "Two lines may use the same port. The box tries again every five seconds.",
	})
	GatewayRefused = declare(Warnable{
		ID: "gateway-refused", Severity: Error, Subject: "why", Title: "a gateway is not as configured", Text: "{why}",
		Advice: "The box tries again every five seconds. `show context sip-gateway` shows the state of each gateway.",
		After:  []Cause{{Of: SIPDown}},
	})
	RegistrationFailed = declare(Warnable{
		ID: "registration-failed", Severity: Error, Subject: "identity", Title: "an identity is not registered",
		Text: "{identity} {state} at {registrar}: {why}", Delay: 5 * time.Second,
		Advice: "After a refusal compare the password and the account with those of the PBX; without a response `check pbx` finds out why. `show sip registrations` shows the time of the next attempt; after a correction do not wait for it.",
		Cure:   []string{"register now"},
		After:  []Cause{{Of: SIPDown}, {Of: LinkDown, Same: "port"}},
	})
	PathNarrow = declare(Warnable{
		ID: "path-mtu", Severity: Error, Subject: "interface", Title: "large packets to a peer are lost",
		Text:   "{peer} of interface sip {interface} takes connections, but no TLS handshake with it ends: small packets arrive, large ones are lost",
		Advice: "`ping` with `size` and `df` finds the largest packet that arrives. Have the way mended, or give `mtu` of the interface in context ip a smaller value, as 1400.",
		After:  []Cause{{Of: SIPDown}, {Of: LinkDown, Same: "port"}},
	})
	PeerSilent = declare(Warnable{
		ID: "peer-silent", Severity: Error, Subject: "interface", Title: "a peer cannot take calls",
		Text:   "{peer} of interface sip {interface} gets no calls: {why}",
		Advice: "`show sip penalty-box` shows the state of all peers, and `check all` where the way to them ends.",
		After:  []Cause{{Of: SIPDown}, {Of: LinkDown, Same: "port"}, {Of: PathNarrow, Same: "interface"}},
	})
	PeerRefuses = declare(Warnable{
		ID: "peer-refuses", Severity: Error, Subject: "interface", Title: "a peer does not accept this box",
		Text:   "{peer} of interface sip {interface} answers OPTIONS with {why}",
		Advice: "Teams answers 403 when the tenant does not know the name in Contact: compare it with the name of the SBC in the Teams admin center.",
		After:  []Cause{{Of: SIPDown}},
	})
	DestinationsLost = declare(Warnable{
		ID: "destinations-lost", Severity: Error, Subject: "group", Title: "no destination of a hunt group takes calls",
		Text:   "none of the {count} destinations of service hunt-group {group} takes calls: all calls there are refused",
		Advice: "They have something in common: the port, the router, the name servers, our certificate. `check all` finds it.",
		After:  []Cause{{Of: SIPDown}},
	})
	Survival = declare(Warnable{
		ID: "survival", Severity: Error, Subject: "survival", Title: "calls go other ways while a peer is gone",
		Text:   "the peer of interface sip {interface} {peer}; survival {survival} is in force: {meanwhile}",
		Advice: "Calls from other interfaces go their usual ways, and calls in progress are left as they are. The usual ways return by themselves once the peer has been there for as long as its line back-after says. `show survival` shows how far it is, `check all` where the way to the peer ends.",
	})
	PeersMute = declare(Warnable{
		ID: "peers-mute", Severity: Warning, Subject: "gateway", Title: "Microsoft Teams does not ask for this box",
		Text:   "Microsoft Teams answers at context sip-gateway {gateway}, and has sent nothing itself for more than four minutes: no call comes in from there",
		Advice: "A firewall before the box may drop what comes in, the name of the box may have another address in the DNS, or the tenant may not use this SBC.",
		After:  []Cause{{Of: SIPDown}, {Of: LinkDown, Same: "port"}},
	})
)

// Calls.
var (
	CodecRefused = declare(Warnable{
		ID: "codec-refused", Severity: Error, Subject: "interface", Title: "a peer does not take our codecs",
		Text:   "the peer of interface sip {interface} refuses calls because of their media: {why}",
		Advice: "Compare the `codec` lines of the `profile voip` of this interface with what the peer permits for our accounts. The alarm ends with the next call that it takes.",
	})
	CallsRefused = declare(Warnable{
		ID: "calls-refused", Severity: Warning, Subject: "interface", Title: "a peer refuses all calls",
		Text:   "the peer of interface sip {interface} has refused {count} calls, one after the other: {why}",
		Advice: "`show calls history` shows them. The alarm ends with the next call that it takes.",
	})
	VoiceOneWay = declare(Warnable{
		ID: "voice-one-way", Severity: Warning, Subject: "interface", Title: "voice goes one way only",
		Text:   "in a call {interface} sends no voice, while {other} does: nothing came from {from} to {to} for ten seconds",
		Advice: "A firewall or router between the two drops the UDP packets: have it let them through. `media` of docs/network.md has the ports. The alarm ends with the next call in which voice comes.",
	})
	VoicePoor = declare(Warnable{
		ID: "voice-poor", Severity: Warning, Subject: "interface", Title: "voice from a peer is bad",
		Text:   "{bad} of the last {calls} calls had bad voice from the peer of interface sip {interface}: loss above 3 %, jitter above 50 ms, or a MOS below 3.1",
		Advice: "`show calls history` has the figures of each side. The fault is on the way from that peer to the box.",
	})
)
