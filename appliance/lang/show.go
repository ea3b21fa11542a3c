package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/release"
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
		command("show alarms", "What is wrong now, since when, and what to do about it", showAlarms),
		command("show system", "Uptime, load, memory, temperature", showSystem),
		command("show uptime", "How long the box has run", showUptime),
		command("show call-router [<name:table>]", "Tables and services, or the lines of one", showCallRouter),
		command("show version", "Versions and serial number", showVersion),
		also(command("show calls [detail <level:0..5>]", "Calls in progress", showCalls), "show call-control calls [detail <level:0..5>]"),
		withExample("show calls history 100", command("show calls history [<calls:1..10000>] [json]",
			"The last calls that ended, 20 unless told; json prints their records, a line each", showHistory)),
		command("show calls record <id:record>", "All that is kept of a call that ended, by its ID or its Call-ID", showRecord),
		command("show sip registrations", "Registrations of our identities", showRegistrations),
		command("show sip penalty-box", "The peers: whether they answer OPTIONS, and when they last sent a request themselves", showPenaltyBox),
		command("show context sip-gateway [<name:gateway>] [detail <level:0..5>]", "Gateways and their sockets; with detail, what is heard of each peer", showGateways),
		traceCommand(),
		command("show pki", "Certificates and keys that were imported", showPKI),
		command("show pki trusted", "Roots that are built in, and issuers that peers have shown and that are not trusted", showTrusted),
		command("show clock", "Time", showClock),
		command("show sntp-client", "Where the time comes from", showSNTP),
		command("show dhcp-client", "Addresses that DHCP servers have given", showDHCP),
		also(command("show ip interface", "Network interfaces", showIPInterfaces), "show interfaces"),
		command("show ip route", "Routes", showIPRoutes),
		command("show arp", "Hosts of the attached networks, and whether they answer", showARP),
		command("show port ethernet", "Network ports", showPorts),
		command("show port ethernet <slot:0..0> <port:0..7>", "One of them, with its counters", showPort),
		command("show log [<lines:1..100000>]", "The last lines of the log", showLog),
		command("show log follow", "The last lines of the log, and new ones as they come, until Ctrl-C", followLog),
		command("show tech-support", "Everything that support needs to see; secrets are left out", showTechSupport),
		command("show accounts", "Who may log in", showAccounts),
		command("show bans", "Where wrong passwords came from in the last ten minutes, and who is shut out for them", showBans),
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

// showLicenses prints the guide's table, all six figures in every row, and then keys as lines to be pasted, which only those who
// may install them see whole.
func showLicenses(c *call, a *detail) error {
	l := c.box.Licenses()
	c.printf("Local Licenses\n\nSerial Number: %s\n\n", l.Serial)
	c.printf("%-16s %6s + %6s + %6s = %6s = %6s + %6s\n", "", "Blt-In", "Inst.", "Leased", "Total", "Alloc", "Free")
	for _, p := range l.Pools {
		c.printf("%-16s %6d   %6d   %6d   %6d   %6d   %6d\n", p.Name, p.BuiltIn, p.Installed, p.Leased, p.Total, p.Alloc, p.Free)
	}
	for _, p := range l.Peaks {
		c.printf("%s: at most %d at once since the start, %d refused\n", p.Name, p.Most, p.Refused)
	}
	c.printf("\n")
	for _, f := range l.Features {
		c.printf("%-16s %6s\n", f.Name, yesNo(f.Enabled))
	}
	for _, k := range l.Keys {
		if a.Level == 0 {
			break
		}
		c.printf("\n# %s\n", k.About)
		if !c.masked() {
			c.printf("install license %s\n", k.Key)
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func showVersion(c *call, _ *none) error {
	v := c.box.System()
	now := c.box.Clock().Now
	c.printf("%s (Board:%s; Serial:%s; Software Version:%s; %s)\n", v.Product, v.Board, v.Serial, v.Release, v.GoVersion)
	if v.Commit != "" {
		c.printf("Commit: %s\n", v.Commit)
	}
	if !v.Built.IsZero() {
		c.printf("Built: %s\n", release.Time(v.Built))
	}
	if !v.Started.IsZero() {
		c.printf("Up for %s\n", span(now.Sub(v.Started)))
	}
	if r := c.box.Coming(); r != nil {
		c.printf("Reload %s\n", r.In(now))
	}
	for _, line := range []struct{ name, value string }{
		{"Memory", fmt.Sprintf("%.1f MiB", float64(v.Memory)/(1<<20))}, {"Load", v.Load}, {"Temperature", temperature(v)},
	} {
		if line.value != "" {
			c.printf("%s: %s\n", line.name, line.value)
		}
	}
	return nil
}

// span prints a duration as an administrator reads it.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	days := d / (24 * time.Hour)
	h, m, s := d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	if days > 0 {
		return fmt.Sprintf("%dd %02d:%02d:%02d", days, h, m, s)
	}
	return fmt.Sprintf("%02d:%02d:%02d", h, m, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
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

func who(c *call, _ *none) error {
	rows := [][]string{{"User", "Class", "Terminal", "Since"}}
	for _, s := range c.box.Sessions() {
		rows = append(rows, []string{dash(s.User), s.Class, dash(s.TTY), c.local(s.Since)})
	}
	c.page().Columns(rows)
	return nil
}
