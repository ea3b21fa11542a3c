package check

import (
	"strings"

	"viaduct/appliance/config"
)

// SealedPrefix marks a secret in its sealed form. No password of a PBX begins so by chance.
const SealedPrefix = "$sealed$"

// Unopened is said of a secret that stays sealed. It is kept as it is, since its key may come back with a backup: left out, it would
// be lost with the next copy of the running configuration.
const Unopened = "the password was sealed by another box, or its seal is damaged: it does not work; enter it anew, or import the backup of that box"

// Sealed reports whether a secret is one that did not open.
func Sealed(s config.Secret) bool { return strings.HasPrefix(string(s), SealedPrefix) }

// checkSeals names the passwords that did not open.
func checkSeals(c *checker) {
	if !c.language.Sealing {
		return
	}
	for _, s := range c.cfg.Auth {
		for i, u := range s.Users {
			if Sealed(u.Password) {
				c.add(c.at(s, "Users", i), Warning, Unopened, "")
			}
		}
	}
}
