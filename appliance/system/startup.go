package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/flash"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/store"
)

// unreadShown limits the lines left out of a startup-config that `show config problems` names; the log has all of them.
const unreadShown = 10

// startSource is a place from which the box may start.
type startSource struct {
	name string
	read func() ([]byte, error)
}

// startup returns the configuration to start with: the startup-config, or the youngest usable one before it, or the factory settings,
// so that the box can be reached. All sound lines take effect. Faulty lines are logged, and they are problems until another
// startup-config is written: saving loses these lines.
func (s *System) startup() *config.Config {
	sources := s.sources()
	switch takeOrder(s.o.Rescue) {
	case orderFactory:
		s.log.Warn("starting with the factory settings, as ordered at the console")
		return s.factory()
	case orderPrevious:
		s.log.Warn("starting with the startup-config before the last one, as ordered at the console")
		sources = sources[1:]
	}
	if s.o.ConfigFile != "" {
		sources = []startSource{{s.o.ConfigFile, func() ([]byte, error) { return os.ReadFile(s.o.ConfigFile) }}}
	}
	var damaged []string
	for _, from := range sources {
		text, err := from.read()
		if errors.Is(err, fs.ErrNotExist) && from.name == store.StartupFile {
			s.log.Info("no startup-config, starting with the factory settings")
			if err := s.store.EraseFleet(); err != nil {
				s.log.Error("the key of the box for its hub is not removed", "err", err)
			}
			return s.factory()
		}
		if err == nil && !s.o.Language.Understands(text) && (s.o.ConfigFile == "" || len(text) > 0) {
			err = unusable(text)
		}
		if err == nil && s.o.ConfigFile == "" && bytes.IndexByte(text, 0) >= 0 {
			err = errHoles
		}
		if err != nil {
			s.log.Error("configuration not usable", "name", from.name, "err", err)
			damaged = append(damaged, fmt.Sprintf("%s (%v)", from.name, cause(err)))
			continue
		}
		if len(damaged) > 0 {
			s.fellBack(damaged, from.name)
		}
		return s.begin(from.name, text)
	}
	s.fellBack(damaged, "the factory settings")
	return s.begin("factory-config", []byte(factory))
}

// sources lists the startup-config and its predecessors.
func (s *System) sources() []startSource {
	list := []startSource{{store.StartupFile, s.store.Startup}}
	old, err := s.store.OldStartups()
	if err != nil {
		s.log.Error("kept startup-configs not listed", "err", err)
	}
	for n := range old {
		list = append(list, startSource{fmt.Sprintf("%s.%d", store.StartupFile, n+1), func() ([]byte, error) { return s.store.OldStartup(n + 1) }})
	}
	return list
}

// cause returns the innermost error, which names no files.
func cause(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}

// unusable says why a file is no configuration.
func unusable(text []byte) error {
	if len(strings.Trim(string(text), "\x00\r\n\t ")) == 0 {
		return flash.ErrEmpty
	}
	return errors.New("no line of it is understood")
}

// errHoles: a power cut leaves zeros where blocks of a file were not written yet. Half of a configuration may be a box without an address.
var errHoles = errors.New("a part of it is zeros")

// fellBack raises the alarm that the box does not run the configuration that was saved last.
func (s *System) fellBack(damaged []string, to string) {
	s.log.Warn("starting with another configuration than the one that was saved last", "name", to)
	s.health.Set(health.StartupUnusable, health.Args{"used": to, "why": strings.Join(damaged, ", ")})
}

// begin parses the configuration to start with.
func (s *System) begin(name string, text []byte) *config.Config {
	cfg, problems := s.o.Language.Parse(text)
	lost := 0
	var named []health.Args
	for _, p := range problems {
		s.log.Warn("configuration", "name", name, "line", p.Line, "err", p.Text)
		if p.Severity != check.Error {
			continue
		}
		if lost++; lost <= unreadShown {
			named = append(named, health.Args{"line": fmt.Sprintf("%s, line %d", name, p.Line), "was": "was", "why": p.Text})
		}
	}
	if more := lost - unreadShown; more > 0 {
		named = append(named, health.Args{"line": fmt.Sprintf("%s of %s", plural.Of(more, "more line"), name), "was": plural.Was(more), "why": "show log names them"})
	}
	s.health.Replace(health.StartupLines, named)
	return cfg
}

// rewritten clears the alarms about the startup-config, unless the new one has faulty lines, too.
func (s *System) rewritten(text []byte) {
	s.health.Clear(health.StartupUnusable, "")
	s.health.Clear(health.SecretKeyLost, "")
	_, problems := s.o.Language.Parse(text)
	if slices.ContainsFunc(problems, func(p check.Problem) bool { return p.Severity == check.Error }) {
		return
	}
	s.health.Replace(health.StartupLines, nil)
}

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

// A console leaves these orders for the next start when sbcd does not answer.
const (
	orderRestart  = "restart"
	orderPrevious = "previous" // start with the startup-config before the last one
	orderFactory  = "factory"  // start with nothing
)

// takeOrder reads the order in file and removes it: it is for one start only.
func takeOrder(file string) string {
	text, err := os.ReadFile(file)
	if err != nil || len(text) == 0 {
		return ""
	}
	// Emptied rather than removed: the file belongs to the console, which may not be able to make it again.
	if err := os.Truncate(file, 0); err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
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
