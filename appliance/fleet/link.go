package fleet

import (
	"context"
	"errors"
)

// Link is a connection to the hub in one customer's account, of a box or of an operator. It connects again by itself. It is safe for concurrent
// use; package bus makes it.
type Link interface {
	// Request asks and waits for the answer. The error is ErrAway while there is no connection or nobody answers; ctx bounds the wait.
	Request(ctx context.Context, subject string, body []byte) ([]byte, error)
	// Keep puts a message into the hub's stream and waits until the hub has it. The hub takes an id once, within two minutes; what it has taken
	// once is no error again. The errors are ErrAway, and ErrRefused for a message that it will never take.
	Keep(ctx context.Context, subject, id string, body []byte) error
	// Send sends a message, or loses it: ErrAway when that is sure.
	Send(subject string, body []byte) error
	// Listen has f called with each message of a subject, one at a time and in their order, until stop, also after the connection was lost and
	// made again. f must not wait for the network.
	Listen(subject string, f func(Message)) (stop func(), err error)
	// Reply answers a message that asked.
	Reply(to Message, body []byte) error
	// Changed returns a channel that is closed at the next change of Connected.
	Changed() (connected bool, next <-chan struct{})
}

// Message is a message that has arrived.
type Message struct {
	Subject string
	Reply   string // where an answer goes; "": none is wanted
	Data    []byte // not to be kept
}

// Errors of a Link.
var (
	ErrAway    = errors.New("the hub is away")
	ErrRefused = errors.New("the hub refuses the message")
)
