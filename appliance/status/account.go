package status

import "time"

// Account is somebody who may log in. Passwords and their hashes are never told.
type Account struct {
	Name       string      `json:"name"`
	Class      string      `json:"class"`
	Password   bool        `json:"password"`           // there is one; without, nobody logs in with it over the network
	Change     bool        `json:"change,omitempty"`   // the password must be changed at the next login
	PublicKeys []PublicKey `json:"public_keys"`        // for SSH
	LoggedIn   time.Time   `json:"logged_in,omitzero"` // since when, at the earliest of its sessions; zero: it is not
	Sole       bool        `json:"sole,omitempty"`     // nobody else could manage accounts: it can neither go nor lose its class
}

// PublicKey is a key with which an account logs in over SSH.
type PublicKey struct {
	Type    string `json:"type"`
	Key     string `json:"key"` // as in authorized_keys
	Comment string `json:"comment,omitempty"`
	SHA256  string `json:"sha256"` // its fingerprint, as ssh prints it
}

// Audit is something that was done to the box, or that somebody tried.
type Audit struct {
	Time    time.Time `json:"time"`
	What    AuditKind `json:"what"`
	Account string    `json:"account,omitempty"` // "": nobody has logged in
	From    string    `json:"from,omitempty"`    // the terminal, or the address
	Mode    string    `json:"mode,omitempty"`    // where a line of the configuration stands
	Line    string    `json:"line,omitempty"`    // without secrets
	Error   string    `json:"error,omitempty"`   // of a command that failed
}

// AuditKind is what an Audit is about.
type AuditKind string

// The kinds of an Audit.
const (
	AuditLogin         AuditKind = "login" // a password was right
	AuditRefused       AuditKind = "refused"
	AuditBanned        AuditKind = "banned"
	AuditSession       AuditKind = "session begins"
	AuditSessionEnds   AuditKind = "session ends"
	AuditConfiguration AuditKind = "configuration" // a line changed it
	AuditCommand       AuditKind = "command"
	AuditBox           AuditKind = "box" // what nobody at a terminal did
)

// AuditKinds are all of them.
func AuditKinds() []AuditKind {
	return []AuditKind{AuditLogin, AuditRefused, AuditBanned, AuditSession, AuditSessionEnds, AuditConfiguration, AuditCommand, AuditBox}
}
