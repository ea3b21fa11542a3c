package siptransport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"viaduct/appliance/pki"
)

func TestWhatIsARefusalOfOurCertificate(t *testing.T) {
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	for _, x := range []struct {
		err  error
		want bool
	}{
		{&Error{Op: "handshake", Peer: "hub", Err: alert}, true},
		{&Error{Op: "connection", Peer: "hub", Err: fmt.Errorf("read: %w", alert)}, true}, // with TLS 1.3 it comes after the handshake
		{&Error{Op: "handshake", Peer: "hub", Err: io.EOF}, true},
		{&Error{Op: "handshake", Peer: "hub", Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, true},
		{&Error{Op: "dial", Peer: "hub", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, false},
		{&Error{Op: "dial", Peer: "hub", Err: &net.OpError{Op: "dial", Err: syscall.ECONNRESET}}, false},
		{&Error{Op: "handshake", Peer: "hub", Err: &pki.UnknownIssuer{Subject: "hub"}}, false}, // we refuse theirs
		{&Error{Op: "handshake", Peer: "hub", Err: &net.OpError{Op: "read", Err: syscall.ETIMEDOUT}}, false},
		{nil, false},
	} {
		if got := IsRefused(x.err); got != x.want {
			t.Errorf("%v: %v", x.err, got)
		}
	}
}

// A handshake that never ends is another fault than one that is refused, and than a port that takes no connection.
func TestWhatAHandshakeStalls(t *testing.T) {
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for _, x := range []struct {
		err  error
		want bool
	}{
		{&Error{Op: "handshake", Peer: "hub", Err: context.DeadlineExceeded}, true},
		{&Error{Op: "handshake", Peer: "hub", Err: timeout}, true},
		{&Error{Op: "handshake", Peer: "hub", Err: io.EOF}, false},
		{&Error{Op: "handshake", Peer: "hub", Err: &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}}, false},
		{&Error{Op: "dial", Peer: "hub", Err: timeout}, false},
		{context.DeadlineExceeded, false},
		{nil, false},
	} {
		if got := IsStalled(x.err); got != x.want {
			t.Errorf("%v: %v", x.err, got)
		}
	}
}
