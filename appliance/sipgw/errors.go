package sipgw

import "errors"

// TransportError says that a peer could not be reached.
type TransportError struct {
	Op   string // "resolve", "dial", "handshake", "send", "write", "connection"
	Peer string
	Err  error
}

func (e *TransportError) Error() string {
	if e.Op == opResolve {
		return e.Err.Error() // names the host itself
	}
	return e.Op + " " + e.Peer + ": " + e.Err.Error()
}

func (e *TransportError) Unwrap() error { return e.Err }

// opResolve is the Op of a TransportError of the name servers.
const opResolve = "resolve"

func noAddress(host string) error { return errors.New(host + " has no address") }

// IsSilence reports whether an error is that of name servers that are silent: the resolver tells of it for all names at once.
func IsSilence(err error) bool {
	var s interface{ Silent() bool }
	return errors.As(err, &s) && s.Silent()
}
