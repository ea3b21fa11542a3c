package lang

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/capture"
	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// wire is a box at whose ports the same packet passes again and again.
type wire struct {
	busyBox
	asked *capture.Options
	sent  *bytes.Buffer
	many  int
}

const arp = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x02\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02"

func (b wire) Capture(ctx context.Context, _, _ int, o capture.Options, each func(capture.Frame) error) (r capture.Result, err error) {
	*b.asked = o
	for r.Taken < b.many && ctx.Err() == nil {
		r.Taken++
		if err := each(capture.Frame{Time: noon, Data: []byte(arp), Length: len(arp)}); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (wire) Ports() []status.Port { return []status.Port{{Slot: 0, Port: 0}, {Slot: 0, Port: 1}} }

func (b wire) Send(_ context.Context, _ string, text []byte) error {
	b.sent.Write(text)
	return nil
}

func TestCapture(t *testing.T) {
	l := New()
	super := Session{Class: config.Superuser, Mode: []string{"enable"}, TTY: "ssh 192.0.2.7:50122"}
	admin := super
	admin.Class = config.Administrator
	for _, x := range []struct {
		name, line string
		s          Session
		file       bool // the line's output is a file
		many       int
		want       string // at the terminal
		sent       int    // octets in the file
		err        string
	}{
		{name: "at a terminal", line: "capture port ethernet 0 1", s: super, many: 2, want: "12:00:00.000000 in  ARP: 10.0.0.1 asks for 10.0.0.2\n12:00:00.000000 in  ARP: 10.0.0.1 asks for 10.0.0.2\n2 packets\n"},
		{name: "so many packets", line: "capture port ethernet 0 1 packets 1", s: super, many: 9, want: "12:00:00.000000 in  ARP: 10.0.0.1 asks for 10.0.0.2\n1 packet\n"},
		{name: "more than a terminal shows", line: "capture port ethernet 0 1", s: super, many: 500, want: "500 packets, and 300 more that came too fast to be shown\n"},
		{name: "to a file over SSH", line: "capture port ethernet 0 1 packets 3", s: super, file: true, many: 9, sent: 3},
		{name: "to a URL", line: "capture port ethernet 0 1 packets 2 to https://192.0.2.9/x.pcapng", s: super, many: 9, want: "Capturing for 30 seconds; Ctrl-C ends it and sends what has come\n2 packets sent to https://192.0.2.9/x.pcapng\n", sent: 2},
		{name: "to a name", line: "capture port ethernet 0 1 to x.pcapng", s: super, err: "https://HOST/PATH, not to x.pcapng"},
		{name: "of a port that is not there", line: "capture port ethernet 0 7", s: super, err: "no port ethernet 0 7"},
		{name: "for administrators", line: "capture port ethernet 0 1", s: admin, err: "only a superuser"},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := wire{busyBox{newBox()}, &capture.Options{}, &bytes.Buffer{}, x.many}
			var out bytes.Buffer
			s := x.s
			if x.file {
				s.Into = b.sent
			}
			_, err := l.Exec(t.Context(), b, &s, x.line, nil, &out)
			if x.err != "" {
				if err == nil || !strings.Contains(err.Error(), x.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || !strings.HasSuffix(out.String(), x.want) {
				t.Errorf("%q, %v", out.String(), err)
			}
			if n := strings.Count(b.sent.String(), arp); n != x.sent {
				t.Errorf("%d packets in the file, want %d", n, x.sent)
			}
			if b.asked.Except.String() != "192.0.2.7:50122" {
				t.Errorf("the session itself is not left out: %v", b.asked.Except)
			}
		})
	}
}

// voiceBox notes what debug capture asks for.
type voiceBox struct {
	busyBox
	asked *[]string
}

func (b voiceBox) CaptureVoice(of string) time.Time {
	*b.asked = append(*b.asked, of)
	return noon
}
func (b voiceBox) ForgetVoice() { *b.asked = append(*b.asked, "forget") }

// What people say is for superusers.
func TestDebugCaptureIsForSuperusers(t *testing.T) {
	l := New()
	for class, want := range map[config.AccountClass]string{config.Administrator: "", config.Superuser: "30123 forget"} {
		b := voiceBox{busyBox{newBox()}, new([]string)}
		for _, line := range []string{"debug capture 30123", "debug capture 1", "no debug capture"} {
			_, err := l.Exec(t.Context(), b, &Session{Class: class, Mode: []string{"enable"}}, line, nil, &bytes.Buffer{})
			if ok := class == config.Superuser && line != "debug capture 1"; (err == nil) != ok {
				t.Errorf("%v: %s: %v", class, line, err)
			}
		}
		if got := strings.Join(*b.asked, " "); got != want {
			t.Errorf("%v: asked for %q", class, got)
		}
	}
}
