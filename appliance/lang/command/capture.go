package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/capture"
	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/pcapng"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Limits of a capture: of the file that is sent to a URL, and of the lines at a terminal.
const (
	capturedBytes   = 16 << 20
	capturedSeconds = 30
	shownASecond    = 200
)

type captureArgs struct {
	Slot, Port       int
	Host             netip.Addr
	Packets, Seconds int
	To               string
}

func captureCommand() cli.Line {
	return withExample("capture port ethernet 0 1 host 52.114.75.24", worded(command("capture port ethernet <slot:0..0> <port:0..7> [host <host:ipv4>] [packets <packets:1..1000000>] [seconds <seconds:1..3600>] [to <to:text>]",
		"Show the packets of a port as they pass, until Ctrl-C; ssh NAME@BOX capture ... > FILE.pcapng saves them for Wireshark, and to sends them to a URL after 30 seconds; superusers only", capturePort),
		"host", "Only packets to and from this IPv4 address", "packets", "End after so many", "seconds", "End after so long", "to", "URL that the file is sent to with PUT"))
}

var errCaptured = errors.New("the capture is as large as it may get")

// capturePort is for superusers alone: packets hold voice, and the passwords of whoever logs in without encryption.
func capturePort(c *Call, a *captureArgs) error {
	switch {
	case !c.Session.May(config.Superuser):
		return errors.New("only a superuser can do this: packets contain what people say")
	case !slices.ContainsFunc(c.Box.Ports(), func(p status.Port) bool { return p.Slot == a.Slot && p.Port == a.Port }):
		return fmt.Errorf("there is no port ethernet %d %d in the configuration", a.Slot, a.Port)
	case a.To != "" && !isURL(a.To):
		return fmt.Errorf("a capture is sent to http://HOST/PATH or https://HOST/PATH, not to %s", a.To)
	}
	o := capture.Options{Host: a.Host}
	if _, peer, ok := strings.Cut(c.Session.TTY, " "); ok {
		o.Except, _ = netip.ParseAddrPort(peer) // a session on the serial line has none
	}
	if a.To != "" {
		return c.sendCapture(a, o)
	}
	ctx, cancel := limited(c.Ctx, a.Seconds)
	defer cancel()
	if c.Session.Into != nil {
		w := newCapture(c.Session.Into, a)
		_, err := c.Box.Capture(ctx, a.Slot, a.Port, o, w.frame)
		return w.end(err)
	}
	c.live()
	s := shownPackets{call: c, most: a.Packets}
	r, err := c.Box.Capture(ctx, a.Slot, a.Port, o, s.frame)
	if err != nil && !errors.Is(err, errCaptured) {
		return err
	}
	text := plural.Of(r.Taken, "packet")
	if hidden := r.Lost + s.hidden; hidden > 0 {
		text += fmt.Sprintf(", and %d more that came too fast to be shown", hidden)
	}
	c.Printf("%s\n", text)
	return nil
}

// limited ends a context after so many seconds; 0: it does not.
func limited(ctx context.Context, seconds int) (context.Context, context.CancelFunc) {
	if seconds == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
}

// sendCapture captures into memory and sends the file, also after Ctrl-C.
func (c *Call) sendCapture(a *captureArgs, o capture.Options) error {
	if a.Seconds == 0 {
		a.Seconds = capturedSeconds
	}
	c.live()
	c.Printf("Capturing for %s; Ctrl-C ends it and sends what has come\n", plural.Of(a.Seconds, "second"))
	ctx, cancel := limited(c.Ctx, a.Seconds)
	defer cancel()
	var file bytes.Buffer
	w := newCapture(&file, a)
	w.room = func() bool { return file.Len() < capturedBytes-capture.Kept }
	r, err := c.Box.Capture(ctx, a.Slot, a.Port, o, w.frame)
	if err := w.end(err); err != nil {
		return err
	}
	const patience = time.Minute
	sending, done := context.WithTimeout(context.WithoutCancel(c.Ctx), patience)
	defer done()
	if err := c.Box.Send(sending, a.To, file.Bytes()); err != nil {
		return fmt.Errorf("send to %s: %w", a.To, reason(err))
	}
	c.Printf("%s sent to %s\n", plural.Of(r.Taken, "packet"), a.To)
	return nil
}

// captureFile writes packets as a file.
type captureFile struct {
	w    *pcapng.Writer
	port int
	left int         // packets; below 0: any number
	room func() bool // nil: there always is
}

func newCapture(out interface{ Write([]byte) (int, error) }, a *captureArgs) *captureFile {
	name := fmt.Sprintf("port ethernet %d %d", a.Slot, a.Port)
	w := pcapng.New(out, "Viaduct SBC", "")
	return &captureFile{w: w, port: w.Interface(name, ""), left: a.Packets - 1}
}

func (f *captureFile) frame(x capture.Frame) error {
	f.w.Frame(pcapng.Frame{Interface: f.port, Time: x.Time, Sent: x.Sent, Data: x.Data, Length: x.Length})
	if err := f.w.Close(); err != nil {
		return err
	}
	if f.left == 0 || f.room != nil && !f.room() {
		return errCaptured
	}
	f.left--
	return nil
}

// end turns the end of a capture into what the user is told.
func (f *captureFile) end(err error) error {
	if errors.Is(err, errCaptured) {
		return nil
	}
	return err
}

// shownPackets prints packets, a few of those that come at once.
type shownPackets struct {
	call   *Call
	most   int // 0: any number
	n      int
	hidden int
	second int64
	now    int // shown in this second
}

func (s *shownPackets) frame(x capture.Frame) error {
	if at := x.Time.Unix(); at != s.second {
		s.second, s.now = at, 0
	}
	if s.now++; s.now > shownASecond {
		s.hidden++
	} else {
		way := "in "
		if x.Sent {
			way = "out"
		}
		s.call.Printf("%s %s %s\n", x.Time.In(s.call.page().Zone).Format("15:04:05.000000"), way, capture.Parse(x.Data))
	}
	if s.n++; s.n == s.most {
		return errCaptured
	}
	return nil
}
