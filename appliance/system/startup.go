package system

import (
	"context"
	"os"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/startup"
)

// newStartup makes what chooses the configuration that the box starts with.
func (s *System) newStartup() *startup.Chooser {
	return startup.New(startup.Options{
		Log: s.log, Health: &s.health, Store: s.store, Language: s.o.Language, File: s.o.ConfigFile, Rescue: s.o.Rescue, Factory: s.factoryText, Fallback: factory,
	})
}

// rewritten clears the alarms about the startup-config, unless the new one has faulty lines, too.
func (s *System) rewritten(text []byte) { s.newStartup().Rewritten(text) }

// lostKey raises the alarm that sealed passwords of the startup-config cannot be opened. The check of the configuration names them.
func (s *System) lostKey() {
	if s.o.Secrets == nil || s.o.Secrets.Damage() == "" {
		return
	}
	s.judge(health.SecretKeyLost, s.o.Secrets.Damage())
}

// Steps of the start that sbcd takes. PID 1 has others before them.
const (
	stepConfiguration = "configuration" // read
	stepNetwork       = "network"       // addresses, routes, firewall
	stepGateways      = "gateways"      // their sockets are open, those with TLS only once the clock is right
	stepTLS           = "tls"
	stepPrompt        = "prompt" // a console has asked who may log in
)

// listening notes that the gateways stand as configured.
func (s *System) listening(tlsWaits bool) {
	first := s.o.Start.Done(stepGateways)
	if !tlsWaits {
		first = s.o.Start.Done(stepTLS) || first
	}
	if first {
		s.begun()
	}
}

// Greeted notes that a console has asked who may log in.
func (s *System) Greeted() {
	if s.o.Start.Done(stepPrompt) {
		s.begun()
	}
}

// begun logs how the start went, once it is over.
func (s *System) begun() {
	if s.o.Start.Has(stepTLS, stepPrompt) && s.o.Start.Done("up") {
		s.log.Info("the box is up", "steps", s.o.Start.Steps().String())
	}
}

// obey restarts the box when an order comes while it runs: the console leaves one when it gets no answers, even if calls still work.
func (s *System) obey(ctx context.Context) error {
	if s.o.Rescue == "" {
		return nil
	}
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			if fi, err := os.Stat(s.o.Rescue); err == nil && fi.Size() > 0 {
				s.log.Warn("restart ordered at the console")
				s.noteBox("restart ordered at a console that got no answers")
				s.restart(false)
				return nil
			}
		}
	}
}
