package lang

import (
	"errors"
	"fmt"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
)

// merge takes the lines of a text into the running configuration, as if they were pasted.
func (c *call) merge(from string, text []byte) error {
	var taken int
	var problems []check.Problem
	var changed bool
	err := c.box.Mutate(func(old *config.Config) (*config.Config, error) {
		r := c.lang.readOnto(old, "", text)
		if err := c.mayHave(from, r.cfg); err != nil {
			return nil, err
		}
		taken, problems, changed = r.taken, r.problems, r.cfg != old
		return r.cfg, nil
	})
	if err != nil {
		return err
	}
	c.at = c.lang.resolve(c.box.Running(), c.at.mode())
	c.result.Changed = changed
	bad := c.refused(problems)
	if taken == 0 {
		return fmt.Errorf("no line of %s is understood: nothing was changed", from)
	}
	c.printf("%s merged into the %s: %s taken, %d refused\n", from, runningConfig, plural.Of(taken, "line"), bad)
	if bad > 0 {
		return errRefused
	}
	return nil
}

// errRefused is the end of a copy that left lines out.
var errRefused = errors.New("the lines above were refused; all others are in force")

// diffShown is how many lines of a difference a question shows.
const diffShown = 60

// replace makes a text the running configuration, after it has shown what that changes and asked.
func (c *call) replace(from string, text []byte, forced bool) error {
	cfg, problems := c.lang.Parse(text)
	bad := c.refused(problems)
	switch {
	case !c.lang.Understands(text):
		return fmt.Errorf("no line of %s is understood: nothing was changed", from)
	case bad > 0 && forced && !c.session.Yes:
		return fmt.Errorf("%s not understood: nothing was changed", plural.Of(bad, "line"))
	}
	if err := c.mayHave(from, cfg); err != nil {
		return err
	}
	if !c.session.Yes && c.page().Differences(runningConfig, from, c.printed(c.box.Running()), c.printed(cfg), diffShown) == 0 {
		c.printf("%s and %s are the same: nothing was changed\n", from, runningConfig)
		return nil
	}
	if !forced && !c.session.Yes {
		if bad > 0 {
			c.printf("%% %s not understood and left out\n", plural.Of(bad, "line"))
		}
		if !cfg.LetsIn() {
			c.printf("%% warning: no account in it has a password or a public key: nobody gets in over the network any more\n")
		}
	}
	if !c.confirmed(forced, "Replace the running configuration with "+from+"?") {
		return nil
	}
	if err := c.box.Mutate(func(*config.Config) (*config.Config, error) { return cfg, nil }); err != nil {
		return err
	}
	c.result.Changed = true
	c.at = c.lang.resolve(c.box.Running(), c.at.mode())
	c.printf("%s is the %s now: %d refused\n", from, runningConfig, bad)
	if bad > 0 {
		return errRefused
	}
	return nil
}
