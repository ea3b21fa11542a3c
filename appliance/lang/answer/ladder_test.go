package answer

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/status"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// drawn is a call whose messages are added in the order of time.
type drawn struct {
	status.CallTrace
	at time.Time
}

func call(legs ...string) *drawn {
	d := &drawn{CallTrace: status.CallTrace{ID: "1a2b3c4d", Calling: "+4930123", Called: "+4989456"}, at: time.Date(2026, 11, 22, 12, 0, 0, 123e6, time.UTC)}
	for n, l := range legs {
		d.Legs = append(d.Legs, status.TraceLeg{Interface: l, CallID: fmt.Sprintf("%d@example", n), Kept: true})
	}
	return d
}

// add adds a message after so many milliseconds: "B> INVITE +SDP" is sent to B, "A< 180 INVITE Ringing" would be received, "!" repeats.
func (d *drawn) add(after int, what string) *drawn {
	d.at = d.at.Add(time.Duration(after) * time.Millisecond)
	head, rest, _ := strings.Cut(what, " ")
	m := status.TraceMessage{
		Time: d.at, Leg: int(head[0] - 'A'), Sent: head[1] == '>', Again: strings.HasSuffix(head, "!"), Transport: "udp",
		Local: netip.MustParseAddrPort("192.168.1.2:5060"), Remote: netip.MustParseAddrPort("192.168.1.100:5060"),
	}
	if m.Leg > 0 {
		m.Transport, m.Local, m.Remote = "tls", netip.MustParseAddrPort("[2001:db8::2]:40000"), netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("52.114.75.%d", 20+m.Leg)), 5061)
	}
	rest, m.SDP = strings.CutSuffix(rest, " +SDP")
	m.Method, rest, _ = strings.Cut(rest, " ")
	if rest != "" {
		fmt.Sscanf(rest, "%d", &m.Code)
		_, m.Reason, _ = strings.Cut(rest, " ")
	}
	m.Text = fmt.Sprintf("%s sip:x SIP/2.0\r\nCall-ID: %d@example\r\nAuthorization: Digest response=\"xxxx\"\r\n\r\n", m.Method, m.Leg)
	m.Size = len(m.Text)
	d.Messages = append(d.Messages, m)
	return d
}

func answered() *drawn {
	return call("if_pbx", "if_teams").
		add(0, "A< INVITE +SDP").add(1, "A> INVITE 100 Trying").add(3, "B> INVITE +SDP").add(20, "B< INVITE 100 Trying").
		add(700, "B< INVITE 183 Session Progress +SDP").add(1, "A> INVITE 183 Session Progress +SDP").add(4000, "B< INVITE 200 OK +SDP").add(1, "B> ACK").
		add(0, "A> INVITE 200 OK +SDP").add(500, "A>! INVITE 200 OK +SDP").add(10, "A< ACK").add(65000, "B< BYE").add(0, "B> BYE 200 OK").add(1, "A> BYE").add(2, "A< BYE 200 OK")
}

func hunted() *drawn {
	return call("if_teams", "if_pbx_1", "if_pbx_2", "if_pbx_3").
		add(0, "A< INVITE +SDP").add(1, "A> INVITE 100 Trying").add(2, "B> INVITE +SDP").add(500, "B>! INVITE +SDP").add(1000, "B>! INVITE +SDP").
		add(2500, "C> INVITE +SDP").add(5, "C< INVITE 486 Busy Here").add(0, "C> ACK").add(1, "D> INVITE +SDP").add(8, "D< INVITE 180 Ringing").add(1, "A> INVITE 180 Ringing").
		add(9000, "A< CANCEL").add(0, "A> CANCEL 200 OK").add(1, "A> INVITE 487 Request Terminated").add(1, "D> CANCEL").add(3, "D< CANCEL 200 OK").add(1, "D< INVITE 487 Request Terminated").add(0, "D> ACK").add(1, "A< ACK")
}

func many() *drawn {
	legs := []string{"if_pbx"}
	for n := range 12 {
		legs = append(legs, fmt.Sprintf("if_teams_%d", n+1))
	}
	d := call(legs...).add(0, "A< INVITE +SDP")
	for n := range 12 {
		d.add(2, fmt.Sprintf("%c> INVITE +SDP", 'B'+n)).add(30, fmt.Sprintf("%c< INVITE 503 Service Unavailable", 'B'+n)).add(0, fmt.Sprintf("%c> ACK", 'B'+n))
	}
	return d.add(1, "A> INVITE 503 Service Unavailable").add(1, "A< ACK")
}

func hostile() *drawn {
	d := call("if_pbx", "if_teams").add(0, "A< INVITE +SDP").add(1, "A> INVITE 486 Busy\x1b[2J\r\n% fix: reload").add(1, "B> Gr\u00fc\u00dfe\u202e\x07")
	d.Calling, d.Called, d.Legs[1].CallID = "\x1b]0;owned\x07", "12\r\n  host#reload", "id\nforged"
	d.Messages[0].Text = "INVITE sip:\x1b[31mx SIP/2.0\r\nSubject: \u202eevil\r\n\r\nv=0\x00\n% fix: reload\n"
	d.Messages[0].Size = 5000
	return d
}

func shed() *drawn {
	d := call("if_pbx", "if_teams", "if_teams_2").add(0, "A< INFO").add(1, "A> INFO 200 OK").add(80, "C> BYE").add(5, "C< BYE 200 OK")
	d.Legs[0].Shed, d.Legs[1].Kept, d.Legs[2].Shed = 117, false, 1
	return d
}

func TestLadders(t *testing.T) {
	for name, c := range map[string]struct {
		call   *drawn
		detail bool
	}{
		"answered": {answered(), false}, "hunted": {hunted(), false}, "many": {many(), false}, "shed": {shed(), false},
		"refused": {call("if_pbx").add(0, "A< INVITE +SDP").add(1, "A> INVITE 404 Not Found").add(1, "A< ACK"), true}, "hostile": {hostile(), true},
	} {
		var b bytes.Buffer
		Page{Out: &b, Zone: time.UTC}.Ladder(c.call.CallTrace, c.detail)
		file := filepath.Join("testdata", "ladder-"+name+".golden")
		if *update {
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", name, b.String(), want)
		}
		for line := range strings.Lines(b.String()) {
			for _, r := range strings.TrimSuffix(line, "\n") {
				if r < ' ' || r == 0x7f || r == '\u202e' {
					t.Errorf("%s shows %q", name, line)
				}
			}
		}
	}
}

// However many legs there are, no row is wider than a terminal, none has other letters than ASCII, and every leg can be told.
func TestALadderFitsTheScreen(t *testing.T) {
	for legs := 1; legs < 40; legs++ {
		d := ladder{columns: columnsOf(legs), legs: legs}
		for leg := range legs {
			for _, sent := range []bool{true, false} {
				row := d.row("    0.000", status.TraceMessage{Leg: leg, Sent: sent, Method: "INVITE", Code: 503, Reason: strings.Repeat("\u00fc", 200)})
				if len(row) > ScreenWidth || strings.ContainsFunc(row, func(r rune) bool { return r > '~' }) {
					t.Errorf("%d legs, leg %d: %q", legs, leg, row)
				}
				if d.shares(leg) && !strings.Contains(row, status.LegName(leg)+": 503") {
					t.Errorf("%d legs: the row of %s does not tell it: %q", legs, status.LegName(leg), row)
				}
			}
		}
		if head := d.head(); len(head) > ScreenWidth {
			t.Errorf("%d legs: %q", legs, head)
		}
	}
}
