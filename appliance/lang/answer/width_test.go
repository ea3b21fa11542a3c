package answer

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
)

// Names as the vendor's guide has them, and certificates as public authorities issue them, are folded at the edge of a serial console. Sums
// and lines to paste are not.
func TestLongNamesAreFoldedAtTheEdgeOfTheScreen(t *testing.T) {
	const name, peer = "if_sip_microsoft-directrouting-secondary", "sip2.pstnhub.microsoft.com:5061/tls"
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	media := netip.MustParseAddrPort("123.123.123.123:21930")
	links := []status.ChainLink{{Subject: "sip.pstnhub.microsoft.com", Issuer: "Microsoft Azure RSA TLS Issuing CA 03", KeyType: "RSA 2048", NotAfter: noon, SHA256: strings.Repeat("AB", 32)}}
	seen := []status.ShownChain{{First: noon, Last: noon, Links: links, Root: "DigiCert Global Root G2", Refused: "x509: certificate signed by unknown authority, and the name of the hub is not in it"}}
	for what, print := range map[string]func(Page){
		"calls": func(pg Page) {
			pg.Calls([]status.Call{{ID: "1a2b3c4d", From: name, Legs: []status.Leg{{Interface: name, Peer: peer, CallID: "450ed6fa393b4da2ba3979a48f69ce7e@192.168.1.100",
				Codec: "PCMA/8000", Suite: "AES_CM_128_HMAC_SHA1_80", Local: media, Remote: media}}}}, 3, noon)
		},
		"a gateway": func(pg Page) {
			pg.Gateway(status.Gateway{Interfaces: []status.GatewayInterface{{Name: "if_gw_sip_wan_5062"}}}, []string{name, "if_pbx"}, []status.Peer{
				{Interface: name, Peer: "sip2.pstnhub.microsoft.com:5061", State: status.PeerDown, Answer: "no response to OPTIONS within the last minute"},
				{Interface: "if_pbx", Peer: "starface.meinefirma.de", State: status.PeerUnasked, Answer: "no penalty-box: it is not asked with OPTIONS"}})
		},
		"peers' chains": func(pg Page) {
			pg.PeerChains(status.PeerChains{Next: noon, Peers: []status.PeerChanges{{Peer: "sip2.pstnhub.microsoft.com on gw_sip_wan_5062", Change: "the leaf, its issuer and the root are others than in the week before", Now: seen, Before: seen}}})
		},
		"unknown issuers": func(pg Page) {
			pg.UnknownIssuers([]status.UnknownIssuer{{Subject: "Lab Root", Peer: "sip2.pstnhub.microsoft.com 52.114.76.76:5061", Gateway: "gw_sip_wan_5062", Chain: links, Warning: strings.Repeat("a word and ", 12)}})
		},
		"problems": func(pg Page) {
			pg.Problems([]check.Problem{{Text: "the key also matches longer numbers", Path: []string{"context cs SWITCH", "mapping-table calling-e164 to calling-uri mt_teams2starface-a-uri"}, Source: `map \+497123222 to sip:user.01@192.168.1.100`}})
		},
	} {
		var out strings.Builder
		print(Page{Out: &out, Zone: time.UTC})
		for line := range strings.Lines(out.String()) {
			if utf8.RuneCountInString(line) > ScreenWidth+1 {
				t.Errorf("%s: a line of %d characters: %s", what, utf8.RuneCountInString(line)-1, line)
			}
		}
		if strings.Contains(out.String(), "last answer: no penalty-box") {
			t.Errorf("%s: a peer that nobody asks has answered:\n%s", what, out.String())
		}
	}
}
