package lang

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// saveAccount copies the password of one account from the running configuration to the startup-config, and changes nothing else there, for the
// class, too, may be on trial. Without a startup-config it creates one from the factory settings, or the account would be lost at the next start; and it adds the first account of
// a box to one in which none has a password. It reports false if the startup-config has others and not this one, or has lines that are not understood and
// would be lost.
func (l *Language) saveAccount(box device.Box, name string, first bool) (saved bool, err error) {
	running := box.Running().Account(name)
	if running == nil {
		return false, fmt.Errorf("no account %s", name)
	}
	text, err := box.ReadFile(command.StartupConfig)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		text, err = box.ReadFile(command.FactoryConfig)
	}
	if err != nil {
		return false, fmt.Errorf("read configuration: %w", err)
	}
	cfg, problems := l.Parse(text)
	if slices.ContainsFunc(problems, func(p check.Problem) bool { return p.Severity == check.Error }) {
		return false, nil
	}
	i := slices.IndexFunc(cfg.Accounts, func(a *config.Account) bool { return a.Name == name })
	switch {
	case i >= 0:
		cfg.Accounts[i].Password, cfg.Accounts[i].Change = running.Password, running.Change
	case fresh && box.Commit().State == status.NoCommit || first && cfg.OpenDoor():
		cfg.Accounts = append(cfg.Accounts, running)
	default:
		return false, nil
	}
	if err := box.WriteFile(command.StartupConfig, l.Print(cfg, false)); err != nil {
		return false, fmt.Errorf("write %s: %w", command.StartupConfig, err)
	}
	return true, nil
}

// leavesManager refuses a change after which nobody could manage accounts any more, or every administrator could because the last superuser
// is gone, to those who come with an account: whoever stands at the box without one gets in again.
func (c *call) leavesManager(before, after *config.Config) error {
	managers := before.Managers()
	class, left := before.ManagingClass(), after.Managers()
	if c.Session.User == "" || len(managers) == 0 || len(left) > 0 && (class != config.Superuser || left[0].Class == class) {
		return nil
	}
	return fmt.Errorf("%s is the last account that can log in and manage accounts: give another one the class %s and a password first", managers[0].Name, class)
}

// shortestPassword is how many characters a password must have that its owner chooses.
const shortestPassword = 8

// ChoosePassword gives an account the password that its owner has chosen in place of the old one, and reports whether it is saved, too: who got
// in over the network must get in again after a power cut, and nobody saves a configuration for a password.
func (l *Language) ChoosePassword(box device.Box, a *config.Account, tty, old, password string) (saved bool, err error) {
	switch {
	case password == old:
		return false, errors.New("the new password is the old one")
	case len([]rune(password)) < shortestPassword:
		return false, errors.New("the new password is too short: 8 characters at least")
	case strings.ContainsFunc(password, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return false, errors.New("the new password holds a character that cannot be typed")
	}
	first := box.Running().OpenDoor()
	s := &Session{Mode: []string{"enable", "configure"}, User: a.Name, Class: config.Superuser, TTY: tty}
	var out bytes.Buffer
	line := string(a.Class) + " " + cli.Quote(a.Name) + " password " + cli.QuoteValue(password)
	if _, err := l.Exec(context.Background(), &choosing{box, a.Name}, s, line, nil, &out); err != nil {
		return false, errors.New("the new password is not taken: " + err.Error())
	}
	if saved, err = l.saveAccount(box, a.Name, first); err != nil {
		return false, nil // it is in force: a restart would bring the old one back, which is said
	}
	return saved, nil
}

// choosing is a box at which an account chooses a password.
type choosing struct {
	device.Box
	account string
}

// Mutate also has the password outlive a change that goes back, in the same step: that may be a moment away.
func (c *choosing) Mutate(by status.Author, change func(*config.Config) (*config.Config, error)) error {
	return c.Box.Mutate(by, func(old *config.Config) (*config.Config, error) {
		cfg, err := change(old)
		if err == nil {
			if a := cfg.Account(c.account); a != nil {
				c.KeepPassword(a, old.OpenDoor())
			}
		}
		return cfg, err
	})
}
