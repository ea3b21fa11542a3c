package lang

import (
	"context"
	"fmt"
	"io"
	"reflect"

	"viaduct/appliance/cli"
	"viaduct/appliance/lang/answer"
)

// call is one command on its way.
type call struct {
	ctx     context.Context
	lang    *Language
	box     Box
	session *Session
	body    []byte
	out     io.Writer
	at      cursor // where the session stands; a command may move it
	result  Result
	object  string // that the prompt names which was copied along with the line
	instead bool   // the line stands for one of another generation
}

// page is what answers are written to.
func (c *call) page() answer.Page {
	return answer.Page{Out: c.out, Zone: c.box.Running().Clock.Location()}
}

// printf writes a line of an answer.
func (c *call) printf(format string, a ...any) { answer.Page{Out: c.out}.Printf(format, a...) }

// note says what is worth knowing of a line and cannot be seen in the configuration: the end of a paste counts it.
func (c *call) note(format string, a ...any) {
	c.printf("%% note: "+format+"\n", a...)
	c.result.Notes++
}

// masked reports whether secrets are hidden from this session.
func (c *call) masked() bool { return c.at.level == operatorExec }

// live tells the console that what is printed from now on comes as it happens: it is not held back until a page is full.
func (c *call) live() {
	if out, ok := c.out.(interface{ Live() }); ok {
		out.Live()
	}
}

func (c *call) corrections(m *cli.Match) {
	for _, x := range m.Corrections {
		c.note("%q taken as %s", x.Word, x.Taken)
	}
}

// action is a command.
type action struct {
	run       func(c *call, args any) error // args is a pointer to the struct of its arguments
	inFile    fileEffect
	ambiguous bool // other boxes have a statement of this name: in a block that is left out, it belongs to the block
}

// fileEffect is what a command does in a file of configuration lines.
type fileEffect int

const (
	misplaced  fileEffect = iota // it is an error
	leavesMode                   // it ends the block
	leavesAll                    // it ends all blocks
)

// inFile lets a command stand in a file.
func inFile(e fileEffect, l Line) Line {
	a := l.Data.(action)
	a.inFile = e
	l.Data = a
	return l
}

// ambiguous marks a command that is a statement of other boxes.
func ambiguous(l Line) Line {
	a := l.Data.(action)
	a.ambiguous = true
	l.Data = a
	return l
}

// none are the arguments of a command without any.
type none struct{}

// command makes a table entry from a pattern and a function of its arguments.
func command[A any](line, help string, run func(c *call, a *A) error) Line {
	return Line{Line: line, Help: help, Args: reflect.TypeFor[A](),
		Data: action{run: func(c *call, a any) error { return run(c, a.(*A)) }}}
}

func withExample(example string, l Line) Line {
	l.Example = example
	return l
}

// also adds further forms to a command.
func also(l Line, forms ...string) Line {
	l.Also = forms
	return l
}

// whole makes a command one that cannot be shortened.
func whole(l Line) Line {
	l.Whole = true
	return l
}

// worded adds help for single words of a command: word, help, word, help.
func worded(l Line, help ...string) Line {
	l.Words = map[string]string{}
	for n := 0; n < len(help); n += 2 {
		l.Words[help[n]] = help[n+1]
	}
	return l
}

// operatorCommands work for everybody, in every mode.
func operatorCommands() []Line {
	return append([]Line{
		ambiguous(inFile(leavesAll, command("enable", "Become an administrator", enable))),
		command("help", "How this command line is used", help),
		inFile(leavesMode, command("exit", "Leave the mode; outside of the configuration, the session", exit)),
		whole(command("quit", "The same as exit", exit)),
		inFile(leavesAll, command("logout", "End the session", logout)),
		command("terminal more", "Show long output page by page", func(c *call, _ *none) error { return c.more(true) }),
		command("no terminal more", "Show long output at once", func(c *call, _ *none) error { return c.more(false) }),
		command("terminal length <n:0..500>", "Rows of this terminal, where it does not know them itself; 0 shows long output at once", terminalLength),
		command("terminal width <n:20..500>", "Columns of this terminal", terminalWidth),
		worded(withExample("ping sip.pstnhub.microsoft.com size 1472 df", command("ping <host:host> [size <size:1..65507>] [df] [count <count:1..1000>] [source <source:ipv4>]",
			"Ask a host for an answer; size is that of the data (28 octets of headers are added, 56 unless given), df forbids routers to cut packets up, source is an address of the box", ping)),
			"size", "Octets of data, 56 unless given", "df", "Routers must not cut it up", "count", "How often", "source", "Address of the box that asks"),
		command("traceroute <host:host>", "Show the routers on the way to a host", traceroute),
		command("nslookup <host:host>", "Ask the name servers", nslookup),
		command("who", "Show who is logged in", who),
		command("show users", "Who is logged in", who),
	}, showCommands()...)
}

// adminCommands are all commands.
func adminCommands() []Line {
	return append([]Line{
		inFile(leavesAll, command("configure", "Change the configuration", configure)),
		inFile(leavesAll, command("end", "Leave the configuration", end)),
		command("import <what>", "Take a certificate or a private key, pasted as PEM", importPKI),
		command("export <what:certificate>", "Show a certificate as PEM", exportPKI),
		command("pki trust <sum:fingerprint>", "Trust the issuer of a peer's certificate, by its SHA-256: `show pki trusted` lists those that were met", trustIssuer),
		command("erase <what>", "Delete a certificate or a private key", erasePKI),
		command("install license <key:text>", "Install a license key", installLicense),
		command("erase license <key:text>", "Forget a license key; calls in progress go on", eraseLicense),
		withExample("copy running-config https://192.168.1.20/sbc01.cfg",
			command("copy <from> <to> [replace] [force]", "Copy a configuration, or an image to flash:; from the console it is pasted, to http it is sent with PUT. "+
				"Into the running-config it is merged; with replace it replaces all, after a question. force asks nothing, and takes an older image", copyConfig)),
		withExample("install-image", command("install-image [force]", "Install an image that comes over ssh: ssh NAME@BOX install-image < FILE; force takes an older one", installImage)),
		command("export backup", "Print configuration, keys, certificates and licenses, encrypted under a pass phrase; for superusers", exportBackup),
		command("import backup", "Take a backup, pasted; the next reload uses it; for superusers", importBackup),
		command("clock sync", "Ask the time servers now and set the clock, however far it is off", clockSync),
		command("erase startup-config", "Delete the startup-config", eraseStartup),
		command("reload [graceful] [in <minutes:1..1440>] [force]", "Restart with the startup-config, at once, when no call is left, or unless cancelled; the whole box when an image waits to be started. "+
			"It asks when changes or calls would be lost, unless force stands behind it", reload),
		command("no reload", "Cancel a restart", noReload),
		command("clear calls [<id:call>]", "End one call, or all", clearCalls),
		command("clear bans [<source:banned>]", "Forget the wrong passwords from one address, or from all, so that logins from there are possible again", clearBans),
		command("register now [<identity:registered>]", "Ask the registrar of one identity, or of all, at once: after a password was put right, for example", registerNow),
		worded(command("debug <topic:sip|call|route|rtp|tls|all>", "Show messages, calls, the way through the tables, media or TLS in this session, until no debug all",
			func(c *call, a *topic) error { return c.debug(a.Topic, true) }), debugHelp...),
		worded(command("no debug <topic:sip|call|route|rtp|tls|all>", "Show it no longer", func(c *call, a *topic) error { return c.debug(a.Topic, false) }), debugHelp...),
	}, operatorCommands()...)
}

// who lists the sessions.
var who = state(func(c *call, pg answer.Page) { pg.Sessions(c.box.Sessions()) })

type named struct{ Name string }

func eraseStartup(c *call, _ *none) error {
	if err := c.box.EraseFile("startup-config"); err != nil {
		return fmt.Errorf("erase startup-config: %w", err)
	}
	c.printf("startup-config erased: the next reload starts with the factory settings; `copy startup-config.1 startup-config` takes it back\n")
	return nil
}

// debugHelp is the help for the topics of `debug`.
var debugHelp = []string{"sip", "SIP messages, in and out", "call", "What calls do", "route", "The way of calls through the tables",
	"rtp", "Counters of the media, every five seconds", "tls", "TLS connections and why they fail", "all", "All of it"}

// confirmed reports whether the question of this line was answered with yes, or need not be asked: forced is the word force behind it, for
// in a script nobody is there to answer. Else it asks; the line is sent again with the answer.
func (c *call) confirmed(forced bool, question string) bool {
	if forced || c.session.Yes {
		return true
	}
	c.result.Collect = &Collect{Prompt: question + " [yes/no] ", Kind: "confirm"}
	return false
}
