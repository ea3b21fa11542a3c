package watch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/status"
)

const twoPorts = `context ip ROUTER
  interface LAN
    ipaddress LAN 192.168.1.1/24
  interface WAN
    ipaddress WAN 198.51.100.1/24
  interface NONE
    ipaddress NONE 203.0.113.1/24
port ethernet 0 0
  bind interface ROUTER LAN
  no shutdown
port ethernet 0 1
  vlan 7
    bind interface ROUTER WAN
    no shutdown
  no shutdown
context sip-gateway pbx
  interface A
    bind ipaddress ROUTER LAN LAN
context sip-gateway teams
  interface A
    bind ipaddress ROUTER WAN WAN
context sip-gateway both
  interface A
    bind ipaddress ROUTER LAN LAN
  interface B
    bind ipaddress ROUTER WAN WAN
context sip-gateway loose
  interface A
    bind ipaddress ROUTER NONE NONE
context cs SWITCH
  interface sip if_pbx
    bind context sip-gateway pbx
  interface sip if_teams
    bind context sip-gateway teams
    remote sip.pstnhub.microsoft.com 5061
  interface sip if_teams2
    bind context sip-gateway teams
    remote sip2.pstnhub.microsoft.com 5061
  service hunt-group hubs
    route call 1 dest-interface if_teams
    route call 2 dest-interface if_teams2
  service hunt-group one
    route call 1 dest-interface if_teams
`

// eyes is a Watch with its alarms and a configuration of two ports.
type eyes struct {
	*Watch
	*health.Tracker
	t   *testing.T
	cfg *config.Config
}

func watching(t *testing.T) *eyes {
	t.Helper()
	cfg, problems := lang.New().Parse([]byte(twoPorts))
	if len(cfg.Gateways) != 4 || len(cfg.CS[0].HuntGroups) != 2 {
		t.Fatalf("%v", problems)
	}
	e := &eyes{Tracker: &health.Tracker{}, t: t, cfg: cfg}
	e.Watch = New(e.Tracker, func(slot, port int) string { return fmt.Sprintf("eth%d%d", slot, port) })
	return e
}

// want compares the alarms, each with its subject.
func (e *eyes) want(when string, want ...string) {
	e.t.Helper()
	var got []string
	for _, a := range e.Current() {
		got = append(got, strings.TrimSuffix(a.ID+" "+a.Subject, " "))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.t.Errorf("%s: alarms %q, want %q", when, got, want)
	}
}

// text is that of all alarms.
func (e *eyes) text() string {
	var list []string
	for _, a := range e.Current() {
		list = append(list, a.Sentence())
	}
	return strings.Join(list, "\n")
}

func TestWhichPortAGatewayIsAt(t *testing.T) {
	e := watching(t)
	for gateway, want := range map[string]string{"pbx": "eth00", "teams": "eth01", "both": "", "loose": "", "gone": ""} {
		if got := e.portOf(e.cfg, gateway); got != want {
			t.Errorf("%s: %q, want %q", gateway, got, want)
		}
	}
}

func peer(iface string, s status.PeerState, answer string) status.Peer {
	return status.Peer{Interface: iface, Peer: "192.0.2.1:5060", State: s, Answer: answer}
}

// Whoever pulls the PBX's cable reads of the cable, and still of Teams.
func TestALostLinkHidesItsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		registrations := []status.Registration{{Gateway: "pbx", Identity: "user.01", State: status.RegistrationFailed, Error: "no route"}}
		peers := []status.Peer{peer("if_pbx", status.PeerDown, "timeout"), peer("if_teams", status.PeerDown, "timeout")}
		e.Peers(time.Now(), e.cfg, registrations, peers)
		port := status.Port{Name: "eth00", Enabled: true, State: status.LinkNoCarrier}
		e.Ports(status.Network{Ports: []status.Port{port, {Name: "eth01", State: status.LinkNoCarrier}, {Name: "eth00", VLAN: 7, Enabled: true, State: status.LinkNoCarrier}}})
		time.Sleep(time.Minute)
		e.want("the cable is out", "link-down eth00", "peer-silent if_teams")
		port.State, port.Duplex = status.LinkUp, status.DuplexHalf
		e.Ports(status.Network{Ports: []status.Port{port}})
		e.want("it is in a bad switch", "half-duplex eth00", "peer-silent if_teams", "peer-silent if_pbx", "registration-failed user.01")
		port.Duplex = status.DuplexFull
		e.Ports(status.Network{Ports: []status.Port{port}})
		e.Peers(time.Now(), e.cfg, nil, nil)
		e.want("all is well")
	})
}

// Two location services may have an identity of one name, and two gateways one location service: each is an alarm.
func TestIdentitiesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		var list []status.Registration
		for _, x := range [][3]string{{"lan", "user.01", "sip:user.01@pbx"}, {"lan", "user.01", "sip:user.01@branch"}, {"wan", "user.01", "sip:user.01@pbx"}, {"lan", "user.02", "sip:user.02@pbx"}} {
			list = append(list, status.Registration{Gateway: x[0], Identity: x[1], AOR: x[2], Registrar: "r", State: status.RegistrationFailed})
		}
		e.Peers(time.Now(), e.cfg, list, nil)
		time.Sleep(time.Minute)
		e.want("all are lost", "registration-failed sip:user.01@branch", "registration-failed sip:user.01@pbx of context sip-gateway lan",
			"registration-failed sip:user.01@pbx of context sip-gateway wan", "registration-failed user.02")
	})
}

// A registration that is still good, and is refused anew, will be lost: that is known at once.
func TestARegistrationThatWillBeLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		r := status.Registration{Gateway: "pbx", Identity: "user.01", Registrar: "pbx", State: status.Registered, Expires: time.Now().Add(time.Hour), Code: 403, Reason: "Forbidden", Error: "403 Forbidden"}
		e.Peers(time.Now(), e.cfg, []status.Registration{r}, nil)
		time.Sleep(health.RegistrationFailed.Delay)
		e.want("refused", "registration-failed user.01")
		if text := e.text(); !strings.HasPrefix(text, "user.01 is not registered anew at pbx: 403 Forbidden.") {
			t.Error(text)
		}
		r.Code, r.Reason, r.Error = 200, "OK", ""
		e.Peers(time.Now(), e.cfg, []status.Registration{r}, nil)
		e.want("taken")
	})
}

// What all destinations of a group have in common is one alarm more; a TLS handshake that never ends has a cause of its own.
func TestAGroupWithoutDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		down, refuses, up := peer("if_teams", status.PeerDown, "timeout"), peer("if_teams2", status.PeerRefuses, "403 Forbidden"), peer("if_teams2", status.PeerUp, "200 OK")
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{down, refuses}})
		e.want("all are lost", "peer-silent if_teams", "peer-refuses if_teams2", "destinations-lost hubs")
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{down, up}})
		e.want("one is back", "peer-silent if_teams")
		up.Asked = time.Now()
		time.Sleep(overdue - time.Second)
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{up}})
		e.want("it may answer yet")
		time.Sleep(time.Second)
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{up}})
		e.want("it does not answer", "peer-silent if_teams2")
		up.Asked = time.Time{}
		down.Stalled = true
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{down, up}})
		e.want("large packets are lost", "path-mtu if_teams")
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{up}})
		e.want("nothing is known of the other one")
	})
}

// Teams answers, and the way from there is closed.
func TestHubsThatNeverAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		one, two, pbx := peer("if_teams", status.PeerUp, "200 OK"), peer("if_teams2", status.PeerUp, "200 OK"), peer("if_pbx", status.PeerUp, "200 OK")
		look := func() {
			e.Look(Sight{Now: time.Now(), Config: e.cfg, Peers: []status.Peer{one, two, pbx}})
		}
		for range 100 { // of the hubs only the first is ever told apart
			look()
			time.Sleep(time.Minute)
			one.Heard = time.Now()
		}
		e.want("they ask")
		time.Sleep(muteAfter - time.Second)
		look()
		e.want("they may ask yet")
		time.Sleep(time.Second)
		look()
		e.want("they do not ask", "peers-mute teams")
		two.Heard = time.Now()
		look()
		e.want("one asks")
		time.Sleep(muteAfter)
		one.State, two.State = status.PeerDown, status.PeerDown
		look()
		e.want("they do not answer either", "peer-silent if_teams", "peer-silent if_teams2", "destinations-lost hubs")
		one.State, two.State = status.PeerUp, status.PeerUp
		look()
		e.want("they have only begun to answer")
	})
}

func TestAGatewayWithoutARP(t *testing.T) {
	e := watching(t)
	gateway := netip.MustParseAddr("198.51.100.254")
	routes := []status.Route{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: gateway, Interface: "eth01"}, {Prefix: netip.MustParsePrefix("198.51.100.0/24"), Interface: "eth01"}}
	look := func(list ...status.Neighbour) {
		e.Look(Sight{Now: time.Now(), Config: e.cfg, Network: status.Network{Routes: routes}, Neighbours: list})
	}
	host := status.Neighbour{Address: netip.MustParseAddr("198.51.100.9"), State: status.NeighbourSilent}
	look(host)
	e.want("nothing is known of it")
	look(status.Neighbour{Address: gateway, MAC: "02:00:00:00:00:01", State: status.NeighbourAsked}, host)
	e.want("it is asked whether it is still there")
	look(status.Neighbour{Address: gateway, State: status.NeighbourSilent})
	e.want("no answer", "gateway-silent 198.51.100.254")
	look(status.Neighbour{Address: gateway, State: status.NeighbourAsked})
	e.want("asked anew", "gateway-silent 198.51.100.254")
	look()
	e.want("forgotten by the kernel", "gateway-silent 198.51.100.254")
	look(status.Neighbour{Address: gateway, MAC: "02:00:00:00:00:01", State: status.NeighbourReachable})
	e.want("it answers")
	look(status.Neighbour{Address: gateway, State: status.NeighbourSilent})
	routes = routes[1:]
	look()
	e.want("no route leads there")
}

// legs is a connected call with so many packets of each side.
func legs(id string, pbx, teams uint64) status.Call {
	at := netip.MustParseAddrPort("192.0.2.1:30000")
	return status.Call{ID: id, State: status.CallConnected, Legs: []status.Leg{
		{Interface: "if_pbx", Local: at, Remote: at, Media: status.Media{Received: pbx}}, {Interface: "if_teams", Local: at, Remote: at, Media: status.Media{Received: teams}},
	}}
}

func TestVoiceOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		look := func(calls ...status.Call) { e.Look(Sight{Now: time.Now(), Config: e.cfg, Calls: calls}) }
		// run has a call send so many packets a second for a time.
		run := func(id string, d time.Duration, state status.CallState, pbx, teams uint64) {
			for n := range uint64(d / Every) {
				c := legs(id, 100+n*pbx, 100+n*teams)
				c.State = state
				look(c)
				time.Sleep(Every)
			}
		}
		run("1", time.Minute, status.CallConnected, 50, 50)
		run("2", time.Minute, status.CallHeld, 0, 50)
		run("3", time.Minute, status.CallConnected, 0, 0) // both are silent: another fault
		e.want("nothing is one way")
		run("4", 9*time.Second, status.CallConnected, 50, 0)
		e.want("a pause")
		run("4", 30*time.Second, status.CallConnected, 50, 0)
		e.want("one way", "voice-one-way if_teams")
		look()
		time.Sleep(10 * time.Minute)
		look()
		e.want("that call is over", "voice-one-way if_teams")
		run("5", 10*time.Second, status.CallConnected, 50, 50)
		e.want("another one is well")
		run("6", 30*time.Second, status.CallConnected, 0, 50)
		e.want("the other way", "voice-one-way if_pbx")
		ended := func(id string, received uint64) {
			e.Ended(status.Record{ID: id, From: "if_pbx", To: "if_teams", Ended: time.Now(), Media: []status.RecordMedia{{Media: status.Media{Received: received}}, {}}})
		}
		ended("6", 1000) // it began well
		ended("7", 0)
		e.want("that call ends, and one without voice", "voice-one-way if_pbx")
		ended("8", 50)
		e.want("a short one is well")
		run("9", 30*time.Second, status.CallConnected, 0, 50)
		look()
		time.Sleep(remembered)
		look()
		e.want("long ago")
		if len(e.hearing) > 0 {
			t.Errorf("%d calls are kept", len(e.hearing))
		}
	})
}

func TestCallsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		ended := func(code int, attempts ...status.Attempt) {
			e.Ended(status.Record{From: "if_teams", To: "if_pbx", Code: code, Attempts: attempts, Ended: time.Now()})
		}
		refused := func(code int) {
			e.Ended(status.Record{From: "if_teams", Code: code, Attempts: []status.Attempt{{Interface: "if_pbx", Code: code, Text: "told so"}}, Ended: time.Now()})
		}
		for range 10 {
			refused(486)
			refused(404)
		}
		refused(503)
		refused(503)
		e.want("busy, unknown, and twice overloaded")
		refused(503)
		e.want("three times", "calls-refused if_pbx")
		if !strings.Contains(e.text(), "has refused 3 calls, one after the other: 503 (told so)") {
			t.Error(e.text())
		}
		ended(200, status.Attempt{Interface: "if_pbx", Code: 200})
		e.want("one is taken")
		for range 3 {
			e.Ended(status.Record{From: "if_teams", Called: "+4930123", Code: 503, Ended: time.Now(), Attempts: []status.Attempt{
				{Interface: "if_pbx", Code: 503, Text: "4930123, of +49 89 765-4321: none, 560411", Called: "17"}}})
		}
		if !strings.Contains(e.text(), ": 503 (xxxxxxx, of +xxxxxxxxxxxxxx: none, 560411)") {
			t.Errorf("an alarm names who was called: %s", e.text())
		}
		ended(200, status.Attempt{Interface: "if_pbx", Code: 200})
		refused(488)
		e.want("a codec", "codec-refused if_pbx")
		ended(200)
		e.want("one is taken again")
		refused(415)
		time.Sleep(remembered)
		e.Look(Sight{Now: time.Now(), Config: e.cfg})
		e.want("long ago")
		for n := range 2 * maxNames {
			e.Ended(status.Record{Attempts: []status.Attempt{{Interface: fmt.Sprint(n), Code: 488}}, Ended: time.Now()})
		}
		if len(e.refusals) > maxNames {
			t.Errorf("%d interfaces are remembered", len(e.refusals))
		}
	})
}

func TestBadVoice(t *testing.T) {
	e := watching(t)
	call := func(m status.Media) {
		e.Ended(status.Record{From: "if_pbx", To: "if_teams", Code: 200, Ended: time.Now(), Media: []status.RecordMedia{{Media: status.Media{Received: 1000, MOS: 4.4}}, {Media: m}}})
	}
	for range 8 {
		call(status.Media{Received: 1000, MOS: 4.4})
	}
	call(status.Media{Received: 1000, Lost: 40})
	call(status.Media{Received: 1000, JitterMS: 60})
	call(status.Media{Received: 100, Lost: 40}) // two seconds tell nothing
	e.want("two of ten")
	call(status.Media{Received: 1000, MOS: 2})
	e.want("three of ten", "voice-poor if_teams")
	if !strings.Contains(e.text(), "3 of the last 10 calls") {
		t.Error(e.text())
	}
	for range 7 {
		call(status.Media{Received: 1000, MOS: 4.4})
	}
	call(status.Media{Received: 1000, MOS: 2})
	e.want("two of ten again", "voice-poor if_teams")
	for range 9 {
		call(status.Media{Received: 1000, MOS: 4.4})
	}
	e.want("one of ten")
	for range 3 {
		call(status.Media{Received: 1000, MOS: 2})
	}
	e.want("three bad ones", "voice-poor if_teams")
	e.Look(Sight{Now: time.Now().Add(remembered), Config: e.cfg})
	e.want("long ago")
	if len(e.reputation) > 0 {
		t.Errorf("%d interfaces are remembered", len(e.reputation))
	}
}

func TestLicenses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		used := func(n int) {
			e.Look(Sight{Now: time.Now(), Config: e.cfg, Pools: []status.Pool{{Name: "sip-sessions", Total: 20, Alloc: n, Free: 20 - n}, {Name: "none"}}, Peaks: []status.Peak{{Name: "sip-sessions", Refused: 1}}})
		}
		used(15)
		e.want("three of four")
		used(16)
		e.want("four of five", "licenses-low sip-sessions")
		used(20)
		e.want("all", "licenses-used-up sip-sessions")
		if !strings.HasPrefix(e.text(), "all 20 licenses sip-sessions are in use, or were within the last minute: further calls are refused, 1 since the start") {
			t.Error(e.text())
		}
		used(15)
		e.want("calls come and go", "licenses-used-up sip-sessions")
		time.Sleep(eased - time.Second)
		used(20)
		time.Sleep(eased - time.Second)
		used(15)
		e.want("they came again", "licenses-used-up sip-sessions")
		time.Sleep(time.Second)
		used(15)
		e.want("a minute with free ones", "licenses-low sip-sessions")
		used(13)
		e.want("enough")
	})
}

func TestTheBoxItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watching(t)
		look := func(celsius float64, flash status.Space, o status.OverloadState, bans ...status.Ban) {
			e.Look(Sight{Now: time.Now(), Config: e.cfg, Temperature: &celsius, Flash: flash, Overload: status.Overload{State: o}, Bans: bans})
		}
		look(79, status.Space{Free: 5, Total: 100}, status.Strained, status.Ban{Source: netip.MustParseAddr("192.0.2.2"), Wrong: 1})
		e.want("all is well")
		look(80, status.Space{Free: 4, Total: 100}, status.Shedding, status.Ban{Source: netip.MustParseAddr("192.0.2.1"), Left: time.Minute})
		e.want("all at once", "temperature", "flash-full", "overloaded", "source-banned 192.0.2.1")
		look(76, status.Space{Free: 7, Total: 100}, status.Calm)
		e.want("it cools down", "temperature", "flash-full")
		look(74, status.Space{Free: 8, Total: 100}, status.Calm)
		e.want("it is cool")
		e.Images([]status.Image{{Slot: "a", Running: true, Failed: true}, {Slot: "b", Version: "2", Failed: true, Next: false}})
		e.want("an update was taken back", "image-failed b")
		e.Images([]status.Image{{Slot: "a", Running: true}, {Slot: "b", Version: "3", Next: true}})
		e.want("the next one waits", "image-waits b")
		e.Images(nil)
		e.Saved(false)
		time.Sleep(time.Hour - time.Second)
		e.want("somebody is at work")
		time.Sleep(time.Second)
		e.want("nobody saved it", "config-unsaved")
		e.Saved(true)
		e.want("saved")
	})
}
