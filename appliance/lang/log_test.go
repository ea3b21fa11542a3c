package lang

import (
	"context"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// loggingBox has a log.
type loggingBox struct {
	busyBox
	lines []string
}

func (b loggingBox) Log(n int) []string { return b.lines[max(0, len(b.lines)-n):] }

func (b loggingBox) FollowLog(_ context.Context, each func(string) error) error {
	return each("time=2026-11-29T22:04:09.000Z level=INFO msg=\"call ended\" call=18 code=200")
}

func TestShowLog(t *testing.T) {
	lines := []string{
		"time=2026-11-29T22:04:05.100Z level=INFO msg=call call=17 if=WAN from=sip:+4930@h to=sip:+4989@h",
		"time=2026-11-29T22:04:06.200Z level=WARN msg=\"destination does not answer\" call=17 if=LAN",
		"time=2026-11-29T22:04:07.300Z level=ERROR msg=\"alarm raised\" alarm=peer-silent severity=error subject=LAN err=\"pbx.example.com of interface sip LAN gets no calls: no answer to OPTIONS\"",
		"time=2026-11-29T22:04:08.400Z level=DEBUG msg=\"call ended\" call=17 code=480",
	}
	b := loggingBox{busyBox{newBox()}, lines}
	s := &Session{Class: config.Operator}
	l := New()
	call, warn := "Nov 29 22:04:05.100 info    call  call=17  if=WAN  from=sip:+4930@h\n        to=sip:+4989@h\n", "Nov 29 22:04:06.200 warning destination does not answer  call=17  if=LAN\n"
	alarm := "Nov 29 22:04:07.300 error   alarm raised: pbx.example.com of interface sip LAN\n        gets no calls: no answer to OPTIONS  alarm=peer-silent  severity=error\n        subject=LAN\n"
	debug, next := "Nov 29 22:04:08.400 debug   call ended  call=17  code=480\n", "Nov 29 22:04:09.000 info    call ended  call=18  code=200\n"
	for line, want := range map[string]string{
		"show log":                                call + warn + alarm + debug,
		"show log 2":                              alarm + debug,
		"show log last 1":                         debug,
		"show log severity warning":               warn + alarm,
		"show log severity warning last 1":        alarm,
		"show log last 1 severity error":          alarm,
		"show log call 17 severity informational": call + warn,
		"show log call 18":                        "",
		"show log call 18 follow":                 next,
		"show log 1 follow":                       debug + next,
		"show log severity error follow":          alarm,
		"show log 2 raw":                          strings.Join(lines[2:], "\n") + "\n",
		"show log | include options":              strings.NewReplacer("\n        gets", " gets", "\n       ", " ").Replace(alarm),
		"show log raw | include level=WARN":       lines[1] + "\n",
		"show log severity informational | count": "3 lines\n",
	} {
		var out strings.Builder
		l.Exec(t.Context(), b, s, line, nil, &out)
		if out.String() != want {
			t.Errorf("%s:\n%swant\n%s", line, out.String(), want)
		}
	}
}
