package interop

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/call"
	"viaduct/appliance/lab"
)

var programs struct{ sbcd, consoled string }

func TestMain(m *testing.M) {
	lab.Enter()
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		panic(err)
	}
	programs.sbcd, programs.consoled = filepath.Join(dir, "sbcd"), filepath.Join(dir, "consoled")
	out, err := exec.Command("go", "build", "-o", dir, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput()
	if err != nil {
		fmt.Printf("build the box: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// setting is a box between a SIPp in the place of the PBX and a baresip in the place of a Teams hub.
type setting struct {
	*testing.T
	ctx   context.Context
	world *lab.World
	box   *lab.Box
	dir   string

	seconds int // that a call may take at most
}

// set makes the networks and the box, with the reference configuration but for what these peers are not: a SIPp scenario is no
// registrar, and baresip neither answers OPTIONS as Teams does, nor resolves the name in our Contact, nor sends TCP from its own
// address but from the one next to the box.
func set(t *testing.T) *setting { return setWith(t, 20, "srtp key-lifetime 31") }

// setWith is set for calls of so many seconds, with a line in place of the profile's `srtp key-lifetime`.
func setWith(t *testing.T, seconds int, lifetime string) *setting {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds+10)*time.Second)
	t.Cleanup(cancel)
	dir, state := t.TempDir(), t.TempDir() // before the world, so that they outlive it
	w, err := lab.New(ctx, lab.Options{NoTeams: true, NoStarface: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &setting{T: t, ctx: ctx, world: w, dir: dir, seconds: seconds}
	for _, hub := range []string{"sip", "sip2", "sip3"} {
		w.DNS.Set(hub+".pstnhub.microsoft.com", lab.WANPeerAddr)
	}
	if s.box, err = w.StartBox(ctx, lab.Programs{SBCD: programs.sbcd, Consoled: programs.consoled, State: state, Log: t.Output()}); err != nil {
		t.Fatal(err)
	}
	paste, err := w.Paste(lab.Setup{Configuration: strings.NewReplacer(
		"register auto", "register none",
		"srtp key-lifetime 31", lifetime,
		"    penalty-box sip-option-trigger interval 60 timeout 60 force tls\n", "",
		"spoofed contact-header manual sbc.meinefirma.de", "spoofed contact-header manual "+lab.BoxWAN.String(),
		"    trust remote\n    trust 52.112.0.0/14\n", "    trust remote\n    trust 52.112.0.0/14\n    trust "+lab.GatewayAddr.String()+"/32\n",
	).Replace(lab.Configuration)})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.box.Paste(ctx, paste); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.until("gateways up", func() bool {
		text, err := s.box.Exec(ctx, "show context sip-gateway")
		return err == nil && strings.Contains(text, "192.168.1.1:5060") && strings.Contains(text, "123.123.123.123:5062")
	})
	s.until("names resolve", func() bool {
		text, err := s.box.Exec(ctx, "nslookup "+lab.StarfaceName)
		return err == nil && strings.Contains(text, lab.StarfaceAddr.String())
	})
	s.certificate()
	return s
}

func (s *setting) until(what string, f func() bool) {
	s.Helper()
	for !f() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.ctx.Done():
			s.Fatalf("%s: never", what)
		}
	}
}

func (s *setting) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

// certificate writes Teams' certificate with its key for baresip, which wants both in one file.
func (s *setting) certificate() {
	s.Helper()
	teams := s.world.PKI.Teams
	key, err := lab.KeyPEM(teams.PrivateKey)
	if err != nil {
		s.Fatal(err)
	}
	s.file("cert.pem", string(key)+string(lab.CertificatePEM(teams.Certificate...)))
}

// baresip starts the Teams side (its TLS port is the one after sip_listen): TLS, SRTP mandatory, playing a tone and recording what it hears. Command is run at start.
func (s *setting) baresip(hz int, command string) *lab.Process {
	s.Helper()
	s.file("tone.wav", lab.WAV(hz, -10, time.Duration(s.seconds+10)*time.Second))
	s.file("accounts", "<sip:+497123222@sip.pstnhub.microsoft.com;transport=tls>;regint=0;answermode=auto;audio_codecs=pcma;mediaenc=srtp-mand\n")
	s.file("config", fmt.Sprintf(`
poll_method epoll
sip_listen %[2]s:5060
sip_certificate %[1]s/cert.pem
audio_player aubridge,null
audio_alert aubridge,null
audio_source aufile,%[1]s/tone.wav
ausrc_srate 8000
auplay_srate 8000
rtcp_mux yes
rtp_ports 50000-50100
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module srtp.so
module sndfile.so
module_tmp account.so
module_app menu.so
snd_path %[1]s
`, s.dir, lab.WANPeerAddr))
	args := []string{"-f", s.dir, "-t", strconv.Itoa(s.seconds)}
	if command != "" {
		args = append(args, "-e", command)
	}
	return s.start(s.world.WAN, exec.Command("baresip", args...))
}

func (s *setting) sipp(args ...string) *lab.Process {
	s.Helper()
	s.file("tone.alaw", string(lab.ALaw(1000, -10, time.Duration(s.seconds+10)*time.Second)))
	cmd := exec.Command("sipp", append(args, "-i", lab.StarfaceAddr.String(), "-p", "5060", "-mi", lab.StarfaceAddr.String(),
		"-m", "1", "-nostdin", "-timeout", strconv.Itoa(s.seconds)+"s", "-timeout_error")...)
	return s.start(s.world.LAN, cmd)
}

func (s *setting) start(where *lab.Namespace, cmd *exec.Cmd) *lab.Process {
	s.Helper()
	log, err := os.Create(filepath.Join(s.dir, filepath.Base(cmd.Path)+".log"))
	if err != nil {
		s.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	p, err := where.Start(cmd)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		p.Stop(3 * time.Second)
		log.Close()
		if s.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.Logf("%s:\n%s", cmd.Path, text)
		}
	})
	return p
}

// scenario is the absolute path of a SIPp scenario.
func scenario(t *setting, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// heard measures what baresip recorded of the far side, once it has written its file.
func (s *setting) heard() lab.Tone {
	s.Helper()
	voice := s.recording()
	return s.measure(voice[second/2 : second*3/2]) // the second second: the first has the set-up in it
}

// heardLast measures the last second but for the end of the call.
func (s *setting) heardLast() lab.Tone {
	s.Helper()
	voice := s.recording()
	return s.measure(voice[len(voice)-second*3/2 : len(voice)-second/2])
}

// second is one of baresip's recording, in octets.
const second = 2 * 8000

func (s *setting) recording() []byte {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "dump-*-dec.wav"))
	if err != nil || len(files) != 1 {
		s.Fatalf("recordings: %v (%v)", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		s.Fatal(err)
	}
	const header = 44
	if len(text) < header+2*second {
		s.Fatalf("the recording holds %d octets: not two seconds of voice", len(text))
	}
	return text[header : len(text)&^1]
}

func (s *setting) measure(voice []byte) lab.Tone {
	s.Helper()
	tone, ok := lab.MeasurePCM(voice)
	if !ok {
		s.Fatal("the recording holds no tone")
	}
	return tone
}

func (s *setting) wants(what string, got lab.Tone, hz float64) {
	s.Helper()
	if math.Abs(got.Hz-hz) > 5 || math.Abs(got.DBm0+10) > 1.5 {
		s.Errorf("%s: %v, want %.0f Hz at -10 dBm0", what, got, hz)
	}
}

// record waits for the call's record and checks what must hold for every call that went well.
func (s *setting) record() call.Record {
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
		if m.Received < 100 || m.Sent < 100 || m.Lost > 2 {
			s.Errorf("media of side %d: %+v", n, m)
		}
	}
	if err := s.box.WaitAlloc(s.ctx, "sip-sessions", 0); err != nil {
		s.Error(err)
	}
	return r
}

// The PBX echoes, so what baresip records has passed the box twice: encrypted to plain and plain to encrypted.
func TestBaresipOverTLSAndSRTPCallsSIPp(t *testing.T) {
	s := set(t)
	pbx := s.sipp("-sf", scenario(s, "pbx-answers.xml"), "-mp", "16000", "-rtp_echo")
	phone := s.baresip(440, fmt.Sprintf("d sip:+4930123456@%s:5062", lab.BoxWAN))
	s.until("connected", func() bool {
		text, err := s.box.Exec(s.ctx, "show calls")
		return err == nil && strings.Contains(text, "connected")
	})
	time.Sleep(4 * time.Second) // voice
	if err := phone.Stop(5 * time.Second); err != nil {
		t.Logf("baresip: %v", err)
	}
	if err := pbx.Wait(); err != nil {
		t.Errorf("sipp: %v", err)
	}
	s.wants("baresip heard", s.heard(), 440)
	r := s.record()
	if r.By != "caller" || r.Media[0].Suite != "AES_CM_128_HMAC_SHA1_80" || r.Media[1].Suite != "" {
		t.Errorf("record: %+v", r)
	}
}

// After three quarters of 2^10 packets the box offers baresip a new key; the voice goes on in both directions.
func TestKeyIsRenewedDuringACallWithBaresip(t *testing.T) {
	s := setWith(t, 35, "srtp key-lifetime 10")
	pbx := s.sipp("-sf", scenario(s, "pbx-answers.xml"), "-mp", "16000", "-rtp_echo")
	phone := s.baresip(440, fmt.Sprintf("d sip:+4930123456@%s:5062", lab.BoxWAN))
	s.until("new key", func() bool {
		text, err := s.box.Exec(s.ctx, "show log")
		return err == nil && strings.Contains(text, "srtp key renewed")
	})
	time.Sleep(4 * time.Second) // voice under the new key
	if err := phone.Stop(5 * time.Second); err != nil {
		t.Logf("baresip: %v", err)
	}
	if err := pbx.Wait(); err != nil {
		t.Errorf("sipp: %v", err)
	}
	s.wants("baresip heard", s.heardLast(), 440)
	s.record()
}

func TestSIPpCallsBaresipOverTLSAndSRTP(t *testing.T) {
	s := set(t)
	phone := s.baresip(440, "")
	s.until("baresip listens", func() bool {
		c, err := s.world.WAN.Dial(s.ctx, "tcp", "", lab.WANPeerAddr.String()+":5061")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	pbx := s.sipp("-sf", scenario(s, "pbx-calls.xml"), lab.BoxLAN.String()+":5060")
	if err := pbx.Wait(); err != nil {
		t.Errorf("sipp: %v", err)
	}
	r := s.record()
	if r.By != "caller" || r.Media[0].Suite != "" || r.Media[1].Suite != "AES_CM_128_HMAC_SHA1_80" {
		t.Errorf("record: %+v", r)
	}
	if r.Attempts[0].Called != "+497123222" || r.Attempts[0].Interface != "if_sip_microsoft-directrouting-primary" {
		t.Errorf("routed to %+v", r.Attempts[0])
	}
	phone.Stop(5 * time.Second)
	s.wants("baresip heard", s.heard(), 1000)
}
