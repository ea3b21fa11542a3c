package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"viaduct/appliance/printable"
)

// Fault is what is wrong with the way to a server, for those who know the cure.
type Fault uint8

const (
	GivenUp      Fault = iota // by us
	ProxyRefuses              // to connect
	ProxyLogin                // it wants a user and a password, or others
	ProxyAway                 // it is not reached
	NoTLS                     // whoever answers does not speak it
	Untrusted                 // the certificate is for another name, or from somebody who is not trusted
	Expired                   // the certificate is not valid at the time of the box
	NoName                    // it is not resolved
	Slow                      // no answer in time
	Away                      // no connection, or one that ends at once
	Broken                    // what comes is no answer
)

// Explain says what is wrong, as a printable sentence that is free of secrets.
func Explain(err error) (Fault, string) {
	var (
		refusal  *ProxyRefusal
		name     *unresolved
		operated *net.OpError
		unsafe   *tls.CertificateVerificationError
		garbled  tls.RecordHeaderError
		link     *url.Error
		alert    tls.AlertError
		timed    net.Error
	)
	plain := err
	if errors.As(err, &link) {
		plain = link.Err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return GivenUp, "given up"
	case errors.As(err, &refusal) && refusal.Status == http.StatusProxyAuthRequired:
		return ProxyLogin, refusal.Error()
	case errors.As(err, &refusal):
		return ProxyRefuses, refusal.Error()
	case errors.As(err, &unsafe):
		return explainUnsafe(unsafe)
	case errors.As(err, &garbled), errors.Is(err, http.ErrSchemeMismatch):
		return NoTLS, "the other side does not speak TLS"
	case errors.As(err, &name):
		return NoName, printable.Text(name.Error())
	case errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &operated):
		return Slow, "no answer in time"
	case errors.As(err, &operated) && operated.Op == "proxyconnect":
		return ProxyAway, printable.Text("the proxy is not reached: " + operated.Err.Error())
	case errors.As(err, &operated), errors.As(err, &alert), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Away, printable.Text(plain.Error())
	case errors.As(err, &timed) && timed.Timeout():
		return Slow, "no answer in time"
	}
	return Broken, "the connection breaks off, or what comes is no answer" // net/http quotes lines that it does not understand: they may repeat a secret
}

// explainUnsafe says what is wrong with the certificate of somebody who answers.
func explainUnsafe(e *tls.CertificateVerificationError) (Fault, string) {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	issuer := "nobody"
	if n := len(e.UnverifiedCertificates); n > 0 {
		issuer = IssuerOf(e.UnverifiedCertificates[n-1])
	}
	switch {
	case errors.As(e.Err, &name):
		return Untrusted, fmt.Sprintf("the certificate that %q has issued is not for this name", issuer)
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return Expired, fmt.Sprintf("the certificate that %q has issued is not valid at the time of the box", issuer)
	}
	return Untrusted, fmt.Sprintf("whoever answers has a certificate from %q, which is not trusted here", issuer)
}

// IssuerOf names the issuer of a certificate, printable.
func IssuerOf(c *x509.Certificate) string {
	return printable.Short(cmp.Or(c.Issuer.CommonName, strings.Join(c.Issuer.Organization, " "), c.Issuer.String()), 100)
}

// ProxyRefusal is the answer of a proxy that does not connect us.
type ProxyRefusal struct{ Status int }

func (e *ProxyRefusal) Error() string {
	if e.Status == http.StatusProxyAuthRequired {
		return "the proxy wants a user name and a password, or does not take those that are configured"
	}
	return fmt.Sprintf("the proxy refuses to connect: %d %s", e.Status, http.StatusText(e.Status))
}
