package command

import (
	"fmt"
	"slices"

	"viaduct/appliance/cli"
	"viaduct/appliance/lang/answer"
)

// Operator returns the commands that are available to every account, in every mode.
func Operator() []cli.Line {
	return append([]cli.Line{
		ambiguous(inFile(LeavesAll, command("enable", "Enter administrator mode", enable))),
		command("help", "How to use this command line", help),
		inFile(LeavesMode, command("exit", "Leave the mode; outside the configuration, end the session", exit)),
		whole(command("quit", "The same as exit", exit)),
		inFile(LeavesAll, command("logout", "End the session", logout)),
		command("terminal more", "Show long output page by page", func(c *Call, _ *none) error { return c.more(true) }),
		command("no terminal more", "Show long output without paging", func(c *Call, _ *none) error { return c.more(false) }),
		command("terminal length <n:0..500>", "Rows of this terminal, if it does not report them; 0 disables paging", terminalLength),
		command("terminal width <n:20..500>", "Columns of this terminal", terminalWidth),
		whole(worded(withExample("ping sip.pstnhub.microsoft.com size 1472 df", command("ping <host:host> [size <size:1..65507>] [df] [count <count:1..1000>] [source <source:ipv4>]",
			"Send ICMP echo requests to a host; size is the size of the data without the 28 octets of headers (default 56), df forbids fragmentation, source is an address of the box", ping)),
			"size", "Octets of data, default 56", "df", "Do not fragment", "count", "Number of requests", "source", "Address of the box to send from")), // `pin`, in a fleet, is not ping
		command("traceroute <host:host>", "Show the routers on the path to a host", traceroute),
		command("nslookup <host:host>", "Query the name servers", nslookup),
		worded(command("check <of:teams|pbx|all> [json] [jsonl]", "Find out whether calls can work, step by step, and what to do where they cannot; it takes half a minute at most and changes nothing; json prints the outcome in one line, jsonl each step before as well", runCheck),
			"teams", "The way to Microsoft Teams: network, names, clock, certificate, TLS, OPTIONS, trust", "pbx", "The PBX: host, SIP, registrations, codecs, voice", "all", "Both", "json", "The outcome as JSON, when all is done", "jsonl", "Each step as JSON in a line as soon as it is done, and the outcome in the last line"),
		worded(command("check federation <domain:host> [json] [jsonl]", "Find out whether a domain can be reached by SIP federation: its SRV record, the name, the certificate and the answer of its edge", checkFederation),
			"federation", "What a partner of SIP federation needs of a domain", "json", "The outcome as JSON, when all is done", "jsonl", "Each step as JSON in a line as soon as it is done, and the outcome in the last line"),
		command("who", "Show who is logged in", who),
		command("change password", "Give your account another password", changePassword),
		command("show users", "Who is logged in", who),
	}, showCommands()...)
}

// Admin returns all commands, for administrators after enable.
func Admin() []cli.Line {
	return append([]cli.Line{
		worded(also(withExample("configure confirm 5", inFile(LeavesAll, command("configure [confirm <minutes:1..1440>]",
			"Change the configuration; with confirm, everything that changes from then on, by whomever, goes back after so many minutes unless somebody types confirm", configure))),
			"configure terminal"), "confirm", "Goes back after so many minutes unless it is confirmed"),
		worded(whole(command("confirm [save]", "Let the change stay that goes back otherwise; with save, it is also saved to the startup-config", confirm)), "confirm", "Let a change stay, or take it back", "save", "And save it to the startup-config"),
		whole(command("no confirm", "Take that change back at once, and all that others have changed meanwhile", noConfirm)),
		inFile(LeavesAll, command("end", "Leave the configuration", end)),
		ofBoth(command("import <what>", "Import a certificate or a private key, pasted as PEM", importPKI)),
		ofBoth(command("import <what:pkcs12>", "Import a certificate with its chain and its private key from a file of PKCS#12 (.pfx, .p12), pasted as base64; all of it or nothing", importPKCS12)),
		worded(ofBoth(command("generate <what:private-key> [rsa <bits:2048|3072|4096>] [replace]",
			"Make a private key, RSA with 2048 bits unless told otherwise; replace overwrites the key of that name", generateKey)),
			"rsa", "Length of the key in bits", "2048", "What every peer takes; the default", "3072", "A longer key", "4096", "The longest: a handshake takes several times as long", "replace", "Overwrite the key of that name"),
		worded(command("generate <what:request> [private-key <key:private-key>] [names <names:text>]",
			"Print a request for a certificate (CSR) that is signed with the key of this name or another; names are separated by commas, and without them those of the box towards Microsoft Teams", generateRequest),
			"private-key", "The key that signs the request; without it, the one of the same name", "names", "The names that the certificate is for"),
		worded(ofBoth(command("generate pki:internal-ca [name <name:text>] [replace]",
			"Make the root of an internal CA, which issues certificates for phones and web pages of the LAN, never for Microsoft Teams; replace overwrites the root that there is", generateRoot)),
			"pki:internal-ca", "The root of an internal CA", "name", "What people see of it; without, the host name", "replace", "Every phone must get the new root"),
		worded(withExample("generate pki:certificate/lan internal-ca names sbc.example.lan,192.168.1.2", ofBoth(command("generate <what:certificate> internal-ca [names <names:text>] [replace]",
			"Issue a certificate of the internal CA, with a key of its own, that the box renews by itself; names are DNS names and addresses, separated by commas, and without them those of the certificate that is replaced, "+
				"or host name and private addresses of the box", generateIssued))),
			"internal-ca", "The internal CA issues it", "names", "The names and addresses that the certificate is for", "replace", "Overwrite certificate and key of that name"),
		command("export <what:certificate>", "Show a certificate as PEM", exportPKI),
		also(ofBoth(command("pki trust add <sum:fingerprint> [force]", "Trust the issuer of a peer's certificate, by its SHA-256, after a look at the chain and a question; "+
			"force skips both. `show pki trusted` lists the issuers that peers have presented", trustIssuer)), "pki trust <sum:fingerprint> [force]"),
		ofBoth(command("no pki trust <sum:fingerprint>", "Stop trusting an imported certificate, by its SHA-256, in all profiles, and delete it", untrustIssuer)),
		ofBoth(command("acme renew <name:acme>", "Order the certificate of a profile acme now", renewACME)),
		command("acme test <name:acme>", "Go through every step of an order, and take nothing into use: with Let's Encrypt at its staging directory, with another authority up to the challenge", testACME),
		ofBoth(command("erase <what> [force]", "Delete a certificate or a private key; it asks first about one that is in use, unless force is given", erasePKI)),
		command("install license <key:text>", "Install a license key", installLicense),
		command("erase license <key:text>", "Remove a license key, by itself or by its ID in `show system licenses detail 1`; calls in progress continue", eraseLicense),
		withExample("copy running-config https://192.168.1.20/sbc01.cfg",
			worded(command("copy <from> <to> [replace] [force] [confirm <minutes:1..1440>]", "Copy a configuration, an image to flash:, a file of PKCS#12 to pki:pkcs12/NAME, or the SIP messages of a call as a capture for Wireshark (call:ID) to a URL; console: means to paste it, http URLs are written with PUT. "+
				"A copy to the running-config is merged; with replace, it replaces everything after a confirmation. force skips the confirmation, and accepts an older image. "+
				"With confirm, the running-config goes back after so many minutes, unless somebody types confirm", copyConfig), "confirm", "The running-config goes back after so many minutes unless it is confirmed")),
		whatIfCommand(),
		withExample("install-image", command("install-image [force]", "Install an image over SSH: ssh NAME@BOX install-image < FILE; force accepts an older image", installImage)),
		withExample("export call 1a2b3c4d", command("export call <id:traced>", "Write the SIP messages of a call as a capture for Wireshark, without secrets: ssh NAME@BOX export call ID > FILE.pcapng", exportCall)),
		command("export backup", "Print configuration, keys, certificates and licenses, encrypted with a passphrase; superusers only", exportBackup),
		command("check backup", "What a backup holds, and whether it could be restored: paste it; nothing is stored; superusers only", checkBackup),
		ofBoth(command("import backup", "Restore a backup, pasted; it takes effect at the next reload; superusers only", importBackup)),
		ofBoth(command("import calendar", "Take a newer calendar of announcements, signed by an issuer of licenses and pasted; `show pki calendar` shows it", importCalendar)),
		ofBoth(command("erase calendar", "Return to the calendar of this firmware", func(c *Call, _ *none) error { return c.Box.EraseCalendar() })),
		command("clock sync", "Query the time servers now and set the clock, whatever the difference", clockSync),
		worded(command("erase call-records [older-than <days:1..3650>] [force]", "Delete the records of calls, all or those that are older than some days", eraseRecords),
			"older-than", "Only those of earlier days"),
		ofBoth(command("erase startup-config", "Delete the startup-config", eraseStartup)),
		worded(command("reload [graceful] [limit <limit:1..1440>] [in <minutes:1..1440>] [force]", "Restart with the startup-config: now, after the last call (graceful), or after some minutes unless cancelled; reboots if an image is waiting. "+
			"graceful takes the box out of service as `drain` does, and restarts after limit minutes at the latest. It asks for confirmation if changes or calls would be lost, unless force is given", reload), "graceful", "When the last call has ended; new ones go elsewhere", "in", "After some minutes, unless cancelled", "limit", "At the latest after so many minutes, default 60"),
		command("no reload", "Cancel a scheduled restart; the box takes new calls again", noReload),
		worded(command("drain [limit <limit:1..1440>]", "Take the box out of service without cutting calls off: Teams gets no answer to OPTIONS, after three minutes new calls are refused with 503, except to emergency numbers, "+
			"and calls that are left after limit minutes (60) are ended. `show system` says how far it is", drainBox), drainHelp...),
		worded(command("drain context cs <name:switch> [limit <limit:1..1440>]", "The same for the interfaces of a context cs", drainContext), drainHelp...),
		worded(command("drain interface sip <name:interface> [limit <limit:1..1440>]", "The same for one interface sip, which new calls do not go out by, either", drainInterface), drainHelp...),
		command("no drain", "Take the box back into service", undrainBox),
		worded(command("no drain context cs <name:switch>", "Take a context cs back into service", undrainContext), drainHelp...),
		worded(command("no drain interface sip <name:interface>", "Take an interface sip back into service", undrainInterface), drainHelp...),
		command("clear calls [<id:call>]", "End one call, or all calls", clearCalls),
		command("clear bans [<source:banned>]", "Forget the wrong passwords from one address, or from all, and lift the bans", clearBans),
		command("clear alarm <id:raised> [<subject>]", "Acknowledge an alarm, of one subject or all: it stays in `show alarms`, but does not greet, light the LED or appear in `show config problems` until it is raised again or becomes worse; a critical one for an hour", clearAlarm),
		worded(withExample("show audit account anna since 2026-11-29", command("show audit [last <last:1..100000>] [account <account>] [since <since:moment>]",
			"Who did what to the box: logins and refused ones, bans, changes of the configuration, commands that change something; the last 50 entries by default", showAudit)),
			"last", "So many of those entries", "account", "What this account did", "since", "From then on"),
		command("clear penalty-box [<name:peer>]", "Take one peer, or all, out of the penalty box, and ask with OPTIONS at once: one that does not answer goes back", clearPenaltyBox),
		command("register now [<identity:registered>]", "Register one identity, or all, now: for example after a password was corrected", registerNow),
		worded(command("debug <topic:sip|call|route|rtp|tls|all>", "Show messages, calls, routing decisions, media or TLS events in this session, until no debug all",
			func(c *Call, a *topic) error { return c.debug(a.Topic, true) }), debugHelp...),
		captureCommand(),
		withExample("debug call 4930123", command("debug call <of:of>", "Show the SIP messages, events and routes of the calls of one number (its last digits are enough) or of one peer (its interface or address), until no debug call", debugCalls)),
		withExample("debug capture 4930123", command("debug capture <of:text>", "Keep the voice of the calls of one number (its last digits are enough), or of one call by its ID, for ten minutes, so that export call and copy call: have it without encryption; superusers only", captureVoice)),
		command("no debug capture", "End debug capture, and forget the voice that was kept", forgetVoice),
		worded(command("no debug <topic:sip|call|route|rtp|tls|all>", "Stop showing a topic", func(c *Call, a *topic) error { return c.debug(a.Topic, false) }), debugHelp...),
	}, slices.Concat(phoneCommands(), provisioningCommands(), presenceCommands(), fleetCommands(), redundancyCommands(), Operator())...)
}

// who lists sessions.
var who = state(func(c *Call, pg answer.Page) { pg.Sessions(c.Box.Sessions()) })

type named struct{ Name string }

func eraseStartup(c *Call, _ *none) error {
	if err := c.Box.EraseFile("startup-config"); err != nil {
		return fmt.Errorf("erase startup-config: %w", err)
	}
	c.Printf("startup-config erased: the next reload starts with the factory settings; `copy startup-config.1 startup-config` restores it\n")
	return nil
}

// debugHelp is the help for the topics of `debug`.
var debugHelp = []string{"sip", "SIP messages, in and out", "call", "Events of calls", "route", "The route of calls through the tables",
	"rtp", "Media counters, every five seconds", "tls", "TLS connections, and why they fail", "all", "All topics"}
