package lang

import (
	"strings"
	"testing"
)

// An address without a name is either form of it.
func TestAddressesWithoutANameReadBack(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte("context ip ROUTER\ninterface I\nipaddress dhcp\ninterface J\nipaddress 10.0.0.1/24\n"))
	if len(problems) > 0 || !cfg.IP[0].Interfaces[0].Addresses[0].DHCP {
		t.Errorf("%v %+v", problems, cfg.IP[0].Interfaces[0].Addresses)
	}
	readsBack(t, l, cfg)
	if text := string(l.Print(cfg, false)); !strings.Contains(text, `ipaddress "" dhcp`) {
		t.Error(text)
	}
}
