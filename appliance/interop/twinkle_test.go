package interop

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/appliance/lab"
	"viaduct/appliance/status"
)

// twinkle is a phone of the PBX, with a SIP stack and an RTP stack of its own. It reads commands from its standard input. Its sound
// card is two files: a pipe into which the test writes a tone, as fast as one sounds, and a recording.
type twinkle struct {
	*setting
	*lab.Process
	input io.Writer
	heard string
}

// twinkle starts one that holds as RFC 3264 says ("rfc3264", a=sendonly) or as its predecessor did ("rfc2543", c=0.0.0.0).
func (s *setting) twinkle(hz int, hold string) *twinkle {
	s.Helper()
	return s.twinkleAt(s.world.LAN, hz, fmt.Sprintf("user_name=+4930123456\nuser_domain=%s\nregister_at_startup=no\nhold_variant=%s\n", lab.StarfaceAddr, hold))
}

// twinkleAt starts one whose user profile has these lines.
func (s *setting) twinkleAt(where *lab.Namespace, hz int, lines string) *twinkle {
	s.Helper()
	p := &twinkle{setting: s, heard: filepath.Join(s.dir, "heard.raw")}
	home, mouth := filepath.Join(s.dir, "home"), filepath.Join(s.dir, "mouth")
	if err := os.MkdirAll(filepath.Join(home, ".twinkle"), 0o700); err != nil {
		s.Fatal(err)
	}
	s.file("home/.asoundrc", fmt.Sprintf("pcm.ear { type file slave.pcm null file %q format raw }\n"+
		"pcm.mouth { type file slave.pcm null file /dev/null infile %q format raw }\n", p.heard, mouth))
	s.file("home/.twinkle/twinkle.sys", "dev_ringtone=alsa:null\ndev_speaker=alsa:ear\ndev_mic=alsa:mouth\nvalidate_audio_dev=no\n"+
		"play_ringtone=no\nplay_ringback=no\nsip_port=5060\nrtp_port=12000\n")
	s.file("home/.twinkle/pbx.cfg", lines+"codecs=g711a\nspeex_dsp_vad=no\nspeex_dsp_agc=no\nspeex_dsp_aec=no\nspeex_dsp_nrd=no\n")
	s.speak(mouth, hz)
	cmd := s.command("twinkle-console", "pbx.cfg")
	cmd.Env = append(os.Environ(), "HOME="+home)
	var err error
	if p.input, err = cmd.StdinPipe(); err != nil {
		s.Fatal(err)
	}
	p.Process = s.start(where, cmd)
	s.listens(p.Process, "udp", netip.AddrPortFrom(netip.IPv4Unspecified(), 5060))
	return p
}

// speak makes a pipe and writes a tone into it until the test ends.
func (s *setting) speak(path string, hz int) {
	s.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		s.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil { // little waits while nobody listens
		s.Fatal(err)
	}
	if err := unix.SetNonblock(int(pipe.Fd()), true); err != nil { // Fd has undone it
		s.Fatal(err)
	}
	const frame = second / 50
	sound := lab.WAV(hz, -10, time.Second)
	sound = sound[len(sound)-second:]
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for at := 0; ; at = (at + frame) % second {
			if _, err := io.WriteString(pipe, sound[at:at+frame]); err != nil {
				return
			}
			<-tick.C
		}
	}()
	s.Cleanup(func() {
		pipe.Close()
		<-ended
	})
}

func (p *twinkle) does(command string) {
	p.Helper()
	if _, err := io.WriteString(p.input, command+"\n"); err != nil {
		p.Fatalf("%s: %v", command, err)
	}
}

func (p *twinkle) recorded() []byte {
	p.Helper()
	text, err := os.ReadFile(p.heard)
	if err != nil && !os.IsNotExist(err) {
		p.Fatal(err)
	}
	return text[:len(text)&^1]
}

// A PBX of Twinkle and a Teams of baresip hold and resume in turns.
func TestTwinkle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, hold string
		teamsCalls bool
	}{
		{"calls and holds with a=sendonly", "rfc3264", false},
		{"is called and holds with c=0.0.0.0", "rfc2543", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := set(t, forBaresip...)
			teams, pbx := s.teamsPhone(440), s.twinkle(1000, test.hold)
			if test.teamsCalls {
				teams.does("dial", fmt.Sprintf("sip:+4930123456@%s:5062", lab.BoxWAN))
				s.is("ringing")
				pbx.does("answer")
			} else {
				pbx.does("call sip:user.01@" + lab.BoxLAN.String())
			}
			s.is("connected")
			both := func() {
				t.Helper()
				teams.hears(1000)
				s.tone(pbx.recorded, 440)
			}
			both()
			pbx.does("hold")
			s.is("held")
			teams.silence()
			pbx.does("retrieve")
			s.is("connected")
			both()
			teams.does("hold", "")
			s.is("held")
			teams.silence()
			teams.does("resume", "")
			s.is("connected")
			both()
			pbx.does("bye")
			side := status.ByCaller
			if test.teamsCalls {
				side = status.ByCallee
			}
			if r := s.record(100, side); (r.By == "callee") != test.teamsCalls {
				t.Errorf("record: %+v", r)
			}
		})
	}
}
