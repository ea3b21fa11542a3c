// Package wire holds the words that consoled, scripts and the web page speak with sbcd: JSON over HTTP on a unix socket.
//
// It owns the types and the paths, nothing else: no goroutines, no I/O. The console imports this package and no other of
// sbcd's, so the two programs can be of different versions for the length of an update: unknown fields are ignored, a
// missing field has its zero value.
//
//	POST /v1/exec    ExecRequest  → a stream of Answer, one JSON object a line
//	PUT  /v1/exec    ?line=LINE&mode=HEADER&mode=...&user=ACCOUNT&tty=NAME → the same; the line reads the body, which is a file
//	POST /v1/help    HelpRequest  → HelpReply
//	POST /v1/login   LoginRequest → LoginReply
//	GET  /v1/events  ?tty=NAME&user=ACCOUNT&since=RFC3339 → a stream of Event, one JSON object a line
//	GET  /v1/settings             → Settings
//	POST /v1/web/sign SignRequest → SignReply
//	POST /v1/web/token TokenRequest → TokenReply
//	GET, PUT /v1/config and what is below: see config.go
//	GET  /v1/health               → Health
//	GET  /v1/status               → the names of its parts
//	GET  /v1/status/PART          → a struct of package status, or a list of them (docs/status.md)
//	GET  /metrics                 → text
package wire

import (
	"net/netip"
	"time"

	"viaduct/appliance/pasted"
)

// Paths of the calls.
const (
	PathExec    = "/v1/exec"
	PathHelp    = "/v1/help"
	PathLogin   = "/v1/login"
	PathEvents  = "/v1/events"
	PathMetrics = "/metrics"

	PathSettings = "/v1/settings"
	PathWebSign  = "/v1/web/sign"
	PathWebToken = "/v1/web/token"
	PathHealth   = "/v1/health"
	PathStatus   = "/v1/status"
)

// Version is that of the protocol between consoled and sbcd. It goes up with a change that the other side would misunderstand; one that it can
// ignore needs no new version. Both programs come in one image, so a difference means an update that is half done, or a build of one alone.
const Version = 1

// VersionHeader is the HTTP header with the version of its sender: consoled sends it with requests, except that of a file, and sbcd
// with all answers.
const VersionHeader = "Viaduct-Console-Protocol"

// Enabled is the header line of a mode in which administrators may use every command; for others it counts as none.
const Enabled = "enable"

// Limits of one request. A console keeps within them; the server answers 413 to what goes beyond.
const (
	MaxLine    = pasted.MaxLine // bytes of one command line
	MaxBody    = 1 << 20        // bytes of one block (a PEM chain, a backup)
	MaxRequest = 4 << 20        // bytes of one request as JSON
)

// ExecRequest runs one line, or the lines of a paste. The mode travels with every request, so that a console survives a
// restart of sbcd without either side keeping a session.
type ExecRequest struct {
	// Mode is the path of header lines that the console stands in, outermost first; empty after login.
	Mode []string `json:"mode"`
	// Line is run with Body: the blocks that answers to this line have asked for (Collect), one after the other, each ended
	// by a newline; a key in PEM and its pass phrase are two. An empty line only asks for the prompt.
	Line string `json:"line"`
	Body string `json:"body,omitempty"`
	// Yes answers the question that an answer to this line has asked (Confirm). For no, the line is not sent again.
	Yes bool `json:"yes,omitempty"`
	// Lines, when not empty, are run instead of Line, each in the mode that the one before left. The server stops after a
	// line that collects a block or ends the session; every line that was run has one Answer with Done.
	Lines []string `json:"lines,omitempty"`
	// Lost are lines that stood in front of these and are not run, for they are no text; sbcd says nothing of them. One may have been
	// the header of what follows, which is left out then.
	Lost []string `json:"lost,omitempty"`
	// BeginPaste, before the first line of a paste, asks for what the configuration's problems are by then (Answer.Known).
	BeginPaste bool `json:"begin_paste,omitempty"`
	// EndPaste tells that a paste is over: the answer lists the problems that it brought.
	EndPaste bool `json:"end_paste,omitempty"`
	// Known, Refused, Notes and Rows belong to EndPaste: what BeginPaste gave, how many lines of the paste were refused, how many
	// notes their answers had, and how many rows the answer may have (0: any number).
	Known   []byte `json:"known,omitempty"`
	Refused int    `json:"refused,omitempty"`
	Notes   int    `json:"notes,omitempty"`
	Rows    int    `json:"rows,omitempty"`
	// Data: the answers go to a program or a file, not to a terminal, so they may hold a file (Answer.Data).
	Data bool `json:"data,omitempty"`

	User string `json:"user,omitempty"` // account as LoginReply gave it; "" is the local root of -stdio and of scripts
	TTY  string `json:"tty,omitempty"`  // "stdio", "serial", "ssh 192.0.2.7:50022"
}

// Status of a line.
const (
	OK    = "ok"
	Error = "error" // the line was refused or failed; the reason stands in the text before
)

// Answer is one JSON line of an exec stream: either text to print, or the end of one line.
type Answer struct {
	Text string `json:"text,omitempty"` // to print as it is; ends in "\n" when complete
	Data []byte `json:"data,omitempty"` // a part of a file that the line writes, to be passed on octet by octet
	Live bool   `json:"live,omitempty"` // what follows comes as it happens: nobody waits for a page of it to fill

	Done    bool     `json:"done,omitempty"`
	Mode    []string `json:"mode,omitempty"`     // the mode after the line
	Prompt  string   `json:"prompt,omitempty"`   // the prompt after the line
	Status  string   `json:"status,omitempty"`   // OK or Error
	Collect *Collect `json:"collect,omitempty"`  // the line wants a block: send it again with Body
	Exit    bool     `json:"exit,omitempty"`     // the session is over
	Changed bool     `json:"changed,omitempty"`  // the line changed the running configuration
	LeftOut bool     `json:"left_out,omitempty"` // the line is part of a block that is not understood, and was not looked at
	Why     string   `json:"why,omitempty"`      // with Error: the reason in one line
	Unused  bool     `json:"unused,omitempty"`   // the secret at the end of Body was none, but reads like a command: a pasted one is still to be run
	Notes   int      `json:"notes,omitempty"`    // in the text, that the end of a paste counts
	Known   []byte   `json:"known,omitempty"`    // answers BeginPaste; opaque
	More    *bool    `json:"more,omitempty"`     // switch paging of this session on or off
	Length  *int     `json:"length,omitempty"`   // rows of the terminal, whatever it says itself; 0 is no paging
	Width   *int     `json:"width,omitempty"`    // its columns
}

// Collect asks for a block after a line.
type Collect struct {
	Prompt string `json:"prompt"`
	Kind   string `json:"kind"` // PEM, Block, Text, Secret, NewSecret, Confirm or File
}

// Kinds of block.
const (
	PEM    = "pem"    // PEM text up to an empty line
	Block  = "block"  // one PEM block
	Text   = "text"   // any lines up to one that holds a single dot
	Secret = "secret" // one line, not echoed
	// NewSecret is typed twice at a keyboard; one is sent.
	NewSecret = "new-secret"
	// Confirm is a question for yes or no. In a script the next line answers it when it is one of these words, and else stays a line
	// of its own: the command is not run then.
	Confirm = "confirm"
	File    = "file" // any bytes up to their end, sent with PUT; where none come along, Prompt says how to do it
)

// HelpRequest asks what can stand at the cursor.
type HelpRequest struct {
	Mode   []string `json:"mode"`
	Line   string   `json:"line"`
	Cursor int      `json:"cursor"` // in bytes, 0..len(Line)
	User   string   `json:"user,omitempty"`
	TTY    string   `json:"tty,omitempty"`
}

// HelpReply is what `?` prints and what Tab inserts.
type HelpReply struct {
	Choices []Choice `json:"choices"`
	Insert  string   `json:"insert"` // text that Tab inserts at the cursor: the common rest of all choices, with a blank when it is the only one
	Literal bool     `json:"literal,omitempty"`
	// Literal: the word under the cursor is free text or quoted; `?` is a character there and Tab does nothing.
}

// Choice is one line of help.
type Choice struct {
	Word    string `json:"word"`
	Help    string `json:"help"`
	Section string `json:"section,omitempty"` // what the word belongs to; choices of one section stand together
}

// LoginRequest checks a password. With an empty User it asks whether this terminal gets in without one, which is so only
// on a local line while the factory account is open.
type LoginRequest struct {
	User     string `json:"user"`
	Password string `json:"password"`
	TTY      string `json:"tty"`
	Remote   bool   `json:"remote"`           // over the network: accounts without a password are refused
	Source   string `json:"source,omitempty"` // with Remote: the address that it comes from
	// NewPassword answers a reply with Change.
	NewPassword string `json:"new_password,omitempty"`
	// SetupCode opens a box of which no account has a password yet over the network: it makes the account User with NewPassword. Without
	// NewPassword the reply says whether the code is right (Change).
	SetupCode string `json:"setup_code,omitempty"`
	// PublicKey, in the form of RFC 4253, 6.6, is asked instead of a password. The console has not yet seen that the other
	// side holds the key, or has: that is its to check.
	PublicKey []byte `json:"public_key,omitempty"`
	// Stamp is that of an earlier login. It is asked instead of a password whether class and password of the account are still the same.
	Stamp string `json:"stamp,omitempty"`
}

// LoginReply says who may go on. A refusal gives no reason that tells an unknown account from a wrong password.
type LoginReply struct {
	OK     bool   `json:"ok"`
	User   string `json:"user,omitempty"`   // the account to send with each request
	Class  string `json:"class,omitempty"`  // with OK: of that account, as package config names it
	Banner string `json:"banner,omitempty"` // printed after a login, or before the question for one
	// Stamp stands for class and password of the account: it is another one after either has changed.
	Stamp string `json:"stamp,omitempty"`
	// Idle is how long a silent session stays, in nanoseconds; 0 is for ever.
	Idle time.Duration `json:"idle,omitempty"`
	// Banned: too many wrong passwords came from the source; for so much longer nobody gets in from there.
	Banned time.Duration `json:"banned,omitempty"`
	// Change: the password is right, but a new one must be chosen first. Banner says why one was not taken.
	Change bool `json:"change,omitempty"`
	// Setup answers a request without a User: no account has a password yet, so the web page asks for a SetupCode. Banner says why one
	// was not taken.
	Setup bool `json:"setup,omitempty"`
}

// Settings are what the configuration says about consoles.
type Settings struct {
	Telnet uint16       `json:"telnet,omitempty"` // port; 0: none
	Web    *WebSettings `json:"web,omitempty"`    // nil: there is no web page
}

// WebSettings are those of the web page.
type WebSettings struct {
	Port      uint16       `json:"port"`               // of HTTPS
	Redirect  uint16       `json:"redirect,omitempty"` // of HTTP, where nothing is but a redirect; 0: none
	Addresses []netip.Addr `json:"addresses"`          // of the box, to listen on
	// Hosts are the names by which a browser may ask for the box beside Addresses: its host name, and the names of the certificate.
	Hosts []string `json:"hosts,omitempty"`
	// Chain is the certificate and its issuers in DER; the key stays with sbcd, which signs (SignRequest).
	Chain [][]byte `json:"chain"`
	Name  string   `json:"name,omitempty"` // host name of the box
	Zone  string   `json:"zone,omitempty"` // of its clock, as package config reads it
	// OwnCertificate: the box has made it, so no browser trusts it by itself.
	OwnCertificate bool `json:"own_certificate,omitempty"`
}

// SignRequest has sbcd sign for a handshake with the key of the web page's certificate.
type SignRequest struct {
	Leaf    []byte `json:"leaf"`          // SHA-256 of Chain[0]; sbcd refuses (409) when it is not the certificate in force
	Message []byte `json:"message"`       // not its digest: sbcd signs what a server of TLS signs in a handshake, and nothing else
	Hash    string `json:"hash"`          // for the digest, as package crypto names it: "SHA-256"
	PSS     bool   `json:"pss,omitempty"` // RSA with PSS, the salt as long as the hash
}

// SignReply has the signature.
type SignReply struct {
	Signature []byte `json:"signature"`
}

// TokenRequest asks for whom a machine acts that has sent a token over HTTPS.
type TokenRequest struct {
	Token  string `json:"token"`
	Source string `json:"source"` // address of the machine
}

// TokenReply says so. A refusal has no reason.
type TokenReply struct {
	OK    bool   `json:"ok"`
	Name  string `json:"name,omitempty"`  // of the token
	User  string `json:"user,omitempty"`  // the account
	Scope string `json:"scope,omitempty"` // as package config names it
	// Banned: too many wrong passwords or tokens came from the source; for so much longer none is taken from there.
	Banned time.Duration `json:"banned,omitempty"`
}

// Health is how the box does. A box that answers and is unfit needs help; it does not need a restart.
type Health struct {
	// Unfit says why there can be no calls: the relay or the gateways do not run, or have only just started. An image on trial is
	// not confirmed meanwhile.
	Unfit []string `json:"unfit,omitempty"`
}

// Event is something that happened, for debug output to a session and for followers.
type Event struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"` // "log" of a line of the log, "debug" of what a session debugs or is told
	Text string    `json:"text"`
}

// Failure is the body of an answer whose HTTP status is not 200.
type Failure struct {
	Error string `json:"error"`
}
