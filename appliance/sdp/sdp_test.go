package sdp

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/srtp"

	"github.com/google/go-cmp/cmp"
	pion "github.com/pion/sdp/v3"

	"viaduct/appliance/config"
)

const (
	key1 = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
	key2 = "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj"
)

// teamsOffer is what Teams' media processor offers (documented form).
const teamsOffer = "v=0\r\no=- 0 0 IN IP4 52.114.250.123\r\ns=session\r\nc=IN IP4 52.114.250.123\r\nb=CT:10000000\r\nt=0 0\r\n" +
	"m=audio 52142 RTP/SAVP 111 103 104 9 0 8 106 13 110 112 113 126\r\nc=IN IP4 52.114.250.123\r\n" +
	"a=rtcp:52143\r\na=rtcp-mux\r\na=label:main-audio\r\na=mid:1\r\n" +
	"a=crypto:0 AES_CM_128_HMAC_SHA1_32 inline:" + key1 + "|2^31\r\n" +
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key2 + "|2^31\r\n" +
	"a=sendrecv\r\na=rtpmap:111 SIREN/16000\r\na=fmtp:111 bitrate=16000\r\na=rtpmap:103 SILK/16000\r\na=rtpmap:104 SILK/8000\r\n" +
	"a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:106 CN/32000\r\na=rtpmap:13 CN/8000\r\n" +
	"a=rtpmap:110 telephone-event/48000\r\na=rtpmap:112 telephone-event/32000\r\na=rtpmap:113 telephone-event/16000\r\n" +
	"a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-16\r\na=ptime:20\r\n"

func teamsProfile() *config.VoIPProfile {
	return &config.VoIPProfile{Name: "pf_voip_microsoft", DTMFRelay: "default", SRTP: "forced", RTCPMultiplexing: true,
		Codecs: []config.Codec{{Index: 1, Name: "g711alaw64k", RxLength: 20, TxLength: 20, SilenceSuppression: true}}}
}

func pbxProfile() *config.VoIPProfile {
	return &config.VoIPProfile{Name: "pf_voip_starface", DTMFRelay: "default", SRTP: "disabled", RTCPMultiplexing: true,
		Codecs: []config.Codec{{Index: 2, Name: "g711ulaw64k", RxLength: 20}, {Index: 1, Name: "g711alaw64k", RxLength: 20}}}
}

func local(p *config.VoIPProfile) Local {
	l := Local{Addr: netip.MustParseAddr("203.0.113.5"), Port: 20000, Profile: p, SessionID: 77, Version: 1}
	if p.SRTP != "disabled" {
		l.Crypto = []Crypto{{Tag: 1, Suite: srtp.AES80, Key: []byte(strings.Repeat("k", 30)), Lifetime: 1 << 31}}
	}
	return l
}

func parse(t *testing.T, text string) *Session {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return s
}

func has(t *testing.T, s *Session, lines ...string) {
	t.Helper()
	text := string(s.Marshal())
	for _, l := range lines {
		if !strings.Contains(text, l+"\r\n") {
			t.Errorf("no line %q in\n%s", l, text)
		}
	}
}

func lacks(t *testing.T, s *Session, parts ...string) {
	t.Helper()
	text := string(s.Marshal())
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in\n%s", p, text)
		}
	}
}

func code(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestOfferTowardsTeams(t *testing.T) {
	s, err := Offer(local(teamsProfile()))
	if err != nil {
		t.Fatal(err)
	}
	has(t, s, "m=audio 20000 RTP/SAVP 8 13 101", "c=IN IP4 203.0.113.5", "a=rtpmap:8 PCMA/8000", "a=rtpmap:13 CN/8000",
		"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=rtcp-mux", "a=rtcp:20001", "a=ptime:20", "a=sendrecv",
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr|2^31")
	lacks(t, s, "candidate", "ice-")
	var p pion.SessionDescription
	if err := p.Unmarshal(s.Marshal()); err != nil {
		t.Errorf("an independent parser refuses our offer: %v", err)
	}
}

func TestOfferTowardsThePBX(t *testing.T) {
	s, err := Offer(local(pbxProfile()))
	if err != nil {
		t.Fatal(err)
	}
	has(t, s, "m=audio 20000 RTP/AVP 8 0 101", "a=rtcp-mux")
	lacks(t, s, "crypto", "CN/")
	unasked := pbxProfile()
	unasked.RTCPMultiplexing = false // Asterisk multiplexes only when it is told to
	if s, err = Offer(local(unasked)); err != nil {
		t.Fatal(err)
	}
	has(t, s, "a=rtcp:20001")
	lacks(t, s, "rtcp-mux")
}

// A new key says how long it holds, as Teams wants to read it, and no two are alike.
func TestNewKeys(t *testing.T) {
	one, err := NewCrypto(srtp.AES80, 1)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewCrypto(srtp.AES80, 1)
	if err != nil || bytes.Equal(one.Key, two.Key) || len(one.Key) != 30 || !strings.HasSuffix(one.line(), "|2^31") {
		t.Errorf("%s, %s, %v", one.line(), two.line(), err)
	}
}

// A peer that takes the second codec of an offer has digits and noise too, although that codec has another clock.
func TestEachClockHasItsEvents(t *testing.T) {
	narrow, wide := config.Codec{Name: "g711alaw64k", SilenceSuppression: true}, config.Codec{Name: "opus"}
	for name, x := range map[string]struct {
		first, second config.Codec
		answer        string
		event, noise  string
	}{
		"G.711 of G.711 and Opus": {narrow, wide, "8 13 101\r\na=rtpmap:101 telephone-event/8000", "101/8000", "13/8000"},
		"Opus of G.711 and Opus":  {narrow, wide, "111 102\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:102 telephone-event/48000", "102/48000", "none"},
		"G.711 of Opus and G.711": {wide, narrow, "8 13 102\r\na=rtpmap:102 telephone-event/8000", "102/8000", "13/8000"},
	} {
		p := pbxProfile()
		x.first.Index, x.second.Index = 1, 2
		p.Codecs = []config.Codec{x.first, x.second}
		s, err := Offer(local(p))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Accept(s, parse(t, plain("m=audio 4000 RTP/AVP "+x.answer)))
		if err != nil {
			t.Fatal(err)
		}
		text := func(c *Codec) string {
			if c == nil {
				return "none"
			}
			return fmt.Sprintf("%d/%d", c.PT, c.Rate)
		}
		if text(c.DTMF) != x.event || text(c.CN) != x.noise {
			t.Errorf("%s: events %s, noise %s; want %s, %s\n%s", name, text(c.DTMF), text(c.CN), x.event, x.noise, s.Marshal())
		}
	}
}

func TestDTMFBySignallingOffersNoEvents(t *testing.T) {
	p := pbxProfile()
	p.DTMFRelay = "signaling"
	s, _ := Offer(local(p))
	lacks(t, s, "telephone-event")
}

func TestPreferredSRTPStaysReadableForAPeerWithout(t *testing.T) {
	p := teamsProfile()
	p.SRTP = "preferred"
	s, _ := Offer(local(p))
	has(t, s, "m=audio 20000 RTP/AVP 8 13 101")
	if c, err := Accept(s, parse(t, plain("m=audio 4000 RTP/AVP 8"))); err != nil || c.Local != nil {
		t.Errorf("plain answer: %+v, %v", c, err)
	}
	if c, err := Accept(s, parse(t, plain("m=audio 4000 RTP/AVP 8\r\na=crypto:1 "+srtp.AES80+" inline:"+key1))); err != nil || c.Remote == nil {
		t.Errorf("answer with key: %+v, %v", c, err)
	}
}

func TestAnswerToTeams(t *testing.T) {
	offer := parse(t, teamsOffer)
	s, c, err := Answer(offer, local(teamsProfile()))
	if err != nil {
		t.Fatal(err)
	}
	has(t, s, "m=audio 20000 RTP/SAVP 8 13 126", "a=rtcp-mux", "a=rtcp:20000", "a=rtpmap:126 telephone-event/8000",
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr|2^31")
	lacks(t, s, "SHA1_32", "SILK", "G722")
	if c.Codec.Name != PCMA || c.Codec.PT != 8 || c.DTMF.PT != 126 || c.CN.PT != 13 || c.RxDTMF != 126 || !c.Mux {
		t.Errorf("choice: %+v", c)
	}
	if c.Remote.Suite != srtp.AES80 || c.Remote.Tag != 1 || c.Local.Tag != 1 || c.Addr.String() != "52.114.250.123:52142" || c.RTCPAddr != c.Addr {
		t.Errorf("choice: %+v", c)
	}
}

func TestAnswerTakesTheTagOfTheLongSuite(t *testing.T) {
	text := strings.Replace(strings.Replace(teamsOffer, "a=crypto:1 ", "a=crypto:0 ", 1), "a=crypto:0 AES_CM_128_HMAC_SHA1_32", "a=crypto:1 AES_CM_128_HMAC_SHA1_32", 1)
	s, c, err := Answer(parse(t, text), local(teamsProfile()))
	if err != nil || c.Local.Tag != 0 {
		t.Fatalf("%v, tag %d", err, c.Local.Tag)
	}
	has(t, s, "a=crypto:0 AES_CM_128_HMAC_SHA1_80 inline:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr|2^31")
}

func TestRefreshIsAnsweredByTheSameOctets(t *testing.T) {
	first, again := parse(t, teamsOffer), parse(t, teamsOffer)
	a, _, _ := Answer(first, local(teamsProfile()))
	b, _, _ := Answer(again, local(teamsProfile()))
	if string(a.Marshal()) != string(b.Marshal()) {
		t.Error("answers differ")
	}
}

func plain(media string) string {
	return "v=0\r\no=pbx 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n" + media + "\r\n"
}

func TestCryptoLines(t *testing.T) {
	for _, test := range []struct {
		name, line string
		want       *Crypto
	}{
		{"key alone", "1 " + srtp.AES80 + " inline:" + key1, &Crypto{Tag: 1, Suite: srtp.AES80}},
		{"lifetime as power", "1 " + srtp.AES80 + " inline:" + key1 + "|2^31", &Crypto{Tag: 1, Suite: srtp.AES80, Lifetime: 1 << 31}},
		{"lifetime as number", "1 " + srtp.AES80 + " inline:" + key1 + "|1000000", &Crypto{Tag: 1, Suite: srtp.AES80, Lifetime: 1000000}},
		{"lifetime and MKI", "1 " + srtp.AES80 + " inline:" + key1 + "|2^31|1:1", &Crypto{Tag: 1, Suite: srtp.AES80, Lifetime: 1 << 31, MKI: []byte{1}}},
		{"MKI alone", "1 " + srtp.AES80 + " inline:" + key1 + "|1:1", &Crypto{Tag: 1, Suite: srtp.AES80, MKI: []byte{1}}},
		{"MKI of four octets", "1 " + srtp.AES80 + " inline:" + key1 + "|2^20|258:4", &Crypto{Tag: 1, Suite: srtp.AES80, Lifetime: 1 << 20, MKI: []byte{0, 0, 1, 2}}},
		{"MKI of 128 octets", "1 " + srtp.AES80 + " inline:" + key1 + "|258:128", &Crypto{Tag: 1, Suite: srtp.AES80, MKI: append(make([]byte, 126), 1, 2)}},
		{"the largest MKI", "1 " + srtp.AES80 + " inline:" + key1 + "|" + new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(1)).String() + ":128",
			&Crypto{Tag: 1, Suite: srtp.AES80, MKI: bytes.Repeat([]byte{0xff}, 128)}},
		{"MKI of no octets", "1 " + srtp.AES80 + " inline:" + key1 + "|0:0", nil},
		{"MKI too long", "1 " + srtp.AES80 + " inline:" + key1 + "|1:129", nil},
		{"MKI with a sign", "1 " + srtp.AES80 + " inline:" + key1 + "|+1:4", nil},
		{"tag 0", "0 " + srtp.AES32 + " inline:" + key1, &Crypto{Tag: 0, Suite: srtp.AES32}},
		{"hint", "2 " + srtp.AES80 + " inline:" + key1 + " WSH=64", &Crypto{Tag: 2, Suite: srtp.AES80}},
		{"optional parameter", "2 " + srtp.AES80 + " inline:" + key1 + " -X=1", &Crypto{Tag: 2, Suite: srtp.AES80}},
		{"unknown suite", "1 F8_128_HMAC_SHA1_80 inline:" + key1, nil},
		{"short key", "1 " + srtp.AES80 + " inline:d0Rmdmcm", nil},
		{"key of another suite's length", "1 " + srtp.GCM256 + " inline:" + key1, nil},
		{"not base64", "1 " + srtp.AES80 + " inline:" + strings.Repeat("!", 40), nil},
		{"no key method", "1 " + srtp.AES80 + " " + key1, nil},
		{"no encryption", "1 " + srtp.AES80 + " inline:" + key1 + " UNENCRYPTED_SRTP", nil},
		{"key derivation rate", "1 " + srtp.AES80 + " inline:" + key1 + " KDR=1", nil},
		{"two keys", "1 " + srtp.AES80 + " inline:" + key1 + "|2^20|1:4;inline:" + key2 + "|2^20|2:4", nil},
		{"MKI wider than its length", "1 " + srtp.AES80 + " inline:" + key1 + "|300:1", nil},
		{"negative tag", "-1 " + srtp.AES80 + " inline:" + key1, nil},
		{"lifetime beyond any", "1 " + srtp.AES80 + " inline:" + key1 + "|2^64", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, ok := parseCrypto(test.line)
			if ok != (test.want != nil) {
				t.Fatalf("usable: %v", ok)
			}
			if !ok {
				return
			}
			if len(c.Key) != 30 {
				t.Errorf("key of %d octets", len(c.Key))
			}
			again, ok := parseCrypto(c.line())
			if diff := cmp.Diff(c, again); diff != "" || !ok {
				t.Errorf("does not survive its own writing: %s", diff)
			}
			c.Key = nil
			if diff := cmp.Diff(*test.want, c); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHoldForms(t *testing.T) {
	for _, test := range []struct {
		name, media, session string
		offered, answered    Direction
	}{
		{"none", "", "10.0.0.9", SendRecv, SendRecv},
		{"sendonly", "a=sendonly", "10.0.0.9", SendOnly, RecvOnly},
		{"recvonly", "a=recvonly", "10.0.0.9", RecvOnly, SendOnly},
		{"inactive", "a=inactive", "10.0.0.9", Inactive, Inactive},
		{"zero address", "", "0.0.0.0", SendOnly, RecvOnly},
		{"zero address and inactive", "a=inactive", "0.0.0.0", Inactive, Inactive},
		{"zero address of the stream", "c=IN IP4 0.0.0.0", "10.0.0.9", SendOnly, RecvOnly},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := parse(t, strings.ReplaceAll(plain("m=audio 4000 RTP/AVP 8\r\n"+test.media), "c=IN IP4 10.0.0.9\r\nt", "c=IN IP4 "+test.session+"\r\nt"))
			if s.Audio.Direction != test.offered {
				t.Errorf("offered: %s", s.Audio.Direction)
			}
			a, c, err := Answer(s, local(pbxProfile()))
			if err != nil || c.Direction != test.answered || a.Audio.Direction != test.answered {
				t.Errorf("answered: %+v, %v", c, err)
			}
		})
	}
	session := strings.Replace(plain("m=audio 4000 RTP/AVP 8"), "t=0 0", "t=0 0\r\na=inactive", 1)
	if d := parse(t, session).Audio.Direction; d != Inactive {
		t.Errorf("direction at session level: %s", d)
	}
	l := local(pbxProfile())
	l.Direction = Inactive
	if _, c, _ := Answer(parse(t, plain("m=audio 4000 RTP/AVP 8")), l); c.Direction != Inactive {
		t.Errorf("our own wish does not count: %s", c.Direction)
	}
}

func TestRefusals(t *testing.T) {
	teams, pbx := teamsProfile(), pbxProfile()
	for _, test := range []struct {
		name, media string
		profile     *config.VoIPProfile
		want        string
	}{
		{"SRTP offered, RTP configured", "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 " + srtp.AES80 + " inline:" + key1, pbx, "SRTP"},
		{"RTP offered, SRTP forced", "m=audio 4000 RTP/AVP 8", teams, "crypto"},
		{"no suite in common", "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 " + srtp.AES32 + " inline:" + key1, teams, "crypto"},
		{"no codec in common", "m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000", pbx, "G729/8000"},
		{"stream refused", "m=audio 0 RTP/AVP 8", pbx, "refuses"},
		{"DTLS", "m=audio 4000 UDP/TLS/RTP/SAVPF 8", pbx, "no audio stream"},
		{"no audio", "m=video 4000 RTP/AVP 99", pbx, "no audio stream"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Parse([]byte(plain(test.media)))
			if err == nil {
				_, _, err = Answer(s, local(test.profile))
			}
			if code(err) != 488 || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOtherStreamsAreRefusedInOrder(t *testing.T) {
	s := parse(t, plain("m=image 4100 udptl t38\r\nm=audio 0 RTP/AVP 8\r\nm=audio 4000 RTP/AVP 8\r\nm=video 4200 RTP/AVP 99 100\r\na=rtpmap:99 H264/90000\r\nm=message 2855 TCP/MSRP *"))
	a, _, err := Answer(s, local(pbxProfile()))
	if err != nil {
		t.Fatal(err)
	}
	var media []string
	for l := range strings.Lines(string(a.Marshal())) {
		if strings.HasPrefix(l, "m=") {
			media = append(media, strings.TrimSpace(l))
		}
	}
	want := []string{"m=image 0 udptl t38", "m=audio 0 RTP/AVP 8", "m=audio 20000 RTP/AVP 8", "m=video 0 RTP/AVP 99 100", "m=message 0 TCP/MSRP *"}
	if diff := cmp.Diff(want, media); diff != "" {
		t.Error(diff)
	}
}

func TestRTCPAddresses(t *testing.T) {
	for _, test := range []struct{ name, lines, want string }{
		{"next port", "", "10.0.0.9:4001"},
		{"a=rtcp", "a=rtcp:5005", "10.0.0.9:5005"},
		{"a=rtcp with address", "a=rtcp:5005 IN IP4 10.0.0.9", "10.0.0.9:5005"},
		{"mux", "a=rtcp:5005\r\na=rtcp-mux", "10.0.0.9:4000"},
	} {
		s := parse(t, plain("m=audio 4000 RTP/AVP 8\r\n"+test.lines))
		if _, c, err := Answer(s, local(pbxProfile())); err != nil || c.RTCPAddr.String() != test.want {
			t.Errorf("%s: %v, %v", test.name, c.RTCPAddr, err)
		}
	}
	p := pbxProfile()
	p.RTCPMultiplexing = false
	a, c, _ := Answer(parse(t, plain("m=audio 4000 RTP/AVP 8\r\na=rtcp-mux")), local(p))
	if c.Mux {
		t.Error("multiplexed though not configured")
	}
	lacks(t, a, "rtcp-mux")
	a, _, _ = Answer(parse(t, plain("m=audio 4000 RTP/AVP 8")), local(pbxProfile()))
	lacks(t, a, "rtcp-mux") // RFC 8035: only when offered
}

func TestAnswerAcceptedByTheOfferer(t *testing.T) {
	offer, _ := Offer(local(teamsProfile()))
	answer := "m=audio 50000 RTP/SAVP 8 13 97\r\na=rtpmap:97 telephone-event/8000\r\na=rtcp-mux\r\na=crypto:1 " + srtp.AES80 + " inline:" + key1 + "|2^31|1:1"
	c, err := Accept(offer, parse(t, plain(answer)))
	if err != nil {
		t.Fatal(err)
	}
	if c.DTMF.PT != 97 || c.RxDTMF != 101 || c.RxAudio != 8 || !c.Mux || c.Remote == nil || len(c.Remote.MKI) != 1 || c.Local.Key[0] != 'k' {
		t.Errorf("%+v", c)
	}
	for what, bad := range map[string]string{
		"wrong tag":       strings.Replace(answer, "crypto:1", "crypto:2", 1),
		"no key":          strings.Split(answer, "\r\na=crypto")[0],
		"refused":         strings.Replace(answer, "50000", "0", 1),
		"another codec":   strings.Replace(answer, "SAVP 8 13 97", "SAVP 0", 1),
		"plain RTP":       "m=audio 50000 RTP/AVP 8",
		"tag, other name": strings.Replace(answer, srtp.AES80, srtp.AES32, 1),
	} {
		if _, err := Accept(offer, parse(t, plain(bad))); code(err) != 488 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestMultipart(t *testing.T) {
	sdp := plain("m=audio 4000 RTP/AVP 8")
	mixed := "--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <x>\r\n\r\n<presence/>\r\n--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp + "\r\n--b--\r\n"
	nested := "--c\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" + mixed + "\r\n--c--\r\n"
	for _, test := range []struct {
		name, contentType, body string
		port                    uint16
		code                    int
	}{
		{"plain", "application/sdp", sdp, 4000, 0},
		{"capitals and parameter", "Application/SDP; charset=utf-8", sdp, 4000, 0},
		{"emergency call", "multipart/mixed;boundary=b", mixed, 4000, 0},
		{"quoted boundary", `multipart/mixed; boundary="b"`, mixed, 4000, 0},
		{"nested", "multipart/mixed;boundary=c", nested, 4000, 0},
		{"no content type", "", sdp, 4000, 0},
		{"empty", "application/sdp", "", 0, 0},
		{"multipart without", "multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n", 0, 0},
		{"no boundary", "multipart/mixed", mixed, 0, 400},
		{"cut off", "multipart/mixed;boundary=b", mixed[:60], 0, 400},
		{"something else", "application/isup", "x", 0, 415},
		{"not SDP", "application/sdp", "hello", 0, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := ParseBody(test.contentType, []byte(test.body))
			if code(err) != test.code || (err != nil) != (test.code != 0) {
				t.Fatalf("error %v", err)
			}
			if test.port != 0 && (s == nil || s.Audio.Port != test.port) || test.port == 0 && s != nil {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestOddDescriptionsThatMustNotCostACall(t *testing.T) {
	for name, text := range map[string]string{
		"bare line feeds":        strings.ReplaceAll(plain("m=audio 4000 RTP/AVP 8"), "\r\n", "\n"),
		"huge session id":        strings.Replace(plain("m=audio 4000 RTP/AVP 8"), "pbx 1 1", "pbx 123456789012345678901234567890 1", 1),
		"odd bandwidth":          strings.Replace(plain("m=audio 4000 RTP/AVP 8"), "t=0 0", "b=X-YZ:128\r\nt=0 0", 1),
		"odd address of a page":  strings.Replace(plain("m=audio 4000 RTP/AVP 8"), "t=0 0", "u=::::\r\nt=0 0", 1),
		"no time":                strings.Replace(plain("m=audio 4000 RTP/AVP 8"), "t=0 0\r\n", "", 1),
		"blank line at the end":  plain("m=audio 4000 RTP/AVP 8") + "\r\n",
		"fax beside":             plain("m=audio 4000 RTP/AVP 8\r\nm=image 4002 UDPTL t38"),
		"address of stream only": strings.Replace(plain("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 10.0.0.9"), "c=IN IP4 10.0.0.9\r\nt", "t", 1),
		"lower case names":       plain("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 pcma/8000"),
	} {
		if _, _, err := Answer(parse(t, text), local(pbxProfile())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBrokenDescriptions(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"text":            "hello",
		"another version": "v=1\r\n",
		"port":            plain("m=audio 70000 RTP/AVP 8"),
		"short m=":        plain("m=audio 4000"),
		"no address":      strings.Replace(plain("m=audio 4000 RTP/AVP 8"), "c=IN IP4 10.0.0.9\r\n", "", 1),
	} {
		if _, err := Parse([]byte(text)); code(err) != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkParseAnswer(b *testing.B) {
	b.ReportAllocs()
	l := local(teamsProfile())
	for b.Loop() {
		s, err := Parse([]byte(teamsOffer))
		if err != nil {
			b.Fatal(err)
		}
		a, _, err := Answer(s, l)
		if err != nil {
			b.Fatal(err)
		}
		_ = a.Marshal()
	}
}

// Each stream has its own lines, however many there are, and of two lines for a format the last one counts.
func TestLongDescriptionsAreReadSectionBySection(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a=x-spare:1\r\n", n) }
	for _, n := range []int{0, usualLines / 2, usualLines, 3 * usualLines} {
		text := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + long(n) +
			"m=audio 0 RTP/AVP 8\r\na=ptime:40\r\n" + long(n) +
			"m=audio 5004 RTP/AVP 8 101\r\na=rtpmap:101 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n" + long(n) + "a=fmtp:101 0-11\r\na=fmtp:101 0-16\r\na=sendonly\r\n" +
			"m=audio 5006 RTP/AVP 0\r\na=inactive\r\n"
		s, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		a := s.Audio
		if a.Port != 5004 || a.Ptime != 0 || a.Direction != SendOnly || len(a.Codecs) != 2 || a.Codecs[0].Name != PCMA ||
			a.Codecs[1] != (Codec{PT: 101, Name: TelephoneEvent, Rate: 8000, Channels: 1, Fmtp: "0-16"}) {
			t.Errorf("%d lines more: %+v", n, a)
		}
		if first, last := s.Streams[0].audio, s.Streams[2].audio; first.Ptime != 40 || last.Direction != Inactive {
			t.Errorf("%d lines more: %+v, %+v", n, first, last)
		}
	}
}
