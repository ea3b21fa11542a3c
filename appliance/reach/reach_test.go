package reach

import (
	"errors"
	"net/netip"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sdp"
)

// near is a box that stands in the networks of all peers.
func near() *config.Config {
	i := &config.IPInterface{Name: "WAN"}
	for _, p := range []string{"203.0.113.1/24", "52.113.0.1/16", "198.51.100.1/24"} {
		i.Addresses = append(i.Addresses, config.IPAddress{Name: p, Prefix: netip.MustParsePrefix(p)})
	}
	c := config.New()
	c.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{i}}}
	return c
}

// Where the networks of an interface are named, media of its peer goes to these alone, and never to a port of a service.
func TestMediaGoesToItsNetworks(t *testing.T) {
	network := func(s string) config.ACLHost { return config.ACLHost{Prefix: netip.MustParsePrefix(s)} }
	teams := &config.SIPInterface{Trust: []config.Source{{Teams: true}}}
	named := &config.SIPInterface{MediaTrust: []config.ACLHost{network("198.51.100.0/24")}}
	both := &config.SIPInterface{Trust: teams.Trust, MediaTrust: named.MediaTrust}
	for _, x := range []struct {
		iface *config.SIPInterface
		to    string
		want  config.Obstacle
	}{
		{&config.SIPInterface{}, "203.0.113.9:4000", ""},
		{&config.SIPInterface{}, "203.0.113.9:1023", systemPort},
		{teams, "52.113.10.20:50100", ""},
		{teams, "198.51.100.7:4000", notTrusted},
		{named, "198.51.100.7:4000", ""},
		{named, "52.113.10.20:50100", notTrusted},
		{both, "198.51.100.7:4000", ""},
		{both, "52.113.10.20:50100", ""},
		{both, "203.0.113.9:4000", notTrusted},
	} {
		r := Rule{Config: near(), Local: netip.MustParseAddr("203.0.113.1"), Interface: x.iface}
		to := netip.MustParseAddrPort(x.to)
		if got := r.obstacle(to); got != x.want || r.Admits(to) != (x.want == "") {
			t.Errorf("trust %v, media trust %v: %s: %q, want %q", x.iface.Trust, x.iface.MediaTrust, x.to, got, x.want)
		}
	}
}

// A stream that cannot be reached is refused; where RTCP alone cannot be, RTCP goes where RTP goes.
func TestAStreamThatCannotBeReachedIsRefused(t *testing.T) {
	r := Rule{Config: near(), Local: netip.MustParseAddr("203.0.113.1"), Interface: &config.SIPInterface{}}
	a := &sdp.Audio{Addr: netip.MustParseAddr("203.0.113.9"), Port: 4000, RTCPAddr: netip.MustParseAddr("224.0.0.5"), RTCPPort: 25}
	if err := r.Check(a); err != nil || a.RTCPAddr.IsValid() || a.RTCPPort != 4001 {
		t.Errorf("%v: %+v", err, a)
	}
	a.Addr = netip.MustParseAddr("224.0.0.5")
	var e *sdp.Error
	if err := r.Check(a); !errors.As(err, &e) || e.Code != 488 || e.Warning != sdp.WarnMulticast {
		t.Errorf("multicast: %v", err)
	}
	a.Port = 0 // the stream is refused already
	if err := r.Check(a); err != nil {
		t.Error(err)
	}
}
