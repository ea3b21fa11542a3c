package api

import (
	"bytes"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/status"
)

// changing is a box whose configuration can be changed.
type changing struct{ accounts }

func (b *changing) Mutate(_ status.Author, change func(*config.Config) (*config.Config, error)) error {
	cfg, err := change(b.cfg)
	if err == nil {
		b.cfg = cfg
	}
	return err
}

// A header that was lost on the way leaves its block out, and is itself never run.
func TestALineThatIsNoTextMayBeAHeader(t *testing.T) {
	for line, header := range map[string]bool{
		"profile voip B\xfcro":   true,
		"profile voip B\x01":     true,
		"codec 1 g722\x00":       false,
		"no profile voip V\x0c":  false,
		"exit \x0b":              false,
		"\x0c":                   false,
		"profile voip V \x1b[2J": true,
	} {
		b := &changing{accounts{cfg: config.New()}}
		back := NewBackend(lang.New(), b)
		s := &Session{Mode: []string{"enable", "configure"}}
		var out bytes.Buffer
		run := func(line string) {
			s.Mode = back.Exec(t.Context(), s, line, nil, &out).Mode
		}
		run("profile voip V")
		run("codec 1 g711alaw64k")
		s.Mode = back.Lost(t.Context(), s, []string{line})
		run("codec 2 g711ulaw64k")
		left := 2
		if header {
			left = 1
		}
		if len(b.cfg.VoIP) != 1 || len(b.cfg.VoIP[0].Codecs) != left || b.cfg.VoIP[0].Codecs[0].Name != "g711alaw64k" {
			t.Errorf("%q: %+v\n%s", line, b.cfg.VoIP, out.String())
		}
	}
}
