package system

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"viaduct/appliance/call"
	"viaduct/appliance/health"
	"viaduct/appliance/media"
)

// Engine is a part of the box that runs as long as the box does. One that returns nil has nothing more to do, unless Down is critical.
type Engine struct {
	Name string
	Down *health.Warnable // the alarm while it does not run
	Run  func(context.Context) error
}

// How an engine that fails is started again.
const (
	firstPause = time.Second // doubled with each failure
	lastPause  = time.Minute
	steady     = 5 * time.Second // an engine that has run for so long runs
)

var errEnded = errors.New("it has ended")

// keep runs an engine until ctx ends. One that fails is started again after a pause, and is an alarm until it is steady.
func (s *System) keep(ctx context.Context, e Engine) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		var err error
		select {
		case err = <-ended:
		case <-time.After(steady):
			s.health.Clear(e.Down, e.Name)
			pause = firstPause
			err = <-ended
		}
		if err == nil && e.Down.Severity == health.Critical {
			err = errEnded
		}
		if err == nil || ctx.Err() != nil {
			s.health.Clear(e.Down, e.Name)
			return
		}
		s.health.Set(e.Down, health.Args{"engine": e.Name, "why": err.Error()})
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Unfit returns the reasons why the box cannot do its work, or cannot tell yet. PID 1 asks before it confirms an image.
func (s *System) Unfit() []string {
	began := s.engaged.Load()
	if began == nil || time.Since(*began) < steady {
		return []string{"the engines have only just started"}
	}
	s.watchSockets()
	return s.health.Unfit()
}

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
	Restore(media.State, media.Marks, time.Duration) (*media.Session, error)
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

// Restore implements call.Media.
func (r *relay) Restore(s media.State, m media.Marks, since time.Duration) (call.MediaSession, error) {
	return (*r.now.Load()).Restore(s, m, since)
}

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
