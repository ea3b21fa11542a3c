package answer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// The columns of a ladder: times, the caller, the box, and each leg that was called.
const (
	ladderLeft  = 11 // column of the caller
	ladderRight = ScreenWidth - 3
	labelGap    = 19 // between columns, so that a label fits
	widestGap   = 30
	leastGap    = 4
)

// Ladder draws the messages of a call, and with detail prints them.
func (pg Page) Ladder(t status.CallTrace, detail bool) {
	pg.Printf("Call %s: %s calls %s\n", t.ID, dash(t.Calling), dash(t.Called))
	var start time.Time
	if len(t.Messages) > 0 {
		start = t.Messages[0].Time
		pg.Printf("First message: %s\n", start.In(pg.Zone).Format("2006-01-02 15:04:05.000 MST"))
	}
	for n, l := range t.Legs {
		pg.Printf("  %s  %s with %s\n", status.LegName(n), dash(l.Interface), peerOf(t, n))
		if detail {
			pg.Printf("     Call-ID: %s\n", dash(l.CallID))
		}
	}
	d := ladder{columns: columnsOf(len(t.Legs)), legs: len(t.Legs)}
	pg.Printf("\n%s\n", d.head())
	again := false
	for n, m := range t.Messages {
		pg.Printf("%s\n", d.row(fmt.Sprintf("%9.3f", m.Time.Sub(start).Seconds()), m))
		again = again || m.Again
		if detail {
			pg.message(n, m)
		}
	}
	if again {
		pg.Printf("- - The same message once more\n")
	}
	for n, l := range t.Legs {
		switch {
		case !l.Kept:
			pg.Printf("%% no messages of %s are kept any more\n", status.LegName(n))
		case l.Shed > 0:
			pg.Printf("%% %s of %s %s not kept\n", plural.Of(l.Shed, "message"), status.LegName(n), plural.Is(l.Shed))
		}
	}
}

// message prints a message under its row.
func (pg Page) message(n int, m status.TraceMessage) {
	from, to := m.Remote, m.Local
	if m.Sent {
		from, to = to, from
	}
	pg.Printf("    message %d, %s to %s, %s, %s\n", n+1, from, to, m.Transport, plural.Of(m.Size, "byte"))
	if m.Again {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(m.Text, "\r\n"), "\n") {
		pg.Printf("    | %s\n", strings.TrimSuffix(line, "\r"))
	}
	if len(m.Text) < m.Size {
		pg.Printf("    and %s more, not kept\n", plural.Of(m.Size-len(m.Text), "byte"))
	}
	pg.Printf("\n")
}

// peerOf is where the messages of a leg come from and go.
func peerOf(t status.CallTrace, leg int) string {
	for _, m := range t.Messages {
		if m.Leg == leg {
			return m.Remote.String() + "/" + m.Transport
		}
	}
	return "-"
}

// ladder is the drawing of some legs.
type ladder struct {
	columns []int // the caller, the box, and the others
	legs    int
}

// columnsOf places the columns. Legs for which there is no room share the last column.
func columnsOf(legs int) []int {
	others := max(0, legs-1)
	first := min(widestGap, (ladderRight-ladderLeft)/(others+1))
	rest := first
	if first < labelGap {
		first = labelGap
		if others > 1 {
			rest = max(leastGap, (ladderRight-ladderLeft-2*first)/(others-1))
		}
	}
	list := []int{ladderLeft, ladderLeft + first}
	for x := ladderLeft + 2*first; len(list) < others+2 && x <= ladderRight; x += rest {
		list = append(list, x)
	}
	return list
}

// column is the place of a leg in the list of columns.
func (d ladder) column(leg int) int {
	if leg == 0 {
		return 0
	}
	return min(leg+1, len(d.columns)-1)
}

func (d ladder) head() string {
	line := []byte(strings.Repeat(" ", ScreenWidth))
	copy(line[d.columns[0]:], "A")
	copy(line[d.columns[1]-1:], "SBC")
	for leg := 1; leg < d.legs; leg++ {
		if d.shares(leg) {
			copy(line[d.columns[d.column(leg)]:], "..")
			break
		}
		copy(line[d.columns[d.column(leg)]:], status.LegName(leg))
	}
	return strings.TrimRight(string(line), " ")
}

// shares reports whether a leg has no column for itself.
func (d ladder) shares(leg int) bool {
	last := len(d.columns) - 1
	return d.legs > len(d.columns)-1 && leg > 0 && d.column(leg) == last
}

// row draws a message.
func (d ladder) row(at string, m status.TraceMessage) string {
	line := []byte(at + strings.Repeat(" ", ScreenWidth))[:ScreenWidth]
	for _, x := range d.columns {
		line[x] = '|'
	}
	box, leg := d.columns[1], d.columns[d.column(m.Leg)]
	low, high := min(box, leg)+1, max(box, leg) // the arrow lies between
	for x := low; x < high; x++ {
		if line[x] = '-'; m.Again && (x-low)%2 == 0 {
			line[x] = ' '
		}
	}
	left := m.Sent == (leg < box)
	if left {
		line[low] = '<'
	} else {
		line[high-1] = '>'
	}
	label := labelOf(m)
	if d.shares(m.Leg) {
		label = status.LegName(m.Leg) + ": " + label
	}
	const margin = 2
	if room := high - low - 2*margin; len(label) > room {
		label = label[:room]
	}
	copy(line[low+margin:], label)
	return strings.TrimRight(string(line), " ")
}

// labelOf names a message in ASCII.
func labelOf(m status.TraceMessage) string {
	quoted := strconv.QuoteToASCII(printable.Line(m.Label()))
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(quoted[1 : len(quoted)-1])
}
