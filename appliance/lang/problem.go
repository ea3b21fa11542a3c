package lang

import (
	"errors"
	"fmt"
)

// ErrPassphrase says that a private key is encrypted and needs its pass phrase.
var ErrPassphrase = errors.New("the key is encrypted")

// Severity says what a problem means for the line.
type Severity int

const (
	Error   Severity = iota // the line was not taken, or refers to something that does not exist
	Warning                 // taken, but it will not work as meant, or not yet
	Note                    // taken, worth knowing
)

func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// Problem is one finding about a configuration.
type Problem struct {
	File     string   // empty for the running configuration
	Line     int      // in File, from 1; 0 when there is no file
	Path     []string // header lines of the mode that the line stands in
	Source   string   // the line itself, as show running-config prints it
	Severity Severity
	Text     string
	Fix      string // a line to paste in Path's mode, or empty
}

// String is how sbcd -check prints it: "FILE:LINE: severity: text".
func (p Problem) String() string {
	text := fmt.Sprintf("%s: %s", p.Severity, p.Text)
	if p.Fix != "" {
		text += "; fix: " + p.Fix
	}
	if p.File == "" {
		return text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
}
