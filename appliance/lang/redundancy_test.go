package lang

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

const redundancyOfAll = `redundancy
  virtual-router 51
  box 1 key 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
  box 2 key 6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
  advertise-interval 250
  preempt

  interface ROUTER if_eth00
    box 1 192.168.1.2/24
    box 2 192.168.1.3/24
    witness 192.168.1.100

  interface ROUTER if_eth02
    box 1 10.99.0.1/30
    box 2 10.99.0.2/30
    direct
`

func TestRedundancy(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte("context ip ROUTER\n  interface if_eth00\n    ipaddress if_eth00 192.168.1.1/24\n  interface if_eth02\n" + redundancyOfAll))
	for _, p := range problems {
		t.Log(p)
	}
	own := func(one, two string) []*config.PairAddress {
		return []*config.PairAddress{{Number: 1, Prefix: netip.MustParsePrefix(one)}, {Number: 2, Prefix: netip.MustParsePrefix(two)}}
	}
	router := config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}
	want := &config.Redundancy{
		Enabled: true, Router: 51, Advertise: 250, Preempt: true,
		Boxes: []*config.PairBox{{Number: 1, Key: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}, {Number: 2, Key: "6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}},
		Interfaces: []*config.PairInterface{
			{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "if_eth00"}, Boxes: own("192.168.1.2/24", "192.168.1.3/24"), Witness: netip.MustParseAddr("192.168.1.100")},
			{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "if_eth02"}, Boxes: own("10.99.0.1/30", "10.99.0.2/30"), Direct: true},
		},
	}
	if !reflect.DeepEqual(cfg.Redundancy, want) || cfg.Pair() == nil {
		t.Errorf("%+v", cfg.Redundancy)
	}
	if text := string(l.Print(cfg, false)); !strings.Contains(text, redundancyOfAll) {
		t.Errorf("written as\n%s", text)
	}
}
