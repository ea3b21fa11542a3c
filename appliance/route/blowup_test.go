package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// A walk ends however many regular expressions there are, and however often they are run.
func TestTooManyExpressionsEndAWalk(t *testing.T) {
	m := mapping(t, "m", config.CalledURI, config.CalledName)
	for n := range 300 {
		m.Maps = append(m.Maps, config.Mapping{Key: key(t, fmt.Sprintf(`(.*)%d(.*)x$`, n)), To: `\1`})
	}
	f := function("f", "m", "m", "m", "m", "m", "m", "m", "m", "m", "m")
	g := function("g", "f", "f", "f", "f", "f", "f", "f", "f", "f", "f")
	rt := table(t, "rt", config.CalledURI)
	rt.Routes = []config.Route{fallback(toInterface("a"), "g")}
	cfg := box(toTable("rt"), withMaps(m), withFunctions(f, g), withTables(rt))
	var e *Error
	if _, err := New(cfg, from("in"), Call{CalledURI: strings.Repeat("a", 1024)}); !errors.As(err, &e) || !strings.Contains(e.Text, "too many regular expressions") {
		t.Errorf("%v", err)
	}
	if _, err := New(cfg, from("in"), Call{CalledURI: "sip:user.01@192.168.1.100"}); err != nil {
		t.Errorf("an ordinary URI: %v", err)
	}
}
