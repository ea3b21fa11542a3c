package system

import (
	"context"
	"sync/atomic"

	"viaduct/appliance/call"
	"viaduct/appliance/media"
)

// relay is the media engine of the calls. A media.Relay runs once; when it has ended, a new one takes its place.
type relay struct {
	make func() runner
	lost func() // called when a relay has ended, and with it the media of every call
	now  atomic.Pointer[runner]
	used bool // now has run; Run's goroutine only
}

// runner is a media.Relay.
type runner interface {
	NewSession() *media.Session
	Run(context.Context) error
}

func newRelay(make func() runner, lost func()) *relay {
	r := &relay{make: make, lost: lost}
	r.next()
	return r
}

func (r *relay) next() {
	next := r.make()
	r.now.Store(&next)
}

// NewSession implements call.Media.
func (r *relay) NewSession() call.MediaSession { return (*r.now.Load()).NewSession() }

// Run relays until ctx ends or the relay does; then it may be called again.
func (r *relay) Run(ctx context.Context) error {
	if r.used {
		r.next()
	}
	r.used = true
	err := (*r.now.Load()).Run(ctx)
	if ctx.Err() == nil {
		r.lost()
	}
	return err
}
