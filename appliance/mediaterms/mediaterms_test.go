package mediaterms

import (
	"testing"

	"viaduct/appliance/config"
)

func TestMediaIsMarkedAsTheProfileSays(t *testing.T) {
	usual := &config.VoIPProfile{}
	usual.SetDefaults()
	for name, c := range map[string]struct {
		profile *config.VoIPProfile
		want    int // media.PortOptions.TOS
	}{
		"no profile: the relay's own choice": {nil, 0},
		"EF unless configured":               {usual, 0xb8},
		"another class":                      {&config.VoIPProfile{DSCP: 34}, 0x88},
		"none":                               {&config.VoIPProfile{DSCP: 0}, -1},
	} {
		if got := TrafficClass(c.profile); got != c.want {
			t.Errorf("%s: %#x, want %#x", name, got, c.want)
		}
	}
}
