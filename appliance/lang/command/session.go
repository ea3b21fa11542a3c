package command

import (
	"errors"
	"io"
	"net/netip"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// Session is the user of a console and the mode that the console is in.
type Session struct {
	// Mode is the path of lines that lead to the present mode, outermost first: nothing is operator execution (`>`),
	// "enable" is administrator execution (`#`), then "configure", then header lines such as "context cs SWITCH".
	Mode  []string
	User  string
	Class config.AccountClass
	TTY   string        // "serial", "ssh 192.0.2.7:50122", "" for a script
	File  io.ReadCloser // comes with the line, or nil. Close ends a Read
	Into  io.Writer     // takes a file that the line writes; nil: there is a terminal
	Yes   bool          // the user has confirmed this line, as an earlier Result asked
}

// Author is the user of the session as the author of a change.
func (s *Session) Author() status.Author { return status.Author{Account: s.User, From: s.TTY} }

// May reports whether the account has at least the rights of a class.
func (s *Session) May(class config.AccountClass) bool {
	rank := map[config.AccountClass]int{config.Operator: 1, config.Administrator: 2, config.Superuser: 3}
	return rank[s.Class] >= rank[class]
}

// Local reports whether the user stands at the box, or is its root.
func (s *Session) Local() bool {
	kind, _, _ := strings.Cut(s.TTY, " ")
	return kind == "serial" || kind == "stdio" || s.TTY == ""
}

// Source is the address that the user comes from over the network; not valid: the user is at the box. A terminal of the network is named after it,
// with a port, or a number where there are several.
func (s *Session) Source() netip.Addr {
	_, peer, _ := strings.Cut(s.TTY, " ")
	peer, _, _ = strings.Cut(peer, "/")
	if at, err := netip.ParseAddrPort(peer); err == nil {
		return at.Addr()
	}
	from, _ := netip.ParseAddr(peer)
	return from
}

// Result tells the console what to do after a line. The error of Exec says whether the line was accepted.
type Result struct {
	Mode    []string // to send with the next line
	Prompt  string   // for example "sbc01(if-sip)[IF]#"
	Collect *Collect // not nil: the line needs a block; send the same line again with the block as body
	Exit    bool     // the session ends
	Changed bool     // the running configuration has changed
	More    *bool    // switches paging on or off
	Length  *int     // rows of the terminal from now on, whatever it reports; 0: no paging
	Width   *int     // its columns
	LeftOut bool     // the line belongs to a block that was not understood, and was left out
	Unused  bool     // the secret at the end of the body was none, but reads like a command
	Notes   int      // notes in the output that are not problems of the configuration
}

// Collect describes the block that a line needs.
type Collect struct {
	Prompt string
	// Kind is "pem": text up to an empty line; "block": one PEM block; "text": up to a line with a single dot; "secret": one line, not
	// echoed, appended to the body collected before; "new-secret": the same, typed twice; "confirm": yes or no, which comes as
	// Session.Yes; "file": bytes that come along as Session.File.
	Kind string
}

// ManagesAccounts reports whether the session may change accounts.
func (c *Call) ManagesAccounts() bool { return c.Session.May(c.Box.Running().ManagingClass()) }

// Commands about the session itself: modes, the terminal, help.

func enable(c *Call, _ *none) error {
	if !c.Session.May(config.Administrator) {
		return errors.New("not for operator accounts")
	}
	if c.Place.Level() == OperatorExec {
		c.Place.Move(AdminExec)
	}
	return nil
}

func exit(c *Call, _ *none) error {
	switch {
	case c.Place.Leave():
	case c.Place.Level() == Configuring:
		c.Place.Move(AdminExec)
	default:
		c.Result.Exit = true
	}
	return nil
}

func end(c *Call, _ *none) error {
	c.Place.Move(AdminExec)
	return nil
}

func logout(c *Call, _ *none) error {
	c.Result.Exit = true
	return nil
}

func (c *Call) more(on bool) error {
	c.Result.More = &on
	return nil
}

type terminalSize struct{ N int }

func terminalLength(c *Call, a *terminalSize) error {
	c.Result.Length = &a.N
	return nil
}

func terminalWidth(c *Call, a *terminalSize) error {
	c.Result.Width = &a.N
	return nil
}

// help prints the basics.
func help(c *Call, _ *none) error {
	_, err := c.Out.Write([]byte(helpText))
	return err
}

var helpText = strings.TrimLeft(`
?                     what can stand here; Tab completes it
enable, configure     become an administrator, change the configuration
exit, end, logout     leave the mode, the configuration, the session
no LINE               take a line of the configuration back
| include TEXT        behind a command: only lines with a text; exclude, begin
                      and count likewise
Ctrl-C                leave a line or end a command; Ctrl-Z is end
Up, Down              lines that were typed before

show config problems  what is wrong, and the lines that put it right
show running-config   the configuration; copy running-config startup-config
                      keeps it over a restart
show calls            calls in progress; show calls history: those that ended
show log              what happened

At --More--: Space goes on, Enter by a row, b back, / searches, q is enough.
`, "\n")
