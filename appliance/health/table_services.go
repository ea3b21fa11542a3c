package health

import "time"

// The alarms of what stands around the calls: presence, fleet, the pair, what phones fetch, certificates, management.

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
