package callside

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"viaduct/appliance/callkeep"
	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/sdp"
	"viaduct/appliance/status"
)

var errNoPorts = errors.New("no ports are left")

// session gives ports at the address that it is asked for. The methods that it lacks are not called here.
type session struct {
	Session
	opened  map[media.Side]media.PortOptions
	set     map[media.Side]media.Params
	closed  int
	refuses map[media.Side]bool
}

func newSession() *session {
	return &session{opened: map[media.Side]media.PortOptions{}, set: map[media.Side]media.Params{}, refuses: map[media.Side]bool{}}
}

func (s *session) Notify(func(media.Event)) {}

func (s *session) Open(side media.Side, o media.PortOptions) (media.Ports, error) {
	if s.refuses[side] {
		return media.Ports{}, errNoPorts
	}
	s.opened[side] = o
	port := 5000 + 2*uint16(side) + o.First
	return media.Ports{RTP: netip.AddrPortFrom(o.Addr, port), RTCP: netip.AddrPortFrom(o.Addr, port+1)}, nil
}

func (s *session) Set(side media.Side, p media.Params) error {
	s.set[side] = p
	return nil
}

func (s *session) Close() (none [2]media.Stats) {
	s.closed++
	return none
}

// relay hands out one session.
type relay struct {
	Media
	next *session
}

func (r *relay) NewSession() Session { return r.next }

// a place is a configuration with an interface at a gateway, whose address is 192.0.2.1.
func place() (*config.Config, *config.SIPInterface) {
	cfg := config.New()
	own := &config.IPInterface{Name: "LAN", MediaPortFirst: 100, MediaPortLast: 200,
		Addresses: []config.IPAddress{{Name: "LAN", Prefix: netip.MustParsePrefix("192.0.2.1/24")}}}
	cfg.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{own}}}
	bind := config.AddressBind{Address: "LAN"}
	bind.Context.Name, bind.Interface.Name = "ROUTER", "LAN"
	cfg.Gateways = []*config.SIPGateway{{Name: "gw", Interfaces: []*config.GatewayInterface{{Bind: bind}}}}
	i := &config.SIPInterface{Context: "SWITCH", Name: "pbx"}
	i.Gateway.Name = "gw"
	cfg.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
	return cfg, i
}

func at(addr string) func(config.InterfaceID) netip.Addr {
	return func(config.InterfaceID) netip.Addr {
		a, _ := netip.ParseAddr(addr)
		return a
	}
}

func TestASideOpensItsPortsWhereItsPeerIs(t *testing.T) {
	cfg, i := place()
	for name, x := range map[string]struct {
		local, spoofed string
		refuses        bool
		addr           string // in descriptions; "": it fails
		first          uint16
	}{
		"at its gateway":          {local: "192.0.2.1", addr: "192.0.2.1", first: 100},
		"behind port forwarding":  {local: "192.0.2.1", spoofed: "203.0.113.9", addr: "203.0.113.9", first: 100},
		"at another address":      {local: "192.0.2.7", spoofed: "203.0.113.9", addr: "192.0.2.7"},
		"without a local address": {},
		"no ports are left":       {local: "192.0.2.1", refuses: true},
	} {
		own := newSession()
		own.refuses[media.B] = x.refuses
		cfg.Gateways[0].Interfaces[0].SpoofedMedia, _ = netip.ParseAddr(x.spoofed)
		s := Side{Which: media.B, Interface: i}
		err := s.Open(Env{Config: cfg, LocalAddr: at(x.local), Own: own})
		if (err == nil) != (x.addr != "") || x.refuses && !errors.Is(err, errNoPorts) || s.Opened() != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if o := own.opened[media.B]; s.Addr.String() != x.addr || o.Addr.String() != x.local || o.First != x.first {
			t.Errorf("%s: %s is described, %+v", name, s.Addr, o)
		}
		before := s.Ports
		if err := s.Open(Env{}); err != nil || s.Ports != before {
			t.Errorf("%s: it opens twice: %v", name, err)
		}
	}
}

// A side that comes in the place of another has its ports, so that the other peer notices nothing; a peer that is reached from another address has a
// session of its own, which is joined with the call's at the address that stays.
func TestWhereTheMediaOfANewPeerFlows(t *testing.T) {
	cfg, i := place()
	own, behind := newSession(), newSession()
	env := func(local string) Env {
		return Env{Config: cfg, LocalAddr: at(local), Own: own, Media: &relay{next: behind}}
	}
	x := Side{Which: media.A, Interface: i}
	if err := x.Open(env("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	heard := 0
	hear := func(*Hop) { heard++ }
	same := Side{Which: media.A, Interface: i}
	if err := same.TakePorts(env("192.0.2.1"), &x, hear); err != nil || same.Ports != x.Ports || same.Addr != x.Addr || same.Hop != nil || heard != 0 {
		t.Errorf("from the same address: %+v, %v", same, err)
	}
	same.ReleasePorts(&x)

	n := Side{Which: media.A, Interface: i, Profile: sdp.ProfileOf(cfg, i)}
	if err := n.TakePorts(env("198.51.100.1"), &x, hear); err != nil || n.Hop == nil || heard != 1 {
		t.Fatalf("from another address: %v", err)
	}
	if behind.opened[media.A].Addr != x.Ports.RTP.Addr() || behind.opened[media.B].Addr.String() != "198.51.100.1" || n.Hop.Outer != x.Ports || n.Ports.RTP.Addr().String() != "198.51.100.1" {
		t.Errorf("the hop: %+v, opened %+v", n.Hop, behind.opened)
	}
	if s, which := n.Relay(env("")); s != Session(behind) || which != media.B {
		t.Error("its media does not flow by the hop")
	}
	if s, which := x.Relay(env("")); s != Session(own) || which != media.A {
		t.Error("the one before is no longer at the call's own session")
	}
	ch := &sdp.Choice{Codec: sdp.Codec{Name: sdp.PCMA, Rate: 8000, PT: 8}, Addr: netip.MustParseAddrPort("198.51.100.9:4000")}
	n.Negotiation = agreed(ch)
	if err := n.Set(env("198.51.100.1"), ch, sdp.SendRecv); err != nil || behind.set[media.B].Remote != ch.Addr ||
		behind.set[media.A].Remote != n.Hop.Outer.RTP || own.set[media.A].Remote != n.Hop.Inner.RTP {
		t.Errorf("the sessions are not joined: %+v, %+v, %v", own.set, behind.set, err)
	}
	n.ReleasePorts(&x)
	if behind.closed != 1 || n.Hop != nil {
		t.Errorf("the hop of a side that does not come after all was closed %d times", behind.closed)
	}

	behind.refuses[media.B] = true
	late := Side{Which: media.A, Interface: i}
	if err := late.TakePorts(env("198.51.100.1"), &x, hear); !errors.Is(err, errNoPorts) || late.Hop != nil || behind.closed != 2 {
		t.Errorf("ports are left open: %v, closed %d times", err, behind.closed)
	}
}

func TestHowDigitsGoToThePeer(t *testing.T) {
	events, none := &sdp.Choice{DTMF: &sdp.Codec{}}, &sdp.Choice{}
	teams := &config.SIPInterface{}
	teams.Remote.Host = "sip.pstnhub.microsoft.com"
	for name, x := range map[string]struct {
		relay  string
		agreed *sdp.Choice
		allow  string
		iface  *config.SIPInterface
		want   status.Digits
	}{
		"nothing is agreed yet":           {"default", nil, "INFO", &config.SIPInterface{}, status.DigitsNone},
		"events":                          {"default", events, "INFO", &config.SIPInterface{}, status.DigitsEvents},
		"no events, and INFO is allowed":  {"default", none, "INVITE, ACK,info", &config.SIPInterface{}, status.DigitsInfo},
		"neither":                         {"default", none, "INVITE, ACK", &config.SIPInterface{}, status.DigitsNone},
		"INFO, as the profile says":       {"signaling", events, "", &config.SIPInterface{}, status.DigitsInfo},
		"events only, as the profile":     {"rtp", none, "INFO", &config.SIPInterface{}, status.DigitsNone},
		"Teams never takes them as INFO":  {"default", none, "INFO", teams, status.DigitsNone},
		"a method that begins like it is": {"default", none, "INFORM", &config.SIPInterface{}, status.DigitsNone},
	} {
		s := Side{Interface: x.iface, Profile: &config.VoIPProfile{DTMFRelay: x.relay}, Negotiation: agreed(x.agreed)}
		s.NoteAllow(func(string) []string { return []string{x.allow} })
		if got := s.Digits(); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// agreed is a negotiation with this outcome.
func agreed(c *sdp.Choice) negotiation.Negotiation {
	return negotiation.Restore(negotiation.State{Choice: c})
}

// A side for another box comes back as it was, save its leg and its media.
func TestASideGoesOnInAnotherBox(t *testing.T) {
	cfg, i := place()
	own := newSession()
	s := Side{Which: media.B, Interface: i, Profile: sdp.ProfileOf(cfg, i), Refers: true, Informs: true, Referrals: 2, Line: Line{"user", true}, Renegotiated: true}
	if err := s.Open(Env{Config: cfg, LocalAddr: at("192.0.2.1"), Own: own}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s.Value())
	if err != nil {
		t.Fatal(err)
	}
	var v callkeep.Side
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	want := s
	want.Voice = true // it is established
	if got := FromValue(cfg, media.B, &v); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwas %+v", got, want)
	}
	cfg.CS[0].Interfaces = nil
	if got := FromValue(cfg, media.B, &v); got.Interface != nil || got.Profile != nil {
		t.Errorf("its interface is no more: %+v", got)
	}
}
