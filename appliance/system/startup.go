package system

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
)

// unreadShown is how many lines of a startup-config that were left out are named by `show config problems`; the log has all.
const unreadShown = 10

// startup reads the startup-config. Everything sound in it starts. What is wrong in it is logged, and is among the problems until
// another one is written: who saves then loses these lines.
func (s *System) startup() *config.Config {
	name := "startup-config"
	text, err := s.store.Startup()
	switch takeOrder(s.o.Rescue) {
	case orderFactory:
		s.log.Warn("starting with the factory settings, as ordered at the console")
		return s.factory()
	case orderPrevious:
		name = "startup-config.1"
		s.log.Warn("starting with the startup-config before the last one, as ordered at the console")
		text, err = s.store.OldStartup(1)
	}
	if s.o.ConfigFile != "" {
		name = s.o.ConfigFile
		text, err = os.ReadFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) && s.o.ConfigFile == "" {
		s.log.Info("no startup-config, starting with the factory settings")
		return s.factory()
	}
	if err != nil {
		s.log.Error("startup-config not read", "name", name, "err", err)
		s.leftOut(fmt.Sprintf("%s was not read at the start: %v", name, err))
		return config.New()
	}
	cfg, problems := s.o.Language.Parse(text)
	lost := 0
	for _, p := range problems {
		s.log.Warn("configuration", "name", name, "line", p.Line, "err", p.Text)
		if p.Severity != lang.Error {
			continue
		}
		if lost++; lost <= unreadShown {
			s.leftOut(fmt.Sprintf("%s, line %d was left out at the start: %s", name, p.Line, p.Text))
		}
	}
	if lost > unreadShown {
		s.leftOut(fmt.Sprintf("%d more lines of %s were left out at the start: show log names them", lost-unreadShown, name))
	}
	return cfg
}

// leftOut notes what of the startup-config is not in force.
func (s *System) leftOut(text string) {
	s.unread = append(s.unread, lang.Problem{Severity: lang.Warning, Text: text})
}

// rewritten forgets what was left out, unless the new startup-config still has such lines.
func (s *System) rewritten(text []byte) {
	_, problems := s.o.Language.Parse(text)
	if slices.ContainsFunc(problems, func(p lang.Problem) bool { return p.Severity == lang.Error }) {
		return
	}
	s.mu.Lock()
	s.unread = nil
	s.mu.Unlock()
}
