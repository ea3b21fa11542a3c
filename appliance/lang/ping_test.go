package lang

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
)

// pingBox tells what it is asked to ping.
type pingBox struct {
	*box
	asked *[]device.Ping
}

func (b pingBox) Ping(_ context.Context, p device.Ping, _ func(string)) error {
	*b.asked = append(*b.asked, p)
	return nil
}

func TestPingTakesSizeFragmentsCountAndSource(t *testing.T) {
	l := New()
	s := &Session{Class: config.Operator}
	for line, want := range map[string]device.Ping{
		"ping 192.0.2.1":                                         {Host: "192.0.2.1", Size: 56, Count: 4},
		"ping pbx.example.org size 1472 df":                      {Host: "pbx.example.org", Size: 1472, Whole: true, Count: 4},
		"ping 192.0.2.1 count 1":                                 {Host: "192.0.2.1", Size: 56, Count: 1},
		"ping 192.0.2.1 size 1000 df count 2 source 192.168.1.1": {Host: "192.0.2.1", Size: 1000, Whole: true, Count: 2, Source: netip.MustParseAddr("192.168.1.1")},
		"ping 192.0.2.1 source 192.168.1.1":                      {Host: "192.0.2.1", Size: 56, Count: 4, Source: netip.MustParseAddr("192.168.1.1")},
	} {
		var asked []device.Ping
		var out strings.Builder
		if _, err := l.Exec(t.Context(), pingBox{newBox(), &asked}, s, line, nil, &out); err != nil || len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: %v, %s, want %+v", line, err, fmt.Sprint(asked, out.String()), want)
		}
	}
	for _, line := range []string{"ping 192.0.2.1 size 0", "ping 192.0.2.1 size 65508", "ping 192.0.2.1 count 0", "ping 192.0.2.1 source nowhere", "ping"} {
		var asked []device.Ping
		if _, err := l.Exec(t.Context(), pingBox{newBox(), &asked}, s, line, nil, &strings.Builder{}); err == nil || len(asked) > 0 {
			t.Errorf("%s is taken: %v", line, asked)
		}
	}
}
