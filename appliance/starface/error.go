package starface

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// Error is why a STARFACE did not do what it was asked. It never holds a password, a token or what proves a password.
type Error struct {
	Op     string // what was to be done: "log in"
	Status int    // of HTTP; 0: there was no answer, or none that means anything
	Text   string // what was wrong, or what the STARFACE says; printable
	Cure   string // a sentence: what an administrator can do
	cause  error
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return e.Op + ": " + e.Text
	}
	s := e.Op + ": the STARFACE answers " + strconv.Itoa(e.Status)
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

func (e *Error) Unwrap() error { return e.cause }

// What is asked of a STARFACE, as errors call it.
const (
	opLogin  = "log in"
	opLogout = "log out"
	opUsers  = "read its users"
	opRead   = "read do not disturb of a user"
	opChange = "change do not disturb of a user"
)

// Cures.
const (
	cureURL     = "Write the URL as https://HOST in the line `starface`."
	cureReach   = "Check that the box reaches the STARFACE: `ping`, routes, a firewall between the two, and the port of its web page."
	cureCA      = "Import the certificate of the STARFACE, or of its issuer, as trusted-certificate, and name it after `ca` in the line `starface`."
	cureName    = "Write the name that stands in the STARFACE's certificate into the line `starface`."
	cureClock   = "Compare the clock of the box with the life of the STARFACE's certificate: `show clock`."
	cureLogin   = "Check username and password of the line `starface`: it is the login id of an account at the STARFACE."
	cureType    = "Let the line `starface` name an account whose password the STARFACE itself keeps, not the Active Directory."
	cureRight   = "Give the account of the line `starface` the right to administer users at the STARFACE."
	cureVersion = "The URL must be that of a STARFACE of version 6.7 or later, whose REST interface is at /rest."
	cureGone    = "The STARFACE has no such user any more. The box reads its users again by itself."
	cureLead    = "Write the URL to which the STARFACE leads into the line `starface`: the box follows no redirects."
	cureBusy    = "The box tries again later. `show presence` says how it went."
	cureLog     = "Look into the log of the STARFACE. The box tries again by itself."
	cureMatch   = "Give the user of the STARFACE the address that the user has in Teams, and nobody else there the same."
	cureFlash   = "`show alarms` and `show version` say how the flash is: what cannot be remembered is not set."
	cureForm    = "Report the version of the STARFACE: the box changes nothing that it does not understand."
)

// failure is the error that an answer means; nil: none. token must not appear in it.
func (a answer) failure(op, token string) error {
	if a.status == http.StatusOK || a.status == http.StatusNoContent {
		return nil
	}
	e := &Error{Op: op, Status: a.status}
	if token != "" { // an answer to a login could repeat what proves the password
		e.Text = said(a.body, token)
	}
	switch s := a.status; {
	case s >= 300 && s < 400:
		e.Text, e.Cure = "it leads elsewhere", cureLead
	case op == opLogin && (s == http.StatusBadRequest || s == http.StatusUnauthorized || s == http.StatusForbidden):
		e.Cure = cureLogin // the description of the interface has 400 for a wrong password
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Cure = cureRight
	case s == http.StatusNotFound && op != opLogin && op != opUsers:
		e.Cure = cureGone
	case s == http.StatusNotFound, s == http.StatusMethodNotAllowed:
		e.Cure = cureVersion
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
		e.Cure = cureBusy
	default:
		e.Cure = cureLog
	}
	return e
}

// said is what a STARFACE says in words: one short line without the token.
func said(body []byte, token string) string {
	text := strings.TrimSpace(string(body))
	if text == "" || !utf8.ValidString(text) || strings.HasPrefix(text, "<") { // a page means nothing to anybody here
		return ""
	}
	return printable.Short(strings.ReplaceAll(text, token, "..."), 200)
}

// notUnderstood is an answer that cannot be used.
func notUnderstood(op string, err error) error {
	return &Error{Op: op, Text: "the STARFACE's answer is not understood: " + printable.Text(err.Error()), Cure: cureForm}
}

// unreachable is a request that got no whole answer. ctx is that of the caller: when it has ended, the STARFACE is not to blame. What failed on a
// connection says nothing in its own words: net/http quotes lines that it does not understand, and such a line may repeat the token.
func unreachable(ctx context.Context, op string, err error, connected bool) error {
	if ctx.Err() != nil {
		return &Error{Op: op, Text: "given up", cause: ctx.Err()}
	}
	e := &Error{Op: op, Text: printable.Text(err.Error()), Cure: cureReach, cause: err}
	var (
		issuer  x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   tls.RecordHeaderError
		timeout net.Error
	)
	switch {
	case errors.As(err, &issuer):
		e.Cure = cureCA
	case errors.As(err, &name):
		e.Cure = cureName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Cure = cureClock
	case errors.As(err, &invalid):
		e.Cure = cureCA
	case errors.As(err, &alert):
		e.Text, e.Cure = "what answers does not speak TLS", cureURL
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Text = "no answer within " + requestTime.String()
	case connected:
		e.Text, e.Cure = "the connection breaks off, or what comes is no answer", cureLog
	}
	return e
}
