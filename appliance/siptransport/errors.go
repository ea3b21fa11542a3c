package siptransport

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// Error says that a peer could not be reached.
type Error struct {
	Op   string // "resolve", "dial", "handshake", "send", "write", "connection"; "call": a call is not sent at all
	Peer string
	Err  error
}

func (e *Error) Error() string {
	if e.Op == OpResolve {
		return e.Err.Error() // names the host itself
	}
	return e.Op + " " + e.Peer + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// OpResolve is the Op of an Error of the name servers.
const OpResolve = "resolve"

func noAddress(host string) error { return errors.New(host + " has no address") }

// IsSilence reports whether err means that the name servers are silent. The resolver logs that once for all names.
func IsSilence(err error) bool {
	var s interface{ Silent() bool }
	return errors.As(err, &s) && s.Silent()
}

// IsUnreached reports whether err says that the peer was not reached.
func IsUnreached(err error) bool {
	var t *Error
	return errors.As(err, &t)
}

// IsUnopened reports whether err says that a connection could not be opened.
func IsUnopened(err error) bool {
	var t *Error
	return errors.As(err, &t) && (t.Op == "dial" || t.Op == "handshake")
}

// IsDeclined reports whether err says that TLS with the peer came to nothing, for a reason that is the same in a while: an alert, a certificate that
// either side does not trust, or no certificate of ours. A handshake that stalled is none.
func IsDeclined(err error) bool {
	var t *Error
	return errors.As(err, &t) && t.Op == "handshake" && !IsStalled(err)
}

// IsRefused reports whether err says that the peer does not want TLS with us: it sent an alert, or ended the handshake without one.
func IsRefused(err error) bool {
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" { // what crypto/tls calls an alert of the peer
		return true
	}
	var t *Error
	return errors.As(err, &t) && t.Op == "handshake" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET))
}

// IsStalled reports whether err says that the peer took our connection, and the TLS handshake on it never came to an end: small packets
// arrive, and large ones do not.
func IsStalled(err error) bool {
	var t *Error
	var timeout net.Error
	return errors.As(err, &t) && t.Op == "handshake" && (errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout())
}
