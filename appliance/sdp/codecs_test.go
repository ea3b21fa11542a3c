package sdp

import (
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

func TestBothLegsGetACodecThatTheOtherHas(t *testing.T) {
	pbx := parse(t, plain("m=audio 4000 RTP/AVP 9 0 8"))
	common := Takes(pbx, teamsProfile())
	l := local(pbxProfile())
	l.Other = common
	s, err := Offer(l)
	if err != nil {
		t.Fatal(err)
	}
	has(t, s, "m=audio 20000 RTP/AVP 8 0 101") // mu-law would be converted, so it comes last
	l.Other = Takes(parse(t, plain("m=audio 4000 RTP/AVP 9 0")), teamsProfile())
	if _, err := Offer(l); code(err) != 488 {
		t.Errorf("nothing in common: %v", err)
	}
	l.Other, l.Prefer = nil, PCMU
	s, _ = Offer(l)
	has(t, s, "m=audio 20000 RTP/AVP 0 8 101")
}

func TestTheOtherLawOfG711IsTheLastChoice(t *testing.T) {
	l := local(pbxProfile())
	l.Other = []Codec{named["g711ulaw64k"]}
	for _, c := range []struct{ offered, want string }{
		{"0 8", "0"}, {"8 0", "0"}, {"8", "8"},
	} {
		s, choice, err := Answer(parse(t, plain("m=audio 4000 RTP/AVP "+c.offered)), l)
		if err != nil {
			t.Fatal(err)
		}
		has(t, s, "m=audio 20000 RTP/AVP "+c.want)
		if want := map[string]string{"0": PCMU, "8": PCMA}[c.want]; choice.Codec.Name != want {
			t.Errorf("offered %s: %+v", c.offered, choice)
		}
	}
	l.Other = []Codec{named["g722"]}
	if _, err := Offer(l); code(err) != 488 {
		t.Errorf("G.722 is not converted: %v", err)
	}
}

func TestPacketsHoldWhatThePeerAsksFor(t *testing.T) {
	for _, c := range []struct {
		lines    string
		rx, tx   int
		says     string // in our answer
		want     int
		wantMost int
	}{
		{"a=ptime:30", 20, 20, "a=ptime:20", 30, 0},
		{"a=maxptime:40\r\na=ptime:60.0", 20, 20, "a=ptime:20", 40, 40},
		{"a=maxptime:10", 10, 30, "a=ptime:10", 10, 10},
		{"", 40, 30, "a=ptime:40", 30, 0},
		{"a=ptime:\r\na=maxptime:-5", 20, 20, "a=ptime:20", 20, 0},
		{"a=ptime:99999999", 20, 20, "a=ptime:20", 20, 0},
	} {
		p := pbxProfile()
		for i := range p.Codecs {
			p.Codecs[i].RxLength, p.Codecs[i].TxLength = c.rx, c.tx
		}
		lines := "m=audio 4000 RTP/AVP 8"
		if c.lines != "" {
			lines += "\r\n" + c.lines
		}
		answer, choice, err := Answer(parse(t, plain(lines)), local(p))
		if err != nil {
			t.Fatal(err)
		}
		has(t, answer, c.says)
		if got := choice.PacketTime(p); got != c.want || choice.MaxPtime != c.wantMost {
			t.Errorf("%q: packets of %d ms, at most %d", c.lines, got, choice.MaxPtime)
		}
	}
}

func TestEveryCodecOfTheLanguageCanBeOffered(t *testing.T) {
	for _, name := range config.CodecNames {
		if list := Codecs(&config.VoIPProfile{Codecs: []config.Codec{{Index: 1, Name: name}}}); len(list) != 1 {
			t.Errorf("%s: named in codecs.go lacks it, so it is never offered: %v", name, list)
		} else if got := list[0].Name; got != strings.ToUpper(got) {
			t.Errorf("%s: names of peers are read as capitals, so an answer with %s is never found", name, got)
		}
	}
	for name := range named {
		if !slices.Contains(config.CodecNames, name) {
			t.Errorf("%s: config.CodecNames lacks it, so no codec line can name it", name)
		}
	}
}

// Below 96 the numbers are assigned (RFC 3551 section 6); the others are ours to give, and each stands for one thing in an offer.
func TestPayloadTypesStandForOneCodec(t *testing.T) {
	taken := map[uint8]string{eventPT: TelephoneEvent}
	for pt, c := range static {
		taken[pt] = c.Name
	}
	for name, c := range named {
		if other := taken[c.PT]; other != "" && other != c.Name {
			t.Errorf("%s: payload type %d is that of %s", name, c.PT, other)
		}
		if taken[c.PT] == "" && (c.PT < 96 || c.PT > 127) {
			t.Errorf("%s: payload type %d is not in static, nor dynamic", name, c.PT)
		}
		taken[c.PT] = c.Name
	}
}
