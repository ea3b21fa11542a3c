package lang

import (
	"maps"
	"reflect"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// Sealer gives secrets a form that this box alone can read.
type Sealer interface {
	Seal(secret string) (string, error)
	Unseal(text string) (string, error)
}

// SealedPrefix marks a secret in its sealed form. No password of a PBX begins so by chance.
const SealedPrefix = "$sealed$"

// unopened is said of a secret that stays sealed. It is kept as it is, since its key may come back with a backup: left out, it would
// be lost with the next copy of the running configuration.
const unopened = "the password was sealed by another box, or its seal is damaged: it does not work; enter it anew, or import the backup of that box"

// sealing are the options of a table whose secrets may be written in sealed form, and are printed so when print is set.
func sealing(o cli.Options, s Sealer, print bool) cli.Options {
	secret := reflect.TypeFor[config.Secret]()
	o.Types = maps.Clone(o.Types)
	t := o.Types[secret]
	t.Parse = func(w string, _ any) (any, error) {
		text, sealed := strings.CutPrefix(w, SealedPrefix)
		if !sealed || s == nil { // without a key nothing can be said about it: a check on another machine
			return config.Secret(w), nil
		}
		clear, err := s.Unseal(text)
		if err != nil {
			return config.Secret(w), nil // see unopened
		}
		return config.Secret(clear), nil
	}
	if print {
		t.Print = func(v any) string {
			if isSealed(v.(config.Secret)) {
				return string(v.(config.Secret))
			}
			text, err := s.Seal(string(v.(config.Secret)))
			if err != nil {
				return "" // no secret rather than one in clear
			}
			return SealedPrefix + text
		}
	}
	o.Types[secret] = t
	return o
}

// isSealed reports whether a secret is one that did not open.
func isSealed(s config.Secret) bool { return strings.HasPrefix(string(s), SealedPrefix) }

// checkSeals names the passwords that did not open.
func checkSeals(c *checker) {
	if !c.sealing {
		return
	}
	for _, s := range c.cfg.Auth {
		for i, u := range s.Users {
			if isSealed(u.Password) {
				c.add(c.at(s, "Users", i), Warning, unopened, "")
			}
		}
	}
}

// printer is the table that prints cfg: with secrets sealed where it asks for that.
func (l *Language) printer(cfg *config.Config) *cli.Table {
	if cfg.PasswordEncryption && l.sealed != nil {
		return l.sealed
	}
	return l.table
}
