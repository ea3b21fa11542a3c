package bus

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"viaduct/appliance/egress"
	"viaduct/appliance/natswire"
)

// What `show fleet` may say has its line in docs/fleet.md.
func TestEachReasonIsInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/fleet.md")
	must(t, err)
	stranger := &x509.Certificate{Issuer: pkix.Name{CommonName: "X"}}
	for _, err := range []error{
		errRefused, errName, &pinError{stranger}, context.DeadlineExceeded, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		&egress.ProxyRefusal{Status: 407}, &egress.ProxyRefusal{Status: 403}, &answerError{404}, natswire.Garbled("x"), errNoKey, io.EOF, errSilent, errFull,
	} {
		why, _ := explain(&nodeError{"hub.example.com:443", err}, &Settings{Name: "berlin"})
		why, found := strings.CutPrefix(why, "hub.example.com:443")
		why = strings.Trim(why, ": ")
		for _, end := range []string{", or does not take", ": it", ": x", ", so it is not", " Forbidden"} { // what the docs leave out
			why, _, _ = strings.Cut(why, end)
		}
		why = strings.TrimPrefix(why, "connect: ")
		if !found || !strings.Contains(string(text), why) {
			t.Errorf("docs/fleet.md does not have %q", why)
		}
	}
}
