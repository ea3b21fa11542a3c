package check

import (
	"strings"

	"viaduct/appliance/config"
)

// SealedPrefix marks a sealed secret. No PBX password begins like this by chance.
const SealedPrefix = "$sealed$"

// Unopened is the message about a secret that could not be opened. The configuration keeps it, because its key may come back with a
// backup; dropping it would lose it with the next copy of the running configuration.
const Unopened = "the password was sealed by another box, or its seal is damaged, so it does not work: enter it again, or import the backup of that box"

// Sealed reports whether a secret could not be opened.
func Sealed(s config.Secret) bool { return strings.HasPrefix(string(s), SealedPrefix) }

// checkSeals reports passwords that could not be opened.
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
