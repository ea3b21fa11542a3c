// Package startup chooses the configuration that a box starts with: the startup-config, one before it, or the factory settings.
//
// It owns that order, what counts as damaged, orders that a console leaves for the next start, and the alarms about a startup-config. It does not own
// the files (store) or the words of the language (lang). It has no goroutines.
package startup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/flash"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/store"
)

// Language reads configurations: lang.Language.
type Language interface {
	Parse(text []byte) (*config.Config, []check.Problem)
	Understands(text []byte) bool
}

// Options say where a box finds what it may start with.
type Options struct {
	Log      *slog.Logger
	Health   *health.Tracker
	Store    *store.Store
	Language Language
	File     string        // read instead of the startup-configs; "" are those
	Rescue   string        // where a console leaves an order for the next start; "": nowhere
	Factory  func() string // the configuration of a box without a startup-config
	Fallback string        // the one of a box whose startup-configs are all damaged
}

// A Chooser chooses. It is not safe for concurrent use, save Rewritten.
type Chooser struct{ o Options }

// New makes a Chooser.
func New(o Options) *Chooser { return &Chooser{o} }

// UnreadShown limits the lines left out of a startup-config that `show config problems` names; the log has all of them.
const UnreadShown = 10

// source is a place from which the box may start.
type source struct {
	name string
	read func() ([]byte, error)
}

// Choose returns the configuration to start with: the startup-config, or the youngest usable one before it, or the factory settings,
// so that the box can be reached. All sound lines take effect. Faulty lines are logged, and they are problems until another
// startup-config is written: saving loses these lines.
func (c *Chooser) Choose() *config.Config {
	sources := c.sources()
	switch takeOrder(c.o.Rescue) {
	case OrderFactory:
		c.o.Log.Warn("starting with the factory settings, as ordered at the console")
		return c.factory()
	case OrderPrevious:
		c.o.Log.Warn("starting with the startup-config before the last one, as ordered at the console")
		sources = sources[1:]
	}
	if c.o.File != "" {
		sources = []source{{c.o.File, func() ([]byte, error) { return os.ReadFile(c.o.File) }}}
	}
	var damaged []string
	for _, from := range sources {
		text, err := from.read()
		if errors.Is(err, fs.ErrNotExist) && from.name == store.StartupFile {
			c.o.Log.Info("no startup-config, starting with the factory settings")
			if err := c.o.Store.EraseFleet(); err != nil {
				c.o.Log.Error("the key of the box for its hub is not removed", "err", err)
			}
			return c.factory()
		}
		if err == nil && !c.o.Language.Understands(text) && (c.o.File == "" || len(text) > 0) {
			err = unusable(text)
		}
		if err == nil && c.o.File == "" && bytes.IndexByte(text, 0) >= 0 {
			err = errHoles
		}
		if err != nil {
			c.o.Log.Error("configuration not usable", "name", from.name, "err", err)
			damaged = append(damaged, fmt.Sprintf("%s (%v)", from.name, cause(err)))
			continue
		}
		if len(damaged) > 0 {
			c.fellBack(damaged, from.name)
		}
		return c.begin(from.name, text)
	}
	c.fellBack(damaged, "the factory settings")
	return c.begin("factory-config", []byte(c.o.Fallback))
}

// factory is the configuration without a startup-config.
func (c *Chooser) factory() *config.Config {
	cfg, _ := c.o.Language.Parse([]byte(c.o.Factory()))
	return cfg
}

// sources lists the startup-config and its predecessors.
func (c *Chooser) sources() []source {
	list := []source{{store.StartupFile, c.o.Store.Startup}}
	old, err := c.o.Store.OldStartups()
	if err != nil {
		c.o.Log.Error("kept startup-configs not listed", "err", err)
	}
	for n := range old {
		list = append(list, source{fmt.Sprintf("%s.%d", store.StartupFile, n+1), func() ([]byte, error) { return c.o.Store.OldStartup(n + 1) }})
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
func (c *Chooser) fellBack(damaged []string, to string) {
	c.o.Log.Warn("starting with another configuration than the one that was saved last", "name", to)
	c.o.Health.Set(health.StartupUnusable, health.Args{"used": to, "why": strings.Join(damaged, ", ")})
}

// begin parses the configuration to start with.
func (c *Chooser) begin(name string, text []byte) *config.Config {
	cfg, problems := c.o.Language.Parse(text)
	lost := 0
	var named []health.Args
	for _, p := range problems {
		c.o.Log.Warn("configuration", "name", name, "line", p.Line, "err", p.Text)
		if p.Severity != check.Error {
			continue
		}
		if lost++; lost <= UnreadShown {
			named = append(named, health.Args{"line": fmt.Sprintf("%s, line %d", name, p.Line), "was": "was", "why": p.Text})
		}
	}
	if more := lost - UnreadShown; more > 0 {
		named = append(named, health.Args{"line": fmt.Sprintf("%s of %s", plural.Of(more, "more line"), name), "was": plural.Was(more), "why": "show log names them"})
	}
	c.o.Health.Replace(health.StartupLines, named)
	return cfg
}

// Rewritten clears the alarms about the startup-config, unless the new one has faulty lines, too.
func (c *Chooser) Rewritten(text []byte) {
	c.o.Health.Clear(health.StartupUnusable, "")
	c.o.Health.Clear(health.SecretKeyLost, "")
	_, problems := c.o.Language.Parse(text)
	if slices.ContainsFunc(problems, func(p check.Problem) bool { return p.Severity == check.Error }) {
		return
	}
	c.o.Health.Replace(health.StartupLines, nil)
}

// A console leaves these orders for the next start when sbcd does not answer. It has one more, "restart", which changes nothing here.
const (
	OrderPrevious = "previous" // start with the startup-config before the last one
	OrderFactory  = "factory"  // start with nothing
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
