package health

import "time"

// The alarms of the box. `make docs` writes docs/alarms.md from this table.

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

// Presence.
var (
	PresenceRefused = declare(Warnable{
		ID: "presence-refused", Severity: Error, Subject: "service", Title: "Microsoft refuses a presence-service",
		Text:   "presence-service {service} is not served by Microsoft: {why}",
		Advice: "{cure} Calls go through as without presence meanwhile. `presence test` goes through every step.", Cure: []string{"presence test"},
	})
	PresenceAway = declare(Warnable{
		ID: "presence-away", Severity: Warning, Subject: "service", Title: "Microsoft Graph is not reached", Delay: 45 * time.Second,
		Text:   "presence-service {service} gets no answer of Microsoft Graph that can be used: {why}",
		Advice: "{cure} Calls go through as without presence meanwhile; the box tries again every minute.", Cure: []string{"presence test"}, After: []Cause{{Of: NameServersSilent}},
	})
	PresenceThrottled = declare(Warnable{
		ID: "presence-throttled", Severity: Warning, Subject: "service", Title: "Microsoft Graph limits the box", Delay: 45 * time.Second,
		Text:   "presence-service {service} has to wait: {why}",
		Advice: "{cure} Calls go through as without presence meanwhile.",
	})
	PresenceReports = declare(Warnable{
		ID: "presence-reports", Severity: Warning, Subject: "service", Title: "Teams is not told who is on the phone", Delay: 45 * time.Second,
		Text:   "presence-service {service} cannot tell Teams who is on the phone: {why}",
		Advice: "{cure}", After: []Cause{{Of: PresenceRefused, Same: "service"}, {Of: PresenceAway, Same: "service"}, {Of: PresenceThrottled, Same: "service"}},
	})
	PresenceStarface = declare(Warnable{
		ID: "presence-starface", Severity: Warning, Subject: "service", Title: "do not disturb does not reach the STARFACE", Delay: 45 * time.Second,
		Text:   "presence-service {service} cannot set or take back do not disturb at the STARFACE: {why}",
		Advice: "{cure} The box tries again by itself; what it has set it takes back as soon as it can.",
	})
	PresenceLeft = declare(Warnable{
		ID: "presence-starface-left", Severity: Warning, Subject: "service", Title: "do not disturb was left set at a STARFACE", Delay: 45 * time.Second,
		Text:   "presence-service {service} has set do not disturb of {users} at {url}, and nothing takes it back any more",
		Advice: "Configure the presence-service and its STARFACE again until this is over, or switch do not disturb off there and acknowledge the alarm.",
	})
	PresenceExpires = declare(Warnable{
		ID: "presence-expires", Severity: Warning, Subject: "service", Title: "what a presence-service signs in with ends soon",
		Text:   "presence-service {service} signs in with {what}, which ends on {end}, in {left} or less",
		Advice: "{cure} After its end Microsoft refuses the service, and calls go through as without presence.", Again: "left",
	})
	PresenceUsers = declare(Warnable{
		ID: "presence-users", Severity: Warning, Subject: "service", Title: "users of Teams are not matched",
		Text:   "presence-service {service} cannot match {why}",
		Advice: "`show presence` has all of them, each with the reason. Write a `user` line for each, or correct the directory.",
	})
)

// Fleet.
var (
	FleetRefused = declare(Warnable{
		ID: "fleet-refused", Severity: Error, Title: "the hub refuses the box",
		Text:   "the hub of the fleet refuses the box: {why}",
		Advice: "{cure} Leased licenses hold until the end of the lease, and not beyond. The box tries again by itself; `show fleet` shows when.",
	})
	FleetAway = declare(Warnable{
		ID: "fleet-away", Severity: Warning, Title: "the hub is not reached", Delay: 3 * time.Minute,
		Text:   "the hub of the fleet is not reached: {why}",
		Advice: "{cure} Calls continue, leased licenses hold for 30 days beyond their end, and alarms and call records are kept for the hub. The box tries again by itself; `show fleet` shows when.",
		After:  []Cause{{Of: NameServersSilent}, {Of: FleetRefused}},
	})
	FleetUnready = declare(Warnable{
		ID: "fleet-unready", Severity: Error, Title: "the box cannot try to reach its hub",
		Text:   "the box does not try to reach the hub of its fleet: {why}",
		Advice: "{cure}", After: []Cause{{Of: DataReadOnly}},
	})
	LeaseGrace = declare(Warnable{
		ID: "lease-grace", Severity: Warning, Subject: "kind", Title: "leased licenses hold without the hub",
		Text:   "the lease of {count} {kind} has ended, and the hub is away: they hold on, and end in {left} or less",
		Advice: "Bring the hub back: `show fleet` shows why it is not reached. After that only the licenses of the box itself are left.", Again: "left",
	})
	LeaseEnds = declare(Warnable{
		ID: "lease-ends", Severity: Error, Subject: "kind", Title: "leased licenses end soon",
		Text:   "the lease of {count} {kind} has ended, and the hub is away: they end in {left} or less, at {end}",
		Advice: "Bring the hub back: `show fleet` shows why it is not reached. After that only the licenses of the box itself are left: `install license` adds to them.", Again: "left",
	})
	LeaseLapsed = declare(Warnable{
		ID: "lease-lapsed", Severity: Error, Subject: "kind", Title: "leased licenses are over",
		Text:   "the lease of {kind} is over: only the licenses of the box itself are left",
		Advice: "The hub gives them again as soon as it is reached and takes the box: `show fleet` shows what is in the way.", After: []Cause{{Of: FleetRefused}},
	})
	LeaseRefused = declare(Warnable{
		ID: "lease-refused", Severity: Warning, Subject: "kind", Title: "the hub does not give the licenses that calls need", Delay: 10 * time.Second,
		Text:   "the hub does not give the {kind} that calls need: {why}",
		Advice: "`show fleet` and `show system licenses` have the figures. The limits of the box and the pool are at the hub: `hub license show`.",
	})
	FleetUnsent = declare(Warnable{
		ID: "fleet-lost", Severity: Error, Subject: "what", Title: "the hub does not get all that the box has sent", Text: "{what} for the hub of the fleet: {why}",
		Advice: "`show fleet` shows how much waits. What was lost is still in the box where it was not deleted: `show calls history`, `show alarms history`.",
	})
)

// A pair of boxes.
var (
	RedundancyUnready = declare(Warnable{
		ID: "redundancy-unready", Severity: Error, Title: "the box is not one of its pair",
		Text:   "the box stays out of its pair: {why}",
		Advice: "`show config problems` names what is missing. `show redundancy key` prints the line by which both boxes know this one.",
	})
	RedundancyAlone = declare(Warnable{
		ID: "redundancy-alone", Severity: Error, Title: "nobody could take over from the box", Delay: 10 * time.Second,
		Text:   "no other box could take over: {why}",
		Advice: "Calls continue, and would be lost with this box. `show redundancy` shows how the other one is seen.", Again: "why",
		After: []Cause{{Of: RedundancyUnready}},
	})
	RedundancySplit = declare(Warnable{
		ID: "redundancy-split", Severity: Error, Title: "both boxes of the pair are active, or were",
		Text:   "both boxes of the pair are active, or were a short time ago: {why}",
		Advice: "One of the two gives up by itself, and its calls are over. The boxes do not hear each other: check the cable of the direct path, and the switches that the ports are at. The alarm ends an hour after the last time.",
	})
	RedundancyPath = declare(Warnable{
		ID: "redundancy-path", Severity: Warning, Subject: "port", Title: "a port of the pair is not as it should be", Delay: 5 * time.Second,
		Text:   "interface {port} of the pair: {why}",
		Advice: "`show redundancy` has all ports, as this box sees them, and `show port ethernet` their links. Compare with the picture of the cabling in docs/redundancy.md.", Again: "why",
		After: []Cause{{Of: RedundancyUnready}},
	})
	RedundancyDiffers = declare(Warnable{
		ID: "redundancy-differs", Severity: Warning, Title: "the boxes of the pair are not alike", Delay: 45 * time.Second,
		Text:   "the two boxes of the pair differ in {what}",
		Advice: "`show redundancy` shows what differs, and what to do about it.", Again: "what",
	})
	RedundancyForeign = declare(Warnable{
		ID: "redundancy-foreign", Severity: Warning, Subject: "port", Title: "another VRRP router has the number of the pair",
		Text:   "interface {port} hears VRRP with the number of this pair from {source}, which is neither of its boxes: it is ignored",
		Advice: "Give the pair another number on both boxes, with the line `virtual-router NUMBER`, or find that device. The alarm ends ten minutes after its last packet.",
	})
	RedundancyDropped = declare(Warnable{
		ID: "redundancy-dropped", Severity: Error, Title: "the standby does not keep all that it should",
		Text:   "the standby does not keep all that it should: {why}",
		Advice: "What it does not keep is lost if this box fails; all else is kept. `show redundancy` has the figures.",
	})
	RedundancyTaken = declare(Warnable{
		ID: "redundancy-taken", Severity: Warning, Title: "the box has taken over from the other one",
		Text:   "the box has taken over, with {calls}: {why}",
		Advice: "`show redundancy` shows how the other box is seen. The alarm ends after a day, or when this box is not the active one any more.",
	})
)

// Phones that fetch their settings.
var (
	ProvisioningDown = declare(Warnable{
		ID: "provisioning-down", Severity: Error, Subject: "service", Title: "phones cannot fetch their settings", Delay: 10 * time.Second,
		Text:   "provisioning-service {service} does not serve: {why}",
		Advice: "Phones that have their settings go on with them. Compare the lines bind and protocol of the provisioning-service with the addresses of port ethernet 0 0; another service may have the port.",
	})
	ProvisioningTemplate = declare(Warnable{
		ID: "provisioning-template", Severity: Warning, Subject: "template", Title: "a template for phones is not used",
		Text:   "the template {template} that was imported is not used: {why}; the built-in one takes its place",
		Advice: "`show provisioning template {template}` shows it. Correct it and import it again, or erase it.",
	})
	ProvisioningUpstream = declare(Warnable{
		ID: "provisioning-upstream", Severity: Warning, Subject: "host", Title: "files of a provisioning server are not passed on",
		Text: "phones get no files of {host}: {why}", After: []Cause{{Of: NameServersSilent}},
		Advice: "The box verifies {host} with the roots in its key store and the built-in ones: import a missing root. The alarm ends with the next file that is passed on.",
	})
)

// Certificates.
var (
	CertificateExpired = declare(Warnable{
		ID: "certificate-expired", Severity: Error, Subject: "name", Title: "a certificate has expired",
		Text:   "certificate {name} has expired: {subject} ended on {end}",
		Advice: "See to its successor, as in docs/operation.md: {advice}.",
	})
	CertificateExpires = declare(Warnable{
		ID: "certificate-expires", Severity: Warning, Subject: "name", Title: "a certificate expires soon",
		Text:   "certificate {name} expires soon: {subject} ends on {end}, in {left} or less",
		Advice: "See to its successor, as in docs/operation.md: {advice}.", Again: "left",
	})
	CertificateUnfit = declare(Warnable{
		ID: "certificate-unfit", Severity: Error, Subject: "profile", Title: "Microsoft Teams refuses our certificate",
		Text:   "Microsoft Teams refuses what profile tls {profile} shows: {why}",
		Advice: "Import a certificate that is right, with its chain: docs/certificates.md.", Again: "why",
	})
	PhoneTLS = declare(Warnable{
		ID: "phone-tls", Severity: Warning, Subject: "phone", Title: "a phone does not trust our certificate",
		Text:   "phone {phone} ({model}) refuses the certificate of context sip-gateway {gateway}: {why}",
		Advice: "{cure} The alarm ends when the phone registers over TLS, or after a day without another attempt.", Again: "why",
	})
	SuccessorDiffers = declare(Warnable{
		ID: "certificate-successor", Severity: Info, Subject: "name", Title: "the next certificate will be of another kind",
		Text:   "the successor of certificate {name} ({subject}, until {end}) {why}",
		Advice: "Arrange for the renewals to come: docs/operation.md, Certificates. `show pki calendar` has the dates and their sources.",
	})
	ChainChanged = declare(Warnable{
		ID: "hub-chain-changed", Severity: Info, Subject: "peer", Title: "a peer shows other certificates than the week before",
		Text:   "{peer} shows other certificates than the week before: {what}",
		Advice: "{todo} `show pki peers` shows both weeks.", Quiet: true,
	})
	RootsMissing = declare(Warnable{
		ID: "roots-missing", Severity: Warning, Subject: "profile", Title: "some roots of Microsoft Teams are not trusted",
		Text:   "profile tls {profile} does not trust {missing}: since {date} hubs of Teams may show chains of them",
		Advice: "Trust the built-in roots, too.", Cure: []string{"configure", "profile tls {profile}", "trusted-certificate pki:certificate/BUILT-IN", "end"},
	})
	CalendarRefused = declare(Warnable{
		ID: "calendar-refused", Severity: Warning, Title: "the imported calendar is not in force",
		Text:   "the imported calendar is not in force, the built-in one is: {why}",
		Advice: "Import a newer one, or delete it.", Cure: []string{"erase calendar"},
	})
	ACMENone = declare(Warnable{
		ID: "acme-no-certificate", Severity: Error, Subject: "name", Title: "there is no certificate, and none is obtained",
		Text:   "profile acme {name} has no certificate that is good, and gets none: {why}",
		Advice: "{advice} `acme test` goes through every step without taking anything into use.", Cure: []string{"acme test {name}", "acme renew {name}"}, Again: "why",
		After: []Cause{{Of: NameServersSilent}},
	})
	ACMEFailed = declare(Warnable{
		ID: "acme-failed", Severity: Warning, Subject: "name", Title: "a certificate is not renewed",
		Text:   "the certificate of profile acme {name} is not renewed: {why}; the present one is good until {end}",
		Advice: "{advice} `acme test` goes through every step without taking anything into use.", Cure: []string{"acme test {name}", "acme renew {name}"}, Again: "why",
		After: []Cause{{Of: NameServersSilent}},
	})
	ACMERecord = declare(Warnable{
		ID: "acme-record-missing", Severity: Warning, Subject: "name", Title: "a certificate waits for a record in the DNS",
		Text:   "profile acme {name} waits for the record {record}",
		Advice: "Set it where the domain is administered. The box looks for it each minute, and orders the certificate then.", Again: "record",
	})
	ACMERefused = declare(Warnable{
		ID: "acme-refused", Severity: Error, Subject: "name", Title: "peers refuse a new certificate",
		Text:   "the new certificate of profile acme {name} is not in use any more if the one before is still good: {why}",
		Advice: "{advice} The box tries again once a day.", Cure: []string{"acme test {name}", "acme renew {name}"},
	})
	InternalNotRenewed = declare(Warnable{
		ID: "internal-certificate-not-renewed", Severity: Error, Subject: "name", Title: "a certificate of the internal CA is not renewed",
		Text:   "certificate {name} of the internal CA, until {end}, is not renewed: {why}",
		Advice: "`show pki internal-ca` shows all of them. The box tries again after one hour, after six more, then each day, and after each change of a certificate or key.",
	})
	InternalRootEnds = declare(Warnable{
		ID: "internal-ca-ends", Severity: Warning, Title: "the root of the internal CA ends within a year",
		Text:   "the root of the internal CA, {subject}, ends on {end}: no certificate of it is good for longer",
		Advice: "Make a new root with `generate pki:internal-ca replace`, give it to the phones, then issue the certificates again: docs/certificates.md.",
	})
	UnknownIssuer = declare(Warnable{
		ID: "unknown-issuer", Severity: Warning, Subject: "sha", Title: "the issuer of a peer's certificate is not trusted",
		Text:   "context sip-gateway {gateway} refused {peer}: {why}; the peer's certificate: {leaf}",
		Advice: "{warning}", Cure: []string{"pki trust add {sha}"}, Quiet: true,
	})
)

// Checks.
var (
	CheckWorse = declare(Warnable{
		ID: "check-worse", Severity: Warning, Subject: "step", Title: "the daily check finds what was well the day before",
		Text:   "{step}: {state}, and it was well the day before: {why}",
		Advice: "{advice} `check all` goes through every step, and ends this alarm once the step is well again.", Cure: []string{"check all"}, Quiet: true,
	})
)

// Management.
var (
	SNMPRefused = declare(Warnable{
		ID: "snmp-refused", Severity: Warning, Subject: "address", Title: "the box does not answer SNMP at an address",
		Text: "nothing listens for SNMP at {address}: {why}", Delay: 10 * time.Second,
		Advice: "It is tried again every five seconds. Give snmp-server a port that is free.",
	})
	MetricsRefused = declare(Warnable{
		ID: "metrics-refused", Severity: Warning, Subject: "address", Title: "the box does not serve its metrics at an address",
		Text: "nothing serves the metrics at {address}: {why}", Delay: 10 * time.Second,
		Advice: "It is tried again every second. `show config problems` tells what the profile tls of metrics-server lacks.",
	})
)

// The web page.
var WebCertificate = declare(Warnable{
	ID: "webserver-certificate", Severity: Warning, Title: "the web page does not show the certificate that it should",
	Text:   "the web page shows a certificate of the box's own making, because that of profile tls {profile} cannot be used: {why}",
	Advice: "`show pki` lists certificates and keys. Import or renew what is missing, or take the line `webserver use profile tls` out.",
})

// Logins.
var (
	SourceBanned = declare(Warnable{
		ID: "source-banned", Severity: Info, Subject: "source", Title: "an address is banned",
		Text:   "{source} is banned after too many wrong passwords",
		Advice: "The ban ends by itself after ten minutes. `clear bans` lifts it.", Quiet: true,
	})
)
