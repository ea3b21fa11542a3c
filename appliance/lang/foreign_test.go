package lang

import (
	"testing"

	"viaduct/appliance/lang/check"
)

// hostile is what a peer can put into a name, a number or a reason: it clears the screen, forges a line of the problem list, turns text
// around and holds octets that are no UTF-8.
const hostile = "x\x1b[2J\n  fix:\n    reload\r\u009b31m\u202e\u2028\xff\ty"

func TestAForeignFixIsNotOffered(t *testing.T) {
	p := check.Problem{Severity: check.Warning, Text: "the certificate of " + hostile, Fix: "pki trust " + hostile}
	if got, want := p.String(), `warning: the certificate of x\x1b[2J\x0a  fix:\x0a    reload\x0d\u009b31m\u202e\u2028\xff\x09y`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
