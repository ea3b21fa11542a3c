package call

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/media"
)

// twoAddresses is a box that reaches the interface "pbx" from one address and "teams" from another.
type twoAddresses struct{ Signalling }

func (twoAddresses) LocalAddr(i config.InterfaceID) netip.Addr {
	if i.Name == "pbx" {
		return netip.MustParseAddr("192.168.1.1")
	}
	return netip.MustParseAddr("203.0.113.2")
}

// scarce is a relay whose ports run out: refuse says for how many of the next ports.
type scarce struct {
	Media
	refuse int
	opened map[media.Side]bool // in the present session
}

func (s *scarce) NewSession() MediaSession {
	s.opened = map[media.Side]bool{}
	return scarceSession{scarce: s}
}

type scarceSession struct {
	MediaSession
	*scarce
}

func (scarceSession) Notify(func(media.Event)) {}
func (scarceSession) Close() [2]media.Stats    { return [2]media.Stats{} }
func (s scarceSession) Open(side media.Side, o media.PortOptions) (media.Ports, error) {
	if s.refuse > 0 {
		s.refuse--
		return media.Ports{}, errors.New("no ports")
	}
	s.opened[side] = true
	return media.Ports{RTP: netip.AddrPortFrom(o.Addr, 20000), RTCP: netip.AddrPortFrom(o.Addr, 20001)}, nil
}

// A hunt group that reaches its destinations from two addresses of the box needs a new session between them. When the caller gets no ports
// there, it gets them with the next destination, instead of those of the session that is gone.
func TestTheCallerHasPortsInANewSession(t *testing.T) {
	relay := &scarce{}
	m := New(Options{SIP: twoAddresses{}, Media: relay})
	c := &call{m: m, log: slog.New(slog.DiscardHandler), cfg: config.New(), a: side{Which: media.A}, b: side{Which: media.B}}
	c.a.Interface = &config.SIPInterface{Name: "pbx"}
	c.newMedia()
	try := func(iface string) error {
		c.b.Interface = &config.SIPInterface{Name: iface}
		c.b.Forget()
		return c.openCallee()
	}
	if err := try("teams"); err != nil {
		t.Fatal(err)
	}
	relay.refuse = 1
	if err := try("pbx"); err == nil || c.a.Opened() || c.b.Opened() {
		t.Fatalf("%v, ports %v %v of a session that is gone", err, c.a.Ports, c.b.Ports)
	}
	if err := try("pbx"); err != nil || !relay.opened[media.A] || !relay.opened[media.B] {
		t.Errorf("%v, open: %v", err, relay.opened)
	}
}
