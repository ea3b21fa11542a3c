package bus

import (
	"context"

	"viaduct/appliance/fleet"
)

type session struct{}

func (s *session) fail(error) {}

// Run connects, and connects again, until ctx ends.
func (b *Bus) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Request is that of fleet.Link.
func (b *Bus) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	return nil, fleet.ErrAway
}

// Keep is that of fleet.Link.
func (b *Bus) Keep(ctx context.Context, subject, id string, body []byte) error { return fleet.ErrAway }

// Send is that of fleet.Link.
func (b *Bus) Send(subject string, body []byte) error { return fleet.ErrAway }

// Listen is that of fleet.Link. f is called by the goroutine that reads what the hub sends: while it lasts, nothing else arrives. It may Send, Reply,
// Listen and stop.
func (b *Bus) Listen(subject string, f func(fleet.Message)) (stop func(), err error) {
	return func() {}, nil
}

// Reply is that of fleet.Link.
func (b *Bus) Reply(to fleet.Message, body []byte) error { return fleet.ErrAway }

// Changed is that of fleet.Link.
func (b *Bus) Changed() (connected bool, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session != nil, b.changed
}
