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

// sealedPrefix marks a secret in its sealed form. No password of a PBX begins so by chance.
const sealedPrefix = "$sealed$"

// sealing are the options of a table whose secrets may be written in sealed form, and are printed so when print is set.
func sealing(o cli.Options, s Sealer, print bool) cli.Options {
	secret := reflect.TypeFor[config.Secret]()
	o.Types = maps.Clone(o.Types)
	t := o.Types[secret]
	t.Parse = func(w string, _ any) (any, error) {
		text, sealed := strings.CutPrefix(w, sealedPrefix)
		if !sealed || s == nil { // without a key nothing can be said about it: a check on another machine
			return config.Secret(w), nil
		}
		clear, err := s.Unseal(text)
		if err != nil {
			return nil, err
		}
		return config.Secret(clear), nil
	}
	if print {
		t.Print = func(v any) string {
			text, err := s.Seal(string(v.(config.Secret)))
			if err != nil {
				return "" // no secret rather than one in clear
			}
			return sealedPrefix + text
		}
	}
	o.Types[secret] = t
	return o
}

// printer is the table that prints cfg: with secrets sealed where it asks for that.
func (l *Language) printer(cfg *config.Config) *cli.Table {
	if cfg.PasswordEncryption && l.sealed != nil {
		return l.sealed
	}
	return l.table
}
