package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"viaduct/appliance/lang/answer"
	"viaduct/appliance/printable"
)

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// showCommands look at something and change nothing.
func showCommands() []Line {
	return []Line{
		command("show running-config", "The configuration in force", showRunning),
		command("show startup-config [<n:version>]", "The saved configuration, or the Nth one before it", showStartup),
		command("show config diff [<a>] [<b>]", "What differs between two configurations; without names, what a reload would undo", showDiff),
		command("show config problems", "What is wrong with the configuration, and how to put it right", showProblems),
		also(command("show system licenses [detail <level:0..5>]", "License counters; with detail, the installed keys and what each gives", showLicenses),
			"show licenses [detail <level:0..5>]"),
		command("show system images", "The images that the box holds: which runs, which starts next, and whether it is on trial", showImages),
		command("show alarms", "What is wrong now, since when, and what to do about it", state(func(c *call, pg answer.Page) { pg.Alarms(c.box.Alarms()) })),
		command("show system", "Uptime, load, memory, temperature", state(func(c *call, pg answer.Page) {
			pg.System(c.box.System(), c.now(), c.coming(), c.box.CallCount(), len(c.box.Sessions()))
		})),
		command("show uptime", "How long the box has run", state(func(c *call, pg answer.Page) { pg.Uptime(c.box.System(), c.now()) })),
		command("show call-router [<name:table>]", "Tables and services, or the lines of one", showCallRouter),
		command("show version", "Versions and serial number", state(func(c *call, pg answer.Page) { pg.Version(c.box.System(), c.now(), c.coming()) })),
		also(command("show calls [detail <level:0..5>]", "Calls in progress", showCalls), "show call-control calls [detail <level:0..5>]"),
		withExample("show calls history 100", command("show calls history [<calls:1..10000>] [json]",
			"The last calls that ended, 20 unless told; json prints their records, a line each", showHistory)),
		command("show calls record <id:record>", "All that is kept of a call that ended, by its ID or its Call-ID", showRecord),
		command("show sip registrations", "Registrations of our identities", state(func(c *call, pg answer.Page) { pg.Registrations(c.box.Registrations(), c.now()) })),
		command("show sip penalty-box", "The peers: whether they answer OPTIONS, and when they last sent a request themselves", state(func(c *call, pg answer.Page) { pg.Peers(c.box.PenaltyBox(), c.now()) })),
		command("show context sip-gateway [<name:gateway>] [detail <level:0..5>]", "Gateways and their sockets; with detail, what is heard of each peer", showGateways),
		traceCommand(),
		command("show pki", "Certificates and keys that were imported", showPKI),
		command("show pki trusted", "Roots that are built in, and issuers that peers have shown and that are not trusted", showTrusted),
		command("show clock", "Time", state(func(c *call, pg answer.Page) { pg.Time(c.box.Clock()) })),
		command("show sntp-client", "Where the time comes from", state(func(c *call, pg answer.Page) { pg.TimeServers(c.box.Clock()) })),
		command("show dhcp-client", "Addresses that DHCP servers have given", state(func(c *call, pg answer.Page) { pg.Leases(c.box.IPInterfaces(), c.now()) })),
		also(command("show ip interface", "Network interfaces", state(func(c *call, pg answer.Page) { pg.IPInterfaces(c.box.IPInterfaces()) })), "show interfaces"),
		command("show ip route", "Routes", state(func(c *call, pg answer.Page) { pg.Routes(c.box.IPRoutes()) })),
		command("show arp", "Hosts of the attached networks, and whether they answer", showARP),
		command("show port ethernet", "Network ports", state(func(c *call, pg answer.Page) { pg.Ports(c.box.Ports()) })),
		command("show port ethernet <slot:0..0> <port:0..7>", "One of them, with its counters", showPort),
		command("show log [<lines:1..100000>]", "The last lines of the log", showLog),
		command("show log follow", "The last lines of the log, and new ones as they come, until Ctrl-C", followLog),
		command("show tech-support", "Everything that support needs to see; secrets are left out", showTechSupport),
		command("show accounts", "Who may log in", showAccounts),
		command("show bans", "Where wrong passwords came from in the last ten minutes, and who is shut out for them", state(func(c *call, pg answer.Page) { pg.Bans(c.box.Bans()) })),
	}
}

func showRunning(c *call, _ *none) error {
	_, err := c.out.Write(c.lang.Print(c.box.Running(), c.masked()))
	return err
}

type startupArgs struct{ N int }

func showStartup(c *call, a *startupArgs) error {
	name := "startup-config"
	if a.N > 0 {
		name += fmt.Sprintf(".%d", a.N)
	}
	text, err := c.box.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: `copy running-config startup-config` writes one, and keeps those before it", name)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if c.masked() {
		cfg, _ := c.lang.Parse(text)
		text = c.lang.Print(cfg, true)
	}
	_, err = c.out.Write(text)
	return err
}

func showProblems(c *call, _ *none) error {
	c.page().Problems(c.lang.Check(c.box.Running(), c.box.Env()))
	return nil
}

type lines struct{ Lines int }

func showLog(c *call, a *lines) error {
	if a.Lines == 0 {
		a.Lines = 100
	}
	for _, l := range c.box.Log(a.Lines) {
		c.printf("%s\n", l)
	}
	return nil
}

func followLog(c *call, _ *none) error {
	const before = 10
	c.live()
	for _, l := range c.box.Log(before) {
		c.printf("%s\n", l)
	}
	err := c.box.FollowLog(c.ctx, func(line string) error {
		_, err := fmt.Fprintf(c.out, "%s\n", printable.Line(line))
		return err
	})
	if c.ctx.Err() != nil {
		return nil
	}
	return err
}

func showAccounts(c *call, _ *none) error {
	rows := [][]string{{"Class", "Name", "Password"}}
	for _, a := range c.box.Running().Accounts {
		rows = append(rows, []string{string(a.Class), a.Name, map[bool]string{true: "none: no remote login", false: "set"}[a.Password == ""]})
	}
	if len(rows) == 1 {
		return errors.New("no accounts: only the serial line is open")
	}
	c.page().Columns(rows)
	return nil
}
