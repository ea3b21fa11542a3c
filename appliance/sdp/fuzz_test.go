package sdp

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"viaduct/appliance/config"
	"viaduct/appliance/srtp"
)

func FuzzParse(f *testing.F) {
	f.Add(teamsOffer)
	f.Add(plain("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15"))
	f.Add(plain("m=image 4100 udptl t38\r\nm=audio 0 RTP/SAVPF 8\r\na=crypto:1 " + srtp.AES80 + " inline:" + key1 + "|1:1"))
	l := local(teamsProfile())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse([]byte(text))
		if err != nil {
			return
		}
		value, err := json.Marshal(s)
		var back Session
		if err == nil {
			err = json.Unmarshal(value, &back)
		}
		if err != nil {
			t.Fatalf("written out and read back: %v", err)
		}
		// JSON keeps no names in other encodings than UTF-8; no codec that we use has such a name.
		if diff := cmp.Diff(s, &back, cmpopts.IgnoreUnexported(Stream{}), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); utf8.ValidString(text) && diff != "" {
			t.Fatalf("written out and read back: %s", diff)
		}
		if diff := cmp.Diff(string(s.Marshal()), string(back.Marshal())); utf8.ValidString(text) && diff != "" {
			t.Fatalf("written out and read back, it says something else: %s", diff)
		}
		for _, p := range []*config.VoIPProfile{teamsProfile(), pbxProfile()} {
			l.Profile = p
			_, _, before := Answer(s, l)
			if err := s.Suit(p, nil); err != nil {
				t.Fatalf("without a check: %v", err)
			}
			a, _, err := Answer(s, l)
			if before == nil && err != nil {
				t.Fatalf("the first stream could be answered, the chosen one not: %v", err)
			}
			if err != nil {
				continue
			}
			again, err := Parse(a.Marshal())
			if err != nil {
				t.Fatalf("our answer does not parse: %v\n%q", err, a.Marshal())
			}
			if diff := cmp.Diff(string(a.Marshal()), string(again.Marshal())); diff != "" {
				t.Fatalf("our answer changes when read: %s", diff)
			}
			for line := range strings.Lines(string(a.Marshal())) {
				if !strings.HasSuffix(line, "\r\n") || strings.ContainsAny(line[:len(line)-2], "\r\n") {
					t.Fatalf("broken line %q", line)
				}
			}
		}
	})
}
