package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/status"
)

// forBaresip is what a baresip in the place of Teams is not: it does not resolve the name in our Contact, and it sends TCP not from its
// own address but from the one next to the box.
var forBaresip = []string{
	"spoofed contact-header manual sbc.meinefirma.de", "spoofed contact-header manual " + lab.BoxWAN.String(),
	"    trust remote\n    trust 52.112.0.0/14\n", "    trust remote\n    trust 52.112.0.0/14\n    trust " + lab.GatewayAddr.String() + "/32\n",
}

// phone is a baresip that answers every call and is told what to do over a TCP connection. It plays a tone; to hear what comes, it is
// told to say that again, and what it says is recorded. (It can record what it hears, too, but only until the first re-INVITE.)
type phone struct {
	*setting
	*lab.Process
	dir     string
	control net.Conn
	said    *bufio.Reader
}

// teamsPhone is the Teams side: TLS and mandatory SRTP.
func (s *setting) teamsPhone(hz int) *phone {
	s.Helper()
	teams := s.world.PKI.Teams
	key, err := lab.KeyPEM(teams.PrivateKey)
	if err != nil {
		s.Fatal(err)
	}
	s.file("cert.pem", string(key)+string(lab.CertificatePEM(teams.Certificate...))) // baresip wants both in one file
	at := hubs[0].addr
	p := s.phone(s.world.WAN, at, hz, "<sip:+497123222@sip.pstnhub.microsoft.com;transport=tls>;regint=0;answermode=auto;audio_codecs=pcma;mediaenc=srtp-mand",
		fmt.Sprintf("sip_certificate %s/cert.pem\nrtcp_mux yes", s.dir))
	s.listens(p.Process, "tcp", netip.AddrPortFrom(at, 5061)) // its TLS port is the one after sip_listen
	return p
}

// pbxPhone is the PBX: one phone that is called by a number and calls from it.
func (s *setting) pbxPhone(hz int) *phone {
	s.Helper()
	p := s.phone(s.world.LAN, lab.StarfaceAddr, hz, "<sip:+4930123456@"+lab.StarfaceAddr.String()+">;regint=0;answermode=auto;audio_codecs=pcma", "")
	s.listens(p.Process, "udp", netip.AddrPortFrom(lab.StarfaceAddr, 5060))
	return p
}

func (s *setting) phone(where *lab.Namespace, at netip.Addr, hz int, account, lines string) *phone {
	s.Helper()
	p := &phone{setting: s, dir: filepath.Join(s.dir, where.Name)}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		s.Fatal(err)
	}
	s.file(where.Name+"/tone.wav", lab.WAV(hz, -10, limit))
	s.file(where.Name+"/accounts", account+"\n")
	s.file(where.Name+"/config", fmt.Sprintf(`
poll_method epoll
sip_listen %[2]s:5060
%[3]s
audio_player aubridge,ear
audio_alert aubridge,none
audio_source aufile,%[1]s/tone.wav
ausrc_srate 8000
auplay_srate 8000
rtp_ports 50000-50100
ctrl_tcp_listen %[2]s:4444
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module srtp.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
snd_path %[1]s
`, p.dir, at, lines))
	p.Process = s.start(where, s.command("baresip", "-f", p.dir, "-t", strconv.Itoa(int(limit.Seconds()))))
	control := netip.AddrPortFrom(at, 4444)
	s.listens(p.Process, "tcp", control)
	var err error
	if p.control, err = where.Dial(s.ctx, "tcp4", "", control.String()); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { p.control.Close() })
	p.said = bufio.NewReader(p.control)
	return p
}

// does gives the phone a command and waits for its answer. Each is a netstring of JSON; events come in between.
func (p *phone) does(command, parameters string) {
	p.Helper()
	text, err := json.Marshal(map[string]string{"command": command, "params": parameters})
	if err != nil {
		p.Fatal(err)
	}
	if deadline, ok := p.ctx.Deadline(); ok {
		p.control.SetDeadline(deadline)
	}
	if _, err := fmt.Fprintf(p.control, "%d:%s,", len(text), text); err != nil {
		p.Fatalf("%s: %v", command, err)
	}
	for {
		var answer struct {
			Response, OK bool
			Data         string
		}
		length, err := p.said.ReadString(':')
		if err != nil {
			p.Fatalf("%s: %v", command, err)
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
		if err != nil {
			p.Fatalf("%s: %v", command, err)
		}
		text := make([]byte, n+1) // and a comma
		if _, err := io.ReadFull(p.said, text); err != nil {
			p.Fatalf("%s: %v", command, err)
		}
		if err := json.Unmarshal(text[:n], &answer); err != nil {
			p.Fatalf("%s: %v: %s", command, err, text)
		}
		if answer.Response {
			if !answer.OK {
				p.Fatalf("%s: %s", command, answer.Data)
			}
			return
		}
	}
}

// second is one of a recording, in octets.
const second = 2 * 8000

// listen makes the phone say what it hears from now on. Its source and its player are two ends of one bridge, which breaks when either
// is changed, a re-INVITE included: the source is connected last.
func (p *phone) listen() {
	p.Helper()
	p.play()
	p.does("auplay", "aubridge,ear")
	p.does("ausrc", "aubridge,ear")
}

func (p *phone) play() {
	p.Helper()
	p.does("ausrc", "aufile,"+filepath.Join(p.dir, "tone.wav"))
}

// spoken is what the phone has said until now, heard what it has heard.
func (p *phone) spoken() []byte { p.Helper(); return p.recorded("enc") }
func (p *phone) heard() []byte  { p.Helper(); return p.recorded("dec") }

func (p *phone) recorded(direction string) []byte {
	p.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "dump-*-"+direction+".wav"))
	if err != nil {
		p.Fatal(err)
	}
	if len(files) == 0 {
		return nil
	}
	text, err := os.ReadFile(slices.Max(files)) // of the last call: their names begin with the time
	if err != nil {
		p.Fatal(err)
	}
	const header = 44
	return text[min(header, len(text)) : len(text)&^1]
}

// tone waits until a recording ends with half a second of a tone.
func (s *setting) tone(recorded func() []byte, hz float64) {
	s.Helper()
	s.ends(recorded, second/2, fmt.Sprintf("%.0f Hz at -10 dBm0", hz), func(heard lab.Tone) bool {
		return math.Abs(heard.Hz-hz) < 5 && math.Abs(heard.DBm0+10) < 1.5
	})
}

// ends waits until a recording has grown by a length that sounds as it should.
func (s *setting) ends(recorded func() []byte, length int, want string, is func(lab.Tone) bool) {
	s.Helper()
	began := len(recorded())
	var heard lab.Tone
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("wanted %s, heard %v at last", want, heard)
		}
	})
	s.until(want, func() bool {
		sound := recorded()
		began = min(began, len(sound)) // the recording of the next call has begun
		if len(sound) < began+length {
			return false
		}
		var ok bool
		if heard, ok = lab.MeasurePCM(sound[len(sound)-length:]); !ok {
			heard.DBm0 = math.Inf(-1)
		}
		return is(heard)
	})
}

func (p *phone) hears(hz float64) {
	p.Helper()
	p.listen()
	p.tone(p.ear(), hz)
	p.play()
}

// silence waits until nothing has been heard for a second.
func (p *phone) silence() {
	p.Helper()
	p.listen()
	p.ends(p.ear(), second, "silence", func(heard lab.Tone) bool { return heard.DBm0 < -60 })
	p.play()
}

// ear is what has been heard since listen. A re-INVITE that comes only now breaks the bridge: then it is made anew.
func (p *phone) ear() func() []byte {
	size, grew := 0, time.Now()
	return func() []byte {
		p.Helper()
		sound := p.spoken()
		switch {
		case len(sound) > size:
			size, grew = len(sound), time.Now()
		case time.Since(grew) > 300*time.Millisecond:
			p.listen()
			grew = time.Now()
		}
		return sound
	}
}

// is waits until the box's call is in a state.
func (s *setting) is(state string) {
	s.Helper()
	s.until("call is "+state, func() bool {
		text, err := s.box.Exec(s.ctx, "show calls")
		return err == nil && strings.Contains(text, state)
	})
}

// record waits for the call's record and checks what must hold for every call that went well. So many packets may be lost, but of a side that
// throws away packets of its own that are late, as Twinkle does: how many that are is up to the machine.
func (s *setting) record(lost int64, late ...status.Party) status.Record {
	s.Helper()
	records, err := s.box.WaitRecords(s.ctx, 1)
	if err != nil {
		s.Fatal(err)
	}
	r := records[0]
	if r.Code != 200 || len(r.Media) != 2 {
		s.Fatalf("record: %+v", r)
	}
	for n, m := range r.Media {
		if m.Received < 20 || m.Sent < 20 || m.Lost > lost && !slices.Contains(late, m.Side) {
			s.Errorf("media of side %d: %+v", n, m)
		}
	}
	if err := s.box.WaitAlloc(s.ctx, "sip-sessions", 0); err != nil {
		s.Error(err)
	}
	return r
}

// Both sides are baresip, and each holds and resumes. Each hears the other's tone before and after, and nothing meanwhile, although
// the other goes on playing.
func TestBaresipHoldsAndResumes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		teamsCalls bool
	}{{"Teams calls", true}, {"PBX calls", false}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := set(t, forBaresip...)
			teams, pbx := s.teamsPhone(440), s.pbxPhone(1000)
			caller, callee := pbx, teams
			if test.teamsCalls {
				caller, callee = teams, pbx
				caller.does("dial", fmt.Sprintf("sip:+4930123456@%s:5062", lab.BoxWAN))
			} else {
				caller.does("dial", "sip:user.01@"+lab.BoxLAN.String())
			}
			s.is("connected")
			teams.hears(1000)
			pbx.hears(440)
			for _, holder := range []*phone{caller, callee} {
				holder.does("hold", "")
				s.is("held")
				teams.silence()
				pbx.silence()
				holder.does("resume", "")
				s.is("connected")
				teams.hears(1000)
				pbx.hears(440)
			}
			callee.does("hangup", "")
			if r := s.record(2); r.By != "callee" {
				t.Errorf("record: %+v", r)
			}
		})
	}
}

// The PBX echoes, so what baresip records has passed the box twice: encrypted to plain and plain to encrypted.
func TestBaresipOverTLSAndSRTPCallsSIPp(t *testing.T) {
	t.Parallel()
	s := set(t, forBaresip...)
	pbx := s.sipp(s.world.LAN, lab.StarfaceAddr.String(), "pbx-answers", "-mp", "16000", "-rtp_echo")
	teams := s.teamsPhone(440)
	teams.does("dial", fmt.Sprintf("sip:+4930123456@%s:5062", lab.BoxWAN))
	s.is("connected")
	teams.tone(teams.heard, 440)
	teams.does("hangup", "")
	if err := pbx.Wait(); err != nil {
		t.Errorf("sipp: %v", err)
	}
	r := s.record(2)
	if r.By != "caller" || r.Media[0].Suite != "AES_CM_128_HMAC_SHA1_80" || r.Media[1].Suite != "" {
		t.Errorf("record: %+v", r)
	}
}

// After three quarters of 2^10 packets the box offers baresip a new key, and goes on reading what comes under the old one of baresip,
// which is answered again. (What the box sends is for the tests of package media to read: baresip keeps the first key that it was given.)
func TestKeyIsRenewedDuringACallWithBaresip(t *testing.T) {
	t.Parallel()
	s := set(t, slices.Concat(forBaresip, []string{"srtp key-lifetime 31", "srtp key-lifetime 10"})...)
	teams, pbx := s.teamsPhone(440), s.pbxPhone(1000)
	teams.does("dial", fmt.Sprintf("sip:+4930123456@%s:5062", lab.BoxWAN))
	s.until("new key", func() bool {
		text, err := s.box.Exec(s.ctx, "show log")
		return err == nil && strings.Contains(text, "srtp key renewed")
	})
	pbx.hears(440)
	teams.does("hangup", "")
	s.record(2)
}

func TestSIPpCallsBaresipOverTLSAndSRTP(t *testing.T) {
	t.Parallel()
	s := set(t, forBaresip...)
	s.file("tone.alaw", string(lab.ALaw(1000, -10, limit)))
	teams := s.teamsPhone(440)
	pbx := s.sipp(s.world.LAN, lab.StarfaceAddr.String(), "pbx-calls", lab.BoxLAN.String()+":5060")
	s.is("connected")
	teams.hears(1000)
	if err := pbx.Wait(); err != nil {
		t.Errorf("sipp: %v", err)
	}
	r := s.record(2)
	if r.By != "caller" || r.Media[0].Suite != "" || r.Media[1].Suite != "AES_CM_128_HMAC_SHA1_80" {
		t.Errorf("record: %+v", r)
	}
	if r.Attempts[0].Called != "+497123222" || r.Attempts[0].Interface != "if_sip_microsoft-directrouting-primary" {
		t.Errorf("routed to %+v", r.Attempts[0])
	}
}
