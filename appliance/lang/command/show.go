package command

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
)

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// showCommands show state and change nothing.
func showCommands() []cli.Line {
	return []cli.Line{
		command("show running-config", "The active configuration", showRunning),
		command("show startup-config [<n:version>]", "The saved configuration, or the Nth one before it", showStartup),
		command("show config diff [<a>] [<b>]", "The differences between two configurations; without names, the changes that a reload would undo", showDiff),
		command("show config problems", "Problems of the configuration, and how to fix them", showProblems),
		also(command("show system licenses [detail <level:0..5>]", "License counters; with detail, also the installed keys", showLicenses),
			"show licenses [detail <level:0..5>]"),
		command("show system images", "Firmware images: which one is running, which one starts next, and whether it is on trial", showImages),
		command("show alarms", "Active alarms, since when, and what to do about them", state(func(c *Call, pg answer.Page) { pg.Alarms(c.Box.Alarms()) })),
		command("show alarms history [<alarms:1..500>]", "Alarms of the past: when each was raised, for how long, and how often; the last 50 by default", showAlarmHistory),
		command("show system", "Uptime, load, memory, temperature", state(func(c *Call, pg answer.Page) {
			pg.System(c.Box.System(), c.now(), c.coming(), c.Box.CallCount(), len(c.Box.Sessions()))
		})),
		command("show uptime", "How long the box has run", state(func(c *Call, pg answer.Page) { pg.Uptime(c.Box.System(), c.now()) })),
		command("show call-router [<name:table>]", "Tables and services, or the lines of one of them", showCallRouter),
		command("show version", "Versions and serial number", state(func(c *Call, pg answer.Page) { pg.Version(c.Box.System(), c.now(), c.coming()) })),
		also(command("show calls [detail <level:0..5>]", "Calls in progress", showCalls), "show call-control calls [detail <level:0..5>]"),
		historyCommand(),
		worded(command("show calls statistics [<span:hour|day>]", "Calls of the last hour or day, a day by default: how many came, were answered and failed, and why", showTraffic),
			"hour", "The last hour", "day", "The last 24 hours; the default"),
		command("show call-records", "How long records of calls are kept, and how far they have been sent", state(func(c *Call, pg answer.Page) { pg.CallRecords(c.Box.CallArchive(), c.now()) })),
		command("show calls record <id:record>", "The full record of a past call, by its ID or Call-ID", showRecord),
		command("show calls explain <id:record>", "What became of a call, in sentences: its way, the destinations that were tried, who ended it and why, its voice, and what to do",
			explainCall),
		withExample("show calls ladder 1a2b3c4d", worded(command("show calls ladder <id:traced> [detail]", "The SIP messages of a call as a ladder, by its ID or Call-ID; with detail, also their text, without secrets", showLadder),
			"detail", "Also the text of the messages")),
		command("show sip registrations", "Registrations of our identities", state(func(c *Call, pg answer.Page) { pg.Registrations(c.Box.Registrations(), c.now()) })),
		command("show sip penalty-box", "Peers: whether they respond to OPTIONS, and when they last sent a request", state(func(c *Call, pg answer.Page) { pg.Peers(c.Box.Peers(), c.now()) })),
		command("show sip events", "Who is on the phone and which messages wait, as the PBX tells: subscriptions there (presence subscribe dialog, notify message-waiting), and what it publishes here (use presence-service); what the box publishes there (publish interface); and who has subscribed here: keys and lamps of phones, and peers that watch Teams users",
			state(func(c *Call, pg answer.Page) { pg.Events(c.Box.Events(), c.now()) })),
		command("show peer [<name:peer>]", "Peers of the SIP interfaces in full: last requests each way, connections and their certificates, calls and failures of the last hour, and why calls stay away", showPeer),
		command("show context sip-gateway [<name:gateway>] [detail <level:0..5>]", "Gateways and their sockets; with detail, also their peers", showGateways),
		traceCommand(),
		command("show acme [<name:acme>]", "Certificates that the box obtains by itself: their states, next renewals, and TXT records to set", showACME),
		command("show pki", "Imported certificates and keys", showPKI),
		command("show pki trusted", "Built-in roots, and untrusted issuers that peers have presented", showTrusted),
		command("show pki calendar", "What is announced for certificates and roots, with sources: what concerns this box comes first",
			state(func(c *Call, pg answer.Page) { pg.Calendar(c.Box.Calendar(), c.now()) })),
		command("show pki peers", "Certificates that the peers showed this week and the week before, and what has changed",
			state(func(c *Call, pg answer.Page) { pg.PeerChains(c.Box.PeerChains()) })),
		command("show pki internal-ca", "The root of the internal CA, to be handed to phones and browsers, and the certificates that it has issued",
			state(func(c *Call, pg answer.Page) { pg.InternalCA(c.Box.InternalCA()) })),
		command("show clock", "Date and time", state(func(c *Call, pg answer.Page) { pg.Time(c.Box.Clock()) })),
		command("show sntp-client", "Time servers and synchronisation", state(func(c *Call, pg answer.Page) { pg.TimeServers(c.Box.Clock()) })),
		command("show dhcp-client", "Addresses from DHCP servers", state(func(c *Call, pg answer.Page) { pg.Leases(c.Box.IPInterfaces(), c.now()) })),
		also(command("show ip interface", "Network interfaces", state(func(c *Call, pg answer.Page) { pg.IPInterfaces(c.Box.IPInterfaces()) })), "show interfaces"),
		command("show ip route", "Routes", state(func(c *Call, pg answer.Page) { pg.Routes(c.Box.IPRoutes()) })),
		command("show arp", "Hosts on the attached networks, and whether they respond", showARP),
		command("show port ethernet", "Network ports", state(func(c *Call, pg answer.Page) { pg.Ports(c.Box.Ports()) })),
		command("show port ethernet <slot:0..0> <port:0..7>", "One network port, with its counters", showPort),
		logCommand(),
		command("show tech-support", "Everything that support needs, without secrets", showTechSupport),
		command("show snmp", "The SNMP engine, its sockets, requests and refusals", state(func(c *Call, pg answer.Page) { pg.SNMP(c.Box.SNMP()) })),
		command("show hep-client", "The capture server: whether it is reached, packets sent and shed, and the last error",
			state(func(c *Call, pg answer.Page) { pg.HEP(c.Box.HEP(), c.now()) })),
		withExample("show phones 21", command("show phones [<identity:phone>]", "Phones: which have registered as each identity, where they are, and their models; or everything about one identity", showPhones)),
		command("show sip bindings", "Where the phones are that have registered: contact, source, transport, and until when", state(func(c *Call, pg answer.Page) { pg.Bindings(c.Box.Bindings(), c.now()) })),
		command("show provisioning", "What phones fetch here: services, the phones of each with their last fetch and refusal, strangers, templates, hosts whose files are passed on", state(func(c *Call, pg answer.Page) { pg.Provisioning(c.Box.Provisioning(), c.now()) })),
		withExample("show provisioning template yealink", command("show provisioning template <name:provisioning-template>", "A template of files for phones as it is, to be changed and imported", showProvisioningTemplate)),
		command("show survival [<name:survival>]", "Whether calls go other ways because a peer is gone, since when, and which", showSurvival),
		withExample("show presence anna@contoso.com", command("show presence [<user:presence-user>]", "Presence of Teams users: how each service is, and each user, since when, and what was done; or everything about one user", showPresence)),
		command("show fleet", "The box as a member of a fleet: how it is connected with its hub, the licenses that it has from there, connections of operators, and what waits to be sent", showFleet),
		command("show fleet key", "The key file that the hub is given, to be copied: its name, its serial number and its public key; nothing of it is secret", showFleetKey),
		command("show redundancy", "The box as one of a pair: which is active and why, how the other box and each port are seen, what was copied, what differs, and who took over when", showRedundancy),
		command("show redundancy key [<number:1..2>]", "The line by which both boxes of a pair know this one, to be entered under redundancy as box 1 or 2; nothing of it is secret", showRedundancyKey),
		command("show webserver", "The web page: where it is served, its certificate with its SHA-256, and at the box the code with which the first account is made", showWebServer),
		command("show accounts", "Accounts that can log in", showAccounts),
		command("show bans", "Sources of wrong passwords in the last ten minutes, and which of them are banned", state(func(c *Call, pg answer.Page) { pg.Bans(c.Box.Bans()) })),
	}
}

func showRunning(c *Call, _ *none) error {
	_, err := c.Out.Write(c.Language.Print(c.Box.Running(), c.masked()))
	return err
}

type startupArgs struct{ N int }

func showStartup(c *Call, a *startupArgs) error {
	name := "startup-config"
	if a.N > 0 {
		name += fmt.Sprintf(".%d", a.N)
	}
	text, err := SavedText(c.Language, c.Box, name, c.masked())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: `copy running-config startup-config` writes one, and keeps those before it", name)
	}
	if err != nil {
		return err
	}
	_, err = c.Out.Write(text)
	return err
}

func showProblems(c *Call, _ *none) error {
	c.page().Problems(check.Merge(append(c.Language.Problems(c.Box), check.OfAlarms(c.Box.Alarms())...)))
	return nil
}

// showWebServer shows the set-up code at the box only: who reads it must stand there.
func showWebServer(c *Call, _ *none) error {
	code := ""
	if c.Session.Local() {
		code = c.Box.SetupCode()
	}
	c.page().Web(c.Box.Web(), code)
	return nil
}

func showAccounts(c *Call, _ *none) error {
	rows := [][]string{{"Class", "Name", "Password"}}
	for _, a := range c.Box.Running().Accounts {
		rows = append(rows, []string{string(a.Class), a.Name, map[bool]string{true: "none: no remote login", false: "set"}[a.Password == ""]})
	}
	if len(rows) == 1 {
		return errors.New("no accounts: only the serial line is open")
	}
	c.page().Columns(rows)
	return nil
}

// techSupport are the commands whose output support asks for.
var techSupport = []string{
	"show version", "show system", "show clock", "show sntp-client", "show alarms", "show alarms history", "show config problems", "show running-config", "show config diff",
	"show system images", "show system licenses", "show port ethernet", "show ip interface", "show ip route", "show arp", "show dhcp-client",
	"show pki", "show pki calendar", "show pki peers", "show context sip-gateway", "show sip registrations", "show sip penalty-box", "show peer", "show call-router", "show calls detail 5", "show calls statistics",
	"show calls history 50", "show call-records", "show hep-client", "show presence", "show phones", "show provisioning", "show sip bindings", "show survival", "show sip events", "show fleet", "show redundancy", "show snmp", "show webserver", "show accounts", "show bans", "show users", "show log 300 raw",
}

// showTechSupport prints the output of many commands as an operator sees it, without secrets.
func showTechSupport(c *Call, _ *none) error {
	s := *c.Session
	s.Mode, s.Class, s.TTY = nil, config.Operator, "tech-support" // which is no place for the set-up code
	for _, line := range techSupport {
		c.Printf("\n---- %s ----\n\n", line)
		if _, err := c.Language.Exec(c.Ctx, c.Box, &s, line, nil, c.Out); c.Ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// state makes the function of a command that has no arguments and cannot fail.
func state(write func(c *Call, pg answer.Page)) func(*Call, *none) error {
	return func(c *Call, _ *none) error {
		write(c, c.page())
		return nil
	}
}

func (c *Call) now() time.Time { return c.Box.Clock().Now }

// coming says when a scheduled reload happens; "" if there is none.
func (c *Call) coming() string {
	if r := c.Box.Coming(); r != nil {
		return r.In(c.now())
	}
	return ""
}

type detail struct{ Level int }

func showCalls(c *Call, a *detail) error {
	c.page().Calls(c.Box.Calls(), a.Level, c.now())
	return nil
}

type trafficArgs struct{ Span string }

func showTraffic(c *Call, a *trafficArgs) error {
	last := 24 * time.Hour
	if a.Span == "hour" {
		last = time.Hour
	}
	c.page().Traffic(c.Box.Traffic(last), c.Box.Licenses().Peaks)
	return nil
}

type recordArgs struct{ ID string }

// found are the records of calls with this ID, or the Call-ID of one of its legs.
func (c *Call) found(id string) ([]status.Record, error) {
	found, err := c.Box.FindCalls(status.RecordSearch{Call: id})
	if err == nil && (id == "" || len(found.Records) == 0) {
		return nil, fmt.Errorf("no record of a call %q: `show calls history` lists them", id)
	}
	return found.Records, err
}

func showRecord(c *Call, a *recordArgs) error {
	records, err := c.found(a.ID)
	for _, r := range records {
		c.page().Record(r)
	}
	return err
}

func explainCall(c *Call, a *recordArgs) error {
	if r, ok := c.Box.CallInProgress(a.ID); ok {
		c.page().Explanation(r, c.now())
		return nil
	}
	records, err := c.found(a.ID)
	for _, r := range records {
		c.page().Explanation(r, c.now())
	}
	return err
}

type portArgs struct{ Slot, Port int }

func showPort(c *Call, a *portArgs) error {
	for _, p := range c.Box.Ports() {
		if p.Slot == a.Slot && p.Port == a.Port {
			c.page().Port(p)
			return nil
		}
	}
	return fmt.Errorf("there is no port ethernet %d %d in the configuration", a.Slot, a.Port)
}

func clockSync(c *Call, _ *none) error {
	if err := c.Box.SyncClock(c.Ctx); err != nil {
		return fmt.Errorf("clock sync: %w", err)
	}
	c.page().Time(c.Box.Clock())
	return nil
}

type gatewayArgs struct {
	Name  string
	Level int
}

func showGateways(c *Call, a *gatewayArgs) error {
	list := slices.DeleteFunc(c.Box.Gateways(), func(g status.Gateway) bool {
		return len(g.Interfaces) == 0 || a.Name != "" && config.SameName(a.Name) != config.SameName(g.Name)
	})
	switch {
	case len(list) == 0 && a.Name != "":
		return fmt.Errorf("no such context sip-gateway: %s", a.Name)
	case len(list) == 0 || a.Level == 0:
		c.page().Gateways(list)
		return nil
	}
	peers := c.Box.Peers()
	for _, g := range list {
		c.page().Gateway(g, usersOfGateway(c.Box.Running(), g.Name), peers)
	}
	return nil
}

// usersOfGateway lists the interfaces sip of a gateway, as status.Peer names them.
func usersOfGateway(cfg *config.Config, gateway string) (users []string) {
	for _, s := range cfg.CS {
		for _, i := range s.Interfaces {
			if config.SameName(i.Gateway.Name) == config.SameName(gateway) {
				users = append(users, i.ID().String())
			}
		}
	}
	return users
}

func showARP(c *Call, _ *none) error {
	list, err := c.Box.Neighbours()
	if err != nil {
		return fmt.Errorf("neighbours: %w", err)
	}
	c.page().Neighbours(list)
	return nil
}

func showImages(c *Call, _ *none) error {
	images, err := c.Box.Images(c.Ctx)
	if err != nil {
		return err
	}
	c.page().Images(images)
	return nil
}

// showLicenses shows the license keys only to administrators.
func showLicenses(c *Call, a *detail) error {
	c.page().Licenses(c.Box.Licenses(), a.Level > 0, c.masked())
	return nil
}

// showKeys shows the items of the key store that wanted selects.
func (c *Call) showKeys(wanted func(status.Key) bool) {
	keys := slices.DeleteFunc(c.Box.PKI(), func(k status.Key) bool { return !wanted(k) })
	c.page().Keys(keys, check.KeyUsers(c.Box.Running()), c.now())
}

func showPKI(c *Call, _ *none) error {
	c.showKeys(func(k status.Key) bool { return k.Kind != status.KeyTrusted })
	return nil
}

// showTrusted shows the trust anchors, then the issuers that are not trusted.
func showTrusted(c *Call, _ *none) error {
	anchors := map[string]bool{}
	for _, t := range c.Box.Running().TLS {
		for _, n := range t.Trusted {
			anchors[string(n)] = true
		}
	}
	c.showKeys(func(k status.Key) bool {
		return k.Kind == status.KeyTrusted || anchors["pki:"+string(k.Kind)+"/"+k.Name]
	})
	c.page().UnknownIssuers(c.Box.UnknownIssuers())
	return nil
}
