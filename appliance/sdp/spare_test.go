package sdp

import (
	"fmt"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// In how many ways audio may come, and under which numbers events may not.
func TestSpareFormats(t *testing.T) {
	profile := &config.VoIPProfile{SRTP: "disabled", DTMFRelay: "default", Codecs: []config.Codec{{Index: 1, Name: "g711alaw64k"}, {Index: 2, Name: "g711ulaw64k"}, {Index: 3, Name: "g722"}, {Index: 4, Name: "opus"}}}
	narrow := &config.VoIPProfile{SRTP: "disabled", DTMFRelay: "default", Codecs: profile.Codecs[:1]}
	const events = "\r\na=rtpmap:101 telephone-event/8000"
	for _, test := range []struct {
		name    string
		profile *config.VoIPProfile
		theirs  string
		answer  bool // theirs is one to our offer
		also    []Codec
		want    string // codec, spare formats as they come and as they are wanted, claimed numbers
	}{
		{"answered with one", profile, "m=audio 4000 RTP/AVP 8 101" + events, true, nil, "PCMA [] [102 111]"},
		{"answered with several", profile, "m=audio 4000 RTP/AVP 8 0 9 101" + events, true, nil, "PCMA [0-0 9-9] [102 111]"},
		{"answered in another order", profile, "m=audio 4000 RTP/AVP 9 8 101" + events, true, nil, "G722 [8-8] [102 111]"},
		{"answered under another number", profile, "m=audio 4000 RTP/AVP 8 107\r\na=rtpmap:107 opus/48000/2", true, nil, "PCMA [111-107 107-107] [102 107 111]"},
		{"its first codec under another number", profile, "m=audio 4000 RTP/AVP 107\r\na=rtpmap:107 opus/48000/2", true, nil, "OPUS [107-107] [101 107 111]"},
		{"under a number that means something else to us", profile, "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 opus/48000/2", true, nil, "PCMA [111-101] [101 102 111]"},
		{"events under another number", profile, "m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000", true, nil, "PCMA [] [102 111]"},
		{"unknown formats", profile, "m=audio 4000 RTP/AVP 8 101 97 98" + events + "\r\na=rtpmap:97 RED/8000", true, nil, "PCMA [] [97 98 102 111]"},
		{"events of another rate", profile, "m=audio 4000 RTP/AVP 8 101 100" + events + "\r\na=rtpmap:100 telephone-event/16000", true, nil, "PCMA [] [100 102 111]"},
		{"an offer", profile, "m=audio 4000 RTP/AVP 8 9 101" + events, false, nil, "PCMA [] []"},
		{"an offer, the other leg has agreed on several", profile, "m=audio 4000 RTP/AVP 8 9 101" + events, false, []Codec{{Name: G722, Rate: 8000}}, "PCMA [9-9] []"},
		{"an offer with the other law, which we have not", narrow, "m=audio 4000 RTP/AVP 8 0 101" + events, false, nil, "PCMA [0-0] []"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := local(test.profile)
			l.Also = test.also
			theirs := parse(t, plain(test.theirs))
			var c *Choice
			var err error
			if test.answer {
				var ours *Session
				if ours, err = Offer(l); err == nil {
					c, err = Accept(ours, theirs)
				}
			} else {
				_, c, err = Answer(theirs, l)
			}
			if err != nil {
				t.Fatal(err)
			}
			var spare, claimed []string
			for _, f := range c.Spare {
				spare = append(spare, fmt.Sprintf("%d-%d", f.Rx, f.PT))
			}
			for n := range 32 {
				if c.Claimed>>n&1 != 0 {
					claimed = append(claimed, fmt.Sprint(96+n))
				}
			}
			if got := fmt.Sprintf("%s [%s] [%s]", c.Codec.Name, strings.Join(spare, " "), strings.Join(claimed, " ")); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
