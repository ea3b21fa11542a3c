package command

import (
	"io"
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
