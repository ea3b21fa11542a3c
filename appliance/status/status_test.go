package status

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Whatever the box writes, a client reads back with the same structs.
func roundTrip[T any](t *testing.T, want T) {
	t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v, by %s", got, want, text)
	}
}

func TestEveryStateHasAWord(t *testing.T) {
	for _, s := range CallStates() {
		roundTrip(t, Call{ID: "1", State: s, Started: time.Unix(1, 0).UTC()})
	}
	for d := DigitsNone; d <= DigitsInfo; d++ {
		roundTrip(t, Leg{Digits: d})
	}
}

func TestACME(t *testing.T) {
	for s := ACMEIdle; s <= ACMEFailed; s++ {
		roundTrip(t, ACME{Name: "sbc", State: s, Names: []string{"sbc.example.com"}, Renew: time.Unix(1, 0).UTC()})
	}
}

func TestPresence(t *testing.T) {
	for s := PresenceStarting; s <= PresenceShutdown; s++ {
		roundTrip(t, Presence{Services: []PresenceService{{Name: "TEAMS", State: s, Polled: time.Unix(1, 0).UTC()}}})
	}
	for l := LineUnknown; l <= LineEcho; l++ {
		roundTrip(t, PresenceUser{Name: "anna@example.com", State: "busy", Line: l})
	}
	for s := SessionNone; s <= SessionClearing; s++ {
		roundTrip(t, PresenceUser{Name: "anna@example.com", Session: s})
	}
	for s := SinkOff; s <= SinkFailing; s++ {
		roundTrip(t, PresenceService{Reports: PresenceSink{State: s}})
	}
}

func TestUnknownStatesAreRefused(t *testing.T) {
	var s CallState
	if err := json.Unmarshal([]byte(`"ending"`), &s); err == nil {
		t.Error("a state that does not exist was read")
	}
	if _, err := json.Marshal(CallState(200)); err == nil {
		t.Error("a state that does not exist was written")
	}
	if got := CallState(200).String(); got != "invalid(200)" {
		t.Errorf("it is shown as %q", got)
	}
}

func TestPeersAndGateways(t *testing.T) {
	for s := Registering; s <= RegistrationFailed; s++ {
		roundTrip(t, Registration{Identity: "user.01", State: s})
	}
	for s := PeerUnknown; s <= PeerUnasked; s++ {
		roundTrip(t, Peer{Interface: "if", State: s, RTT: 31 * time.Millisecond})
	}
	for s := GatewayFailed; s <= GatewayShutdown; s++ {
		roundTrip(t, Gateway{Name: "gw", Interfaces: []GatewayInterface{{Name: "if", State: s}}})
	}
	for s := ListenerOpen; s <= ListenerNoAddress; s++ {
		roundTrip(t, Listener{Transport: "tls", State: s})
	}
}

func TestNetwork(t *testing.T) {
	for s := LinkMissing; s <= LinkNotBound; s++ {
		roundTrip(t, IPInterface{Name: "if", State: s})
	}
	for s := LeaseDiscovering; s <= LeaseConfirming; s++ {
		roundTrip(t, Port{Name: "eth00", DHCP: &Lease{State: s, Address: netip.MustParsePrefix("192.0.2.7/24")}})
	}
	for d := DuplexUnknown; d <= DuplexFull; d++ {
		roundTrip(t, Port{Name: "eth00", State: LinkUp, Duplex: d})
	}
	for o := RouteOther; o <= RouteLeased; o++ {
		roundTrip(t, Route{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Origin: o})
	}
	for s := NeighbourAsked; s <= NeighbourFixed; s++ {
		roundTrip(t, Neighbour{Address: netip.MustParseAddr("192.0.2.9"), State: s})
	}
}

func TestTheBoxItself(t *testing.T) {
	warm := 41.5
	roundTrip(t, System{Product: "p", Temperature: &warm, RAM: Space{Free: 1, Total: 2}})
	roundTrip(t, Clock{Now: time.Unix(1, 0).UTC(), Servers: []TimeServer{{Host: "h", Address: netip.MustParseAddrPort("192.0.2.1:123"), Offset: time.Millisecond}}})
	for s := HEPOff; s <= HEPAway; s++ {
		roundTrip(t, HEP{State: s, Server: "homer:9060/udp", Sent: 1})
	}
	roundTrip(t, Ban{Source: netip.MustParseAddr("192.0.2.7"), Left: time.Minute})
	roundTrip(t, Key{Kind: KeyCertificate, Name: "N"})
	roundTrip(t, Images{Board: "b", Slots: []Image{{Slot: "a"}}})
}

func TestALicenseKeyStaysInTheBox(t *testing.T) {
	if text, _ := json.Marshal(Licenses{Keys: []LicenseKey{{Key: "AQEAFAAA", About: "license 17"}}}); strings.Contains(string(text), "AQEA") {
		t.Errorf("%s", text)
	}
}
