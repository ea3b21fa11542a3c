package api

import (
	"context"
	"io"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/lang"
	"viaduct/appliance/status"
)

// Backend is the box behind the socket. Its methods are called from many goroutines at once, one for each request.
type Backend interface {
	// Exec runs one line in s and writes the answer to out, refusals included; out never blocks for long. Body holds the
	// blocks that were collected for this line so far, nil before the first. An empty line only gives mode and prompt. The
	// context ends when the user gives up (Ctrl-C, a closed terminal).
	Exec(ctx context.Context, s *Session, line string, body []byte, out io.Writer) Result

	// ExecBatch runs lines of a paste as one change of the configuration and calls done for each that it has run, in order. It
	// returns how many: it stops before a line that is more than a statement, which is for Exec then.
	ExecBatch(ctx context.Context, s *Session, lines []string, done func(text []byte, r Result)) (ran int)

	// Lost takes lines that are no text, and returns the mode that they leave behind.
	Lost(ctx context.Context, s *Session, lines []string) (mode []string)

	// BeginPaste notes the problems of the configuration, as Known of the result.
	BeginPaste(ctx context.Context, s *Session) Result

	// EndPaste writes what a paste has brought: the problems that were not known before, and a line that counts them all.
	EndPaste(ctx context.Context, s *Session, p Paste, out io.Writer) Result

	// Help lists what can stand at the cursor (a byte index into line).
	Help(ctx context.Context, s *Session, line string, cursor int) wire.HelpReply

	// Config returns a configuration as text, and the tag of the running one; PutConfig makes a text the running one, or with dry says what
	// that would do. The reply of PutConfig is there with an error as well. SavedConfigs lists the startup-configs, Compare has the
	// difference of two configurations, ConfigHelp is Help in a text.
	Config(ctx context.Context, s *Session, of string) (text []byte, tag string, err error)
	PutConfig(ctx context.Context, s *Session, p lang.Proposal, dry bool) (wire.ConfigReply, error)
	SavedConfigs(ctx context.Context, s *Session) ([]status.SavedConfig, error)
	Compare(ctx context.Context, s *Session, from, to wire.ConfigRef) (wire.CompareReply, error)
	ConfigHelp(ctx context.Context, s *Session, q wire.ConfigHelpRequest) (wire.HelpReply, error)

	// Login checks a password; it takes as long for an unknown account as for a wrong password.
	Login(ctx context.Context, r wire.LoginRequest) wire.LoginReply

	// Events calls each for what happens, until the context ends or each returns an error. With a TTY the follower is the
	// session there: it is logged in for as long as it follows, and gets what it debugs. Without, it gets all but that. It
	// drops events rather than wait for a slow follower.
	Events(ctx context.Context, s *Session, each func(wire.Event) error) error

	// Health is how the box does.
	Health() wire.Health

	// Sign signs for a handshake of the web page. Errors are those of webserver.Server.Sign.
	Sign(wire.SignRequest) (wire.SignReply, error)

	// Token says whom a machine acts for that shows a token. It counts wrong ones as Login counts wrong passwords.
	Token(context.Context, wire.TokenRequest) wire.TokenReply

	// Settings is what the configuration says about consoles.
	Settings() wire.Settings

	// Status returns one part of the box's state, a struct of package status or a list of them, and the names of all parts for "". It
	// refuses what the account of s may not see.
	Status(ctx context.Context, s *Session, part string, q StatusQuery) (any, error)

	// Metrics writes the counters in the Prometheus text format.
	Metrics(w io.Writer) error
}

// Session is where and who a line comes from. The class of the account is looked up by the Backend for each line, so that
// an account that was deleted ends at once.
type Session struct {
	Mode []string // header lines, outermost first
	User string   // "" is the local root
	TTY  string
	File io.ReadCloser // comes along with the line; nil: none does
	Into io.Writer     // takes a file that the line writes; nil: nobody does
	Yes  bool          // the question of this line was answered with yes
	// Since is when a session that follows events began; zero: now.
	Since time.Time
}

// Paste is what a console knows of a paste that is over.
type Paste struct {
	Known   []byte // of BeginPaste
	Refused int    // lines
	Notes   int    // of the answers to lines
	Rows    int    // that the answer may have; 0: any number
}

// Result is what a line leaves behind.
type Result struct {
	Mode    []string
	Prompt  string
	Failed  bool          // the line was refused or failed
	Collect *wire.Collect // the line wants a block
	Exit    bool          // the session is over
	LeftOut bool          // the line is part of a block that is not understood
	Unused  bool          // the secret at the end of the body reads like a command, and is to be run
	Notes   int           // of the text that the end of a paste counts
	Changed bool          // the line changed the running configuration: a paste ends with EndPaste
	Why     string        // with Failed: the reason in one line
	Known   []byte        // of BeginPaste
	More    *bool         // switches paging
	Length  *int          // of the terminal, from now on
	Width   *int
}
