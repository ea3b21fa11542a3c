package command

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"viaduct/appliance/config"
)

// changePassword gives the account of the session another password. Whoever finds a session open does not know the present one, and guesses
// count as those at a login do.
func changePassword(c *Call, _ *none) error {
	a := c.Box.Running().Account(c.Session.User)
	if a == nil {
		return errors.New("change password: nobody has logged in here with an account")
	}
	old, rest := "", string(c.Body)
	if a.Password != "" {
		if c.Body == nil {
			c.Result.Collect = &Collect{Prompt: "Present password: ", Kind: "secret"}
			return nil
		}
		old, rest, _ = strings.Cut(rest, "\n")
		if err := c.knows(a, strings.TrimSuffix(old, "\r")); err != nil {
			return err
		}
	}
	chosen := strings.Trim(rest, "\r\n")
	if chosen == "" {
		c.Result.Collect = &Collect{Prompt: "New password: ", Kind: "new-secret"}
		return nil
	}
	saved, err := c.Language.ChoosePassword(c.Box, a, c.Session.TTY, old, chosen)
	if err != nil {
		return err
	}
	c.Result.Changed = true
	c.Printf("%s\n", PasswordChanged(saved))
	return nil
}

// knows checks the present password of an account.
func (c *Call) knows(a *config.Account, password string) error {
	from := c.Session.Source()
	if from.IsValid() && c.Box.Banned(from) > 0 {
		return errors.New("too many wrong passwords came from your address: try again later")
	}
	switch err := bcrypt.CompareHashAndPassword([]byte(a.Password), []byte(password)); {
	case err == nil && from.IsValid():
		c.Box.RightPassword(from, a.Name)
	case err == nil:
	case from.IsValid():
		c.Box.WrongPassword(from, a.Name)
		fallthrough
	default:
		return fmt.Errorf("this is not the present password of %s; nothing is changed", a.Name)
	}
	return nil
}

// PasswordChanged is said of a password that its owner has chosen.
func PasswordChanged(saved bool) string {
	if saved {
		return "The new password is in force, and saved."
	}
	return "The new password is in force; `copy running-config startup-config` keeps it over a restart."
}
