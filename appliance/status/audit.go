package status

import "time"

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
