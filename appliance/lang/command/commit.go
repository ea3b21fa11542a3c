package command

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// How a whole text becomes the running configuration, for a while or for good.

// Adoption is a change of the running configuration by a text.
type Adoption struct {
	From string        // where the text comes from
	Keep time.Duration // it goes back after it unless it is confirmed; 0: it stays
	Make func(old *config.Config) (*config.Config, error)
}

// Adopt makes the configuration that Make returns the running one. The trail gets each line that comes or goes. It reports whether anything
// has changed.
func Adopt(l Language, box device.Box, s *Session, a Adoption) (changed bool, err error) {
	if err := Copies(box); err != nil {
		return false, err
	}
	var before, after *config.Config
	err = box.Mutate(s.Author(), func(old *config.Config) (*config.Config, error) {
		made, err := a.Make(old)
		if err != nil {
			return nil, err
		}
		if err := s.mayHave(a.From, made, old); err != nil {
			return nil, err
		}
		if a.Keep > 0 {
			if err := box.BeginCommit(old, s.Author(), a.Keep); err != nil {
				return nil, &PendingError{err}
			}
		}
		before, after = old, made
		return made, nil
	})
	if err != nil {
		return false, err
	}
	if before != after {
		noteDifference(l, box, s, before, after)
	}
	return before != after, nil
}

// PendingError says that a change of somebody else waits for its confirmation.
type PendingError struct{ err error }

func (e *PendingError) Error() string { return e.err.Error() }
func (e *PendingError) Unwrap() error { return e.err }

// AccountsError says that a configuration has other accounts, and that this user may not change them.
type AccountsError struct{ from string }

func (e *AccountsError) Error() string {
	return fmt.Sprintf("the accounts of %s differ from those of the %s: only a superuser can manage accounts", e.from, RunningConfig)
}

// mayHave rejects a configuration that changes the accounts, unless the session manages accounts.
func (s *Session) mayHave(from string, cfg, running *config.Config) error {
	if from != FactoryConfig && !s.May(running.ManagingClass()) && !sameAccounts(cfg, running) {
		return &AccountsError{from}
	}
	return nil
}

// sameAccounts reports whether two configurations have the same accounts and keys.
func sameAccounts(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Accounts, b.Accounts) && reflect.DeepEqual(a.PublicKeys, b.PublicKeys)
}

// notedLines limits how many lines of one change the trail gets.
const notedLines = 50

// noteDifference puts the lines that come and go into the trail, without secrets.
func noteDifference(l Language, box device.Box, s *Session, before, after *config.Config) {
	by := status.Audit{What: status.AuditConfiguration, Account: s.User, From: s.TTY}
	list := l.Changes(before, after)
	for n, x := range list {
		if n == notedLines {
			box.Note(by, func(e *status.Audit) { e.Line = "... and " + plural.Of(len(list)-n, "more line") })
			return
		}
		box.Note(by, func(e *status.Audit) {
			e.Mode, e.Line = x.Block, x.Text
			if !x.Come {
				e.Line = "no " + x.Text
			}
		})
	}
}

// SavedText returns a configuration in a file, as `show` prints it.
func SavedText(l Language, box device.Box, name string, masked bool) ([]byte, error) {
	text, err := box.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFile{name}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if masked {
		cfg, _ := l.Parse(text)
		text = l.Print(cfg, true)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n') // a file from elsewhere may end in the middle of a line
	}
	return []byte(printable.Lines(string(text))), nil
}

// IsSaved reports whether a word names a configuration in a file.
func IsSaved(name string) bool {
	for _, n := range savedConfigs() {
		if n == name {
			return true
		}
	}
	return false
}

type configureArgs struct{ Minutes int }

// configure enters the configuration. With confirm, everything that changes from now on goes back unless it is confirmed.
func configure(c *Call, a *configureArgs) error {
	if err := Copies(c.Box); err != nil {
		return err
	}
	if a.Minutes > 0 {
		err := c.Box.Mutate(c.Session.Author(), func(old *config.Config) (*config.Config, error) {
			return old, c.Box.BeginCommit(old, c.Session.Author(), minutes(a.Minutes))
		})
		if err != nil {
			return fmt.Errorf("configure: %w", err)
		}
		c.onTrial(a.Minutes)
	}
	c.Place.Move(Configuring)
	return nil
}

// onTrial says what becomes of the changes.
func (c *Call) onTrial(n int) {
	c.Printf("What changes from now on goes back in %s, unless you type `confirm`; `no confirm` takes it back at once. A restart takes it back as well.\n", plural.Of(n, "minute"))
}

type confirmArgs struct{ Save bool }

func confirm(c *Call, a *confirmArgs) error {
	if err := c.Box.Confirm(c.Session.Author()); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	if !a.Save {
		c.Printf("The configuration stays. `copy running-config startup-config` keeps it over a restart.\n")
		return nil
	}
	c.Printf("The configuration stays.\n")
	return c.save(RunningConfig, c.Language.Print(c.Box.Running(), false))
}

func noConfirm(c *Call, _ *none) error {
	if err := c.Box.TakeBack(c.Session.Author()); err != nil {
		return fmt.Errorf("no confirm: %w", err)
	}
	c.Place.Renew()
	c.Result.Changed = true
	c.Printf("The configuration is what it was before.\n")
	return nil
}

// unconfirmed rejects to save a configuration that may still go back: after a power cut it would be there for good.
func (c *Call) unconfirmed() error {
	if st := c.Box.Commit(); st.State != status.NoCommit {
		return fmt.Errorf("a change of %s waits for its confirmation: `confirm` it before it is saved, or `confirm save`", st.By)
	}
	return nil
}
