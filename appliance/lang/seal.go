package lang

import (
	"maps"
	"reflect"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

// Sealer encrypts secrets in a form that only this box can read.
type Sealer interface {
	Seal(secret string) (string, error)
	Unseal(text string) (string, error)
}

// sealing returns the options of a table that reads sealed secrets, and also prints secrets sealed if print is set.
func sealing(o cli.Options, s Sealer, print bool) cli.Options {
	secret := reflect.TypeFor[config.Secret]()
	o.Types = maps.Clone(o.Types)
	t := o.Types[secret]
	t.Parse = func(w string, _ any) (any, error) {
		text, sealed := strings.CutPrefix(w, check.SealedPrefix)
		if !sealed || s == nil { // no key, as in a check on another machine
			return config.Secret(w), nil
		}
		clear, err := s.Unseal(text)
		if err != nil {
			return config.Secret(w), nil // see check.Unopened
		}
		return config.Secret(clear), nil
	}
	if print {
		t.Print = func(v any) string {
			if check.Sealed(v.(config.Secret)) {
				return string(v.(config.Secret))
			}
			text, err := s.Seal(string(v.(config.Secret)))
			if err != nil {
				return "" // never fall back to clear text
			}
			return check.SealedPrefix + text
		}
	}
	o.Types[secret] = t
	return o
}

// printer returns the table that prints cfg, with sealed secrets if cfg has password-encryption.
func (l *Language) printer(cfg *config.Config) *cli.Table {
	if cfg.PasswordEncryption && l.sealed != nil {
		return l.sealed()
	}
	return l.table
}
