package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/release"
)

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// showCommands look at something and change nothing.
func showCommands() []Line {
	return []Line{
		command("show running-config", "The configuration in force", showRunning),
		command("show startup-config [<n:1..10>]", "The saved configuration, or the Nth one before it", showStartup),
		command("show config diff [<a>] [<b>]", "What differs between two configurations; without names, what a reload would undo", showDiff),
		command("show config problems", "What is wrong with the configuration, and how to put it right", showProblems),
		command("show system licenses [detail <level:0..5>]", "License counters; with detail, the installed keys and what each gives", showLicenses),
		command("show system images", "The images that the box holds: which runs, which starts next, and whether it is on trial", showImages),
		command("show system", "Uptime, load, memory, temperature", showSystem),
		command("show call-router [<name>]", "Tables and services, or the lines of one", showCallRouter),
		command("show version", "Versions and serial number", showVersion),
		command("show calls [detail <level:0..5>]", "Calls in progress", showCalls),
		withExample("show calls history 100", command("show calls history [<calls:1..10000>] [json]",
			"The last calls that ended, 20 unless told; json prints their records, a line each", showHistory)),
		command("show calls record <id:text>", "All that is kept of a call that ended, by its ID or its Call-ID", showRecord),
		command("show sip registrations", "Registrations of our identities", showRegistrations),
		command("show sip penalty-box", "Peers that are asked with OPTIONS", showPenaltyBox),
		command("show context sip-gateway [<name>]", "Gateways and their sockets", showGateways),
		traceCommand(),
		command("show pki", "Certificates and keys that were imported", showPKI),
		command("show pki trusted", "Roots that are built in, and issuers that peers have shown and that are not trusted", showTrusted),
		command("show clock", "Time", showClock),
		command("show sntp-client", "Where the time comes from", showSNTP),
		command("show dhcp-client", "Addresses that DHCP servers have given", showDHCP),
		command("show ip interface", "Network interfaces", showIPInterfaces),
		command("show ip route", "Routes", showIPRoutes),
		command("show port ethernet", "Network ports", showPorts),
		command("show log [<lines:1..100000>]", "The last lines of the log", showLog),
		command("show log follow", "The last lines of the log, and new ones as they come, until Ctrl-C", followLog),
		command("show accounts", "Who may log in", showAccounts),
	}
}

// columns lays a table out.
func (c *call) columns(rows [][]string) {
	w := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	w.Flush()
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
	problems := c.lang.Check(c.box.Running(), c.box.Env())
	if len(problems) == 0 {
		c.printf("No problems.\n")
		return nil
	}
	count := map[Severity]int{}
	for _, p := range problems {
		count[p.Severity]++
		c.printf("%s: %s\n", p.Severity, p.Text)
		for _, w := range append([]Where{{Path: p.Path, Source: p.Source}}, p.Also[:min(len(p.Also), alsoShown)]...) {
			if w.Source != "" {
				c.printf("  in: %s\n", strings.Join(append(slices.Clone(w.Path), w.Source), " / "))
			}
		}
		if more := len(p.Also) - alsoShown; more > 0 {
			c.printf("  and in %s\n", plural(more, "more line"))
		}
		if p.Fix == "" {
			continue
		}
		c.printf("  fix:\n")
		path := p.Path
		if p.FixPath != nil {
			path = p.FixPath
		}
		for _, line := range append(slices.Clone(path), p.Fix) {
			c.printf("    %s\n", line)
		}
	}
	c.printf("%s, %s, %s\n", plural(count[Error], "error"), plural(count[Warning], "warning"), plural(count[Note], "note"))
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
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
	v := c.box.Version()
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
	for _, line := range []struct{ name, value string }{
		{"Memory", fmt.Sprintf("%.1f MiB", float64(v.Memory)/(1<<20))}, {"Load", v.Load}, {"Temperature", v.Temperature},
	} {
		if line.value != "" {
			c.printf("%s: %s\n", line.name, line.value)
		}
	}
	return nil
}

// milliseconds prints a round trip; in a LAN it takes less than one.
func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
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

type detail struct{ Level int }

func showCalls(c *call, a *detail) error {
	calls := c.box.Calls()
	now := c.box.Clock().Now
	rows := [][]string{{"ID", "State", "Calling", "Called", "From", "To", "Time"}}
	for _, x := range calls {
		since := x.Started
		if !x.Connected.IsZero() {
			since = x.Connected
		}
		rows = append(rows, []string{x.ID, x.State, dash(x.Calling), dash(x.Called), x.From, dash(x.To), span(now.Sub(since))})
	}
	if a.Level == 0 {
		if len(calls) > 0 {
			c.columns(rows)
		}
		c.printf("%s\n", plural(len(calls), "call"))
		return nil
	}
	for i, x := range calls {
		c.columns([][]string{rows[0], rows[i+1]})
		for _, l := range x.Legs {
			c.printf("  %s with %s\n", l.Interface, dash(l.Peer))
			c.printf("    Call-ID: %s\n", l.CallID)
			c.printf("    Media: %s, SRTP %s, %s to %s\n", dash(l.Codec), dash(l.Security), dash(l.Local), dash(l.Remote))
			if a.Level > 1 {
				c.printf("    Packets: %d in, %d out, %d lost, jitter %.1f ms\n", l.PacketsIn, l.PacketsOut, l.Lost, l.JitterMS)
				c.printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(l.MOS, "%.2f"), max(l.BurstRatio, 1), known(l.RoundTripMS, "%.1f ms"))
			}
		}
	}
	c.printf("%s\n", plural(len(calls), "call"))
	return nil
}

// known formats a figure that is zero when it is not known.
func known(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func showRegistrations(c *call, _ *none) error {
	list := c.box.Registrations()
	now := c.box.Clock().Now
	for _, r := range list {
		c.printf("SIP Registration: %s\n", r.Identity)
		c.printf("  State: %s\n", r.State)
		c.printf("  Address: %s\n", dash(r.AOR))
		c.printf("  Registrar: %s\n", dash(r.Registrar))
		if r.Code > 0 {
			c.printf("  Last answer: %d %s\n", r.Code, r.Reason)
		} else if r.Reason != "" {
			c.printf("  Last answer: %s\n", r.Reason)
		}
		if !r.Expires.IsZero() {
			c.printf("  Expires in: %s\n", span(r.Expires.Sub(now)))
		}
		if !r.NextTry.IsZero() {
			c.printf("  Next try in: %s\n", span(max(0, r.NextTry.Sub(now))))
		}
	}
	c.printf("%s\n", plural(len(list), "registration"))
	return nil
}

func showPenaltyBox(c *call, _ *none) error {
	now := c.box.Clock().Now
	rows := [][]string{{"Interface", "Peer", "State", "For", "Last answer", "RTT", "Next"}}
	for _, p := range c.box.PenaltyBox() {
		state, since, rtt, next := "up", "-", "-", "-"
		if p.Boxed {
			state = "in penalty box"
		}
		if !p.Since.IsZero() {
			since = span(now.Sub(p.Since))
		}
		if p.RTT > 0 {
			rtt = milliseconds(p.RTT)
		}
		if !p.NextProbe.IsZero() {
			next = span(max(0, p.NextProbe.Sub(now)))
		}
		rows = append(rows, []string{p.Interface, p.Peer, state, since, dash(p.LastAnswer), rtt, next})
	}
	if len(rows) == 1 {
		c.printf("No interface has a penalty-box.\n")
		return nil
	}
	c.columns(rows)
	return nil
}

type named struct{ Name string }

func showGateways(c *call, a *named) error {
	rows := [][]string{{"Gateway", "Interface", "State", "Listening on", "Connections"}}
	for _, g := range c.box.Gateways() {
		if a.Name != "" && config.SameName(a.Name) != config.SameName(g.Name) {
			continue
		}
		state := g.State
		if g.Err != "" {
			state += ": " + g.Err
		}
		rows = append(rows, []string{g.Name, g.Interface, state, dash(strings.Join(g.Listen, ", ")), fmt.Sprint(g.Connections)})
	}
	if len(rows) == 1 {
		if a.Name != "" {
			return fmt.Errorf("no such context sip-gateway: %s", a.Name)
		}
		c.printf("No gateway is configured.\n")
		return nil
	}
	c.columns(rows)
	return nil
}

func showPKI(c *call, _ *none) error {
	c.printPKI(func(k PKIItem) bool { return k.Kind != "trusted" })
	return nil
}

// showTrusted prints trust anchors, then what could become one.
func showTrusted(c *call, _ *none) error {
	anchors := map[string]bool{}
	for _, t := range c.box.Running().TLS {
		for _, n := range t.Trusted {
			anchors[string(n)] = true
		}
	}
	c.printPKI(func(k PKIItem) bool { return k.Kind == "trusted" || anchors["pki:"+k.Kind+"/"+k.Name] })
	for _, u := range c.box.Untrusted() {
		c.printf("not trusted: %s\n", u.Subject)
		c.printf("  Issuer: %s\n", u.Issuer)
		c.printf("  Valid until: %s\n", u.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
		c.printf("  SHA-256: %s\n", u.SHA256)
		c.printf("  Shown by: %s on %s, last %s\n", u.Peer, u.Gateway, u.Last.UTC().Format("2006-01-02 15:04:05 UTC"))
		c.printf("  To trust it: pki trust %s\n", u.SHA256)
	}
	return nil
}

// printPKI prints those things of the key store that are wanted.
func (c *call) printPKI(wanted func(PKIItem) bool) {
	used := usersOfKeys(c.lang, c.box.Running())
	now := c.box.Clock().Now
	for _, k := range c.box.PKI() {
		if !wanted(k) {
			continue
		}
		name := "pki:" + k.Kind + "/" + k.Name
		if k.Kind == "trusted" {
			name = "built-in root " + k.Name
		}
		c.printf("%s\n", name)
		c.printf("  Key: %s\n", dash(k.KeyType))
		if k.Subject != "" {
			c.printf("  Subject: %s\n", k.Subject)
			if len(k.Names) > 0 {
				c.printf("  Names: %s\n", strings.Join(k.Names, ", "))
			}
			c.printf("  Issuer: %s\n", k.Issuer)
			expiry := k.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC")
			if now.After(k.NotAfter) {
				expiry += " (EXPIRED)"
			} else if days := int(k.NotAfter.Sub(now).Hours() / 24); days < 30 {
				expiry += fmt.Sprintf(" (in %s)", plural(days, "day"))
			}
			c.printf("  Valid until: %s\n", expiry)
			if k.Chain > 1 {
				c.printf("  Chain: %s\n", plural(k.Chain, "certificate"))
			}
		}
		if k.Kind != "trusted" {
			c.printf("  Used by: %s\n", dash(strings.Join(used[name], "; ")))
		}
	}
}

// usersOfKeys lists, for each name in the key store, the lines that refer to it.
func usersOfKeys(l *Language, cfg *config.Config) map[string][]string {
	used := map[string][]string{}
	for _, t := range cfg.TLS {
		all := []config.PKIName{t.PrivateKey}
		for _, o := range t.Own {
			all = append(all, o.Name)
		}
		for _, n := range append(all, t.Trusted...) {
			used[string(n)] = append(used[string(n)], "profile tls "+t.Name)
		}
	}
	return used
}

// local prints a time as a clock on the wall shows it.
func (c *call) local(t time.Time) string {
	return t.In(c.box.Running().Clock.Location()).Format("2006-01-02 15:04:05 -07:00 MST")
}

func showClock(c *call, _ *none) error {
	now := c.box.Clock()
	c.printf("%s\n", c.local(now.Now))
	if !now.Synced {
		c.printf("Not synchronised.\n")
	}
	return nil
}

func showSNTP(c *call, _ *none) error {
	k := c.box.Clock()
	c.printf("Synchronised: %s\n", yesNo(k.Synced))
	if k.Server != "" {
		c.printf("Server: %s, stratum %d\n", k.Server, k.Stratum)
	}
	if !k.Last.IsZero() {
		c.printf("Last answer: %s ago, offset %s\n", span(k.Now.Sub(k.Last)), k.Offset.Round(time.Microsecond))
	}
	if k.Err != "" {
		c.printf("Trouble: %s\n", k.Err)
	}
	if !k.Next.IsZero() {
		c.printf("Next query in: %s, every %s\n", span(max(0, k.Next.Sub(k.Now))), k.Interval)
	}
	if k.Adjusted {
		c.printf("Drift: %+.3f ppm\n", k.Drift)
	} else {
		c.printf("The clock is kept by somebody else, and only compared.\n")
	}
	if len(k.Servers) == 0 {
		return nil
	}
	rows := [][]string{{"", "Role", "Server", "Address", "Stratum", "Offset", "Distance", "Last answer", "Trouble"}}
	for _, s := range k.Servers {
		row := []string{map[bool]string{true: "*", false: " "}[s.Used], s.Role, s.Host, dash(s.Addr), "-", "-", "-", "-", dash(s.Err)}
		if !s.Last.IsZero() {
			row[4], row[5], row[6] = fmt.Sprint(s.Stratum), s.Offset.Round(time.Microsecond).String(), s.Distance.Round(time.Microsecond).String()
			row[7] = span(k.Now.Sub(s.Last)) + " ago"
		}
		rows = append(rows, row)
	}
	c.columns(rows)
	return nil
}

func showDHCP(c *call, _ *none) error {
	found := false
	now := c.box.Clock().Now
	for _, i := range c.box.IPInterfaces() {
		l := i.DHCP
		if l == nil {
			continue
		}
		found = true
		c.printf("Interface: %s on %s\n  State: %s\n", i.Name, dash(i.Port), l.State)
		if l.Address.IsValid() {
			router := "-"
			if l.Router.IsValid() {
				router = l.Router.String()
			}
			var servers []string
			for _, s := range l.NameServers {
				servers = append(servers, s.String())
			}
			c.printf("  Address: %s\n  Router: %s\n  Name servers: %s\n  DHCP server: %s\n", l.Address, router, dash(strings.Join(servers, ", ")), l.Server)
			c.printf("  Renewed in: %s\n  Expires in: %s\n", span(max(0, l.Renew.Sub(now))), span(max(0, l.Expires.Sub(now))))
		}
		if l.Err != "" {
			c.printf("  Trouble: %s\n", l.Err)
		}
	}
	if !found {
		c.printf("No interface has an address of DHCP.\n")
	}
	return nil
}

func clockSync(c *call, _ *none) error {
	if err := c.box.SyncClock(c.ctx); err != nil {
		return fmt.Errorf("clock sync: %w", err)
	}
	return showClock(c, nil)
}

func showIPInterfaces(c *call, _ *none) error {
	rows := [][]string{{"Context", "Interface", "Port", "State", "Addresses", "MTU"}}
	for _, i := range c.box.IPInterfaces() {
		var addrs []string
		for _, a := range i.Addresses {
			addrs = append(addrs, a.String())
		}
		rows = append(rows, []string{i.Context, i.Name, dash(i.Port), i.State, dash(strings.Join(addrs, ", ")), fmt.Sprint(i.MTU)})
	}
	c.columns(rows)
	return nil
}

func showIPRoutes(c *call, _ *none) error {
	rows := [][]string{{"Network", "Gateway", "Interface", "Metric"}}
	for _, r := range c.box.IPRoutes() {
		gw := "-"
		if r.Gateway.IsValid() {
			gw = r.Gateway.String()
		}
		rows = append(rows, []string{r.Prefix.String(), gw, dash(r.Interface), fmt.Sprint(r.Metric)})
	}
	c.columns(rows)
	return nil
}

func showPorts(c *call, _ *none) error {
	rows := [][]string{{"Port", "Name", "State", "Speed", "MAC", "Rx packets", "Rx errors", "Tx packets", "Tx errors"}}
	for _, p := range c.box.Ports() {
		rows = append(rows, []string{fmt.Sprintf("%d %d", p.Slot, p.Port), p.Name, p.State, dash(p.Speed), p.MAC,
			fmt.Sprint(p.RxPackets), fmt.Sprint(p.RxErrors), fmt.Sprint(p.TxPackets), fmt.Sprint(p.TxErrors)})
	}
	c.columns(rows)
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
	for _, l := range c.box.Log(before) {
		c.printf("%s\n", l)
	}
	err := c.box.FollowLog(c.ctx, func(line string) error {
		_, err := fmt.Fprintf(c.out, "%s\n", line)
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
	c.columns(rows)
	return nil
}

func who(c *call, _ *none) error {
	rows := [][]string{{"User", "Class", "Terminal", "Since"}}
	for _, s := range c.box.Sessions() {
		rows = append(rows, []string{dash(s.User), string(s.Class), dash(s.TTY), c.local(s.Since)})
	}
	c.columns(rows)
	return nil
}
