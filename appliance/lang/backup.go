package lang

import (
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

var errBackup = errors.New("only a superuser: a backup holds the accounts and the private keys")

// exportBackup prints everything that makes this box what it is, under a pass phrase.
func exportBackup(c *call, _ *none) error {
	if !c.managesAccounts() {
		return errBackup
	}
	pass := strings.Trim(string(c.body), "\r\n")
	if pass == "" {
		c.result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "new-secret"}
		return nil
	}
	text, err := c.box.Backup(pass)
	if err != nil {
		return fmt.Errorf("export backup: %w", err)
	}
	_, err = c.out.Write(text)
	return err
}

func importBackup(c *call, _ *none) error {
	if !c.managesAccounts() {
		return errBackup
	}
	if c.body == nil {
		c.result.Collect = &Collect{Prompt: "Paste the backup, to the line -----END VIADUCT BACKUP-----:", Kind: "block"}
		return nil
	}
	text, pass := splitPassphrase(c.body)
	if block, _ := pem.Decode(text); block == nil { // its pass phrase may be the next command
		return errors.New("import backup: the backup is not whole; nothing stored")
	}
	if pass == "" {
		c.result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "secret"}
		return nil
	}
	what, err := c.box.Restore(text, pass)
	if err != nil {
		return fmt.Errorf("import backup: %w; nothing stored", err)
	}
	c.printf("%s\nThe startup-config is that of the backup; `reload` starts with it.\n", what)
	return nil
}
