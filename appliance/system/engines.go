package system

import (
	"context"
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/status"
)

// engine is a part of the box that runs as long as the box does.
type engine struct {
	name  string
	vital bool // without it there are no calls
	run   func(context.Context) error
}

// How an engine that fails is started again.
const (
	firstPause = time.Second // doubled with each failure
	lastPause  = time.Minute
	steady     = 5 * time.Second // an engine that has run for so long runs
)

var errEnded = errors.New("it has ended")

// keep runs an engine until ctx ends. One that fails is started again after a pause, and is a standing failure until it is steady.
// An engine that returns nil has nothing more to do, unless it is vital.
func (s *System) keep(ctx context.Context, e engine) {
	name := "engine " + e.name
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		ended := make(chan error, 1)
		go func() { ended <- e.run(ctx) }()
		var err error
		select {
		case err = <-ended:
		case <-time.After(steady):
			s.standing.clear(name)
			pause = firstPause
			err = <-ended
		}
		if err == nil && e.vital {
			err = errEnded
		}
		if err == nil || ctx.Err() != nil {
			s.standing.clear(name)
			return
		}
		s.standing.raise(name, failure{text: fmt.Sprintf("the engine %q does not run: %v; it is started again and again", e.name, err), unfit: e.vital})
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Unfit says why the box cannot do its work, or cannot tell yet; nothing when it can. PID 1 asks before it confirms an image.
func (s *System) Unfit() []string {
	began := s.engaged.Load()
	if began == nil || time.Since(*began) < steady {
		return []string{"the engines have only just started"}
	}
	why := s.standing.unfit()
	if err := s.deaf(); err != nil {
		why = append(why, err.Error())
	}
	return why
}

// deaf says why no gateway hears anything although it has an address to listen on. Without an address it is the network that is
// missing, or its configuration.
func (s *System) deaf() error {
	var failed error
	for _, g := range s.sip.Gateways() {
		for _, i := range g.Interfaces {
			for _, l := range i.Listeners {
				switch l.State {
				case status.ListenerOpen:
					return nil
				case status.ListenerFailed:
					failed = errors.New(l.Error)
				}
			}
		}
	}
	return failed
}
