package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// narrator prints what happens, as it happens. At the console it is silent, except towards the
// terminal that asked for a call.
type narrator struct {
	start time.Time

	mu     sync.Mutex // protects the following
	out    io.Writer  // nil: silent
	colour bool
}

func newNarrator(out io.Writer, colour bool) *narrator {
	return &narrator{start: time.Now(), out: out, colour: colour}
}

// switchTo sends what follows to another place; nil: nowhere.
func (n *narrator) switchTo(out io.Writer, colour bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out, n.colour = out, colour
}

const (
	plain = ""
	bold  = "1"
	green = "32"
	red   = "31"
	faint = "2"
)

// paint is called with mu held.
func (n *narrator) paint(colour, text string) string {
	if !n.colour || colour == plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (n *narrator) line(colour, who, what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.out == nil {
		return
	}
	at := n.paint(faint, fmt.Sprintf("%6.2f s", time.Since(n.start).Seconds()))
	for line := range strings.Lines(what) {
		fmt.Fprintf(n.out, "%s  %-9s %s\n", at, who, n.paint(colour, strings.TrimRight(line, "\r\n")))
	}
}

// tell is for what a peer or the box does.
func (n *narrator) tell(who, what string) { n.line(plain, who, what) }

// title begins a part.
func (n *narrator) title(format string, args ...any) { n.line(bold, "", fmt.Sprintf(format, args...)) }

// held is for what was asked for and holds.
func (n *narrator) held(format string, args ...any) {
	n.line(green, "ok", fmt.Sprintf(format, args...))
}

func (n *narrator) failed(err error) { n.line(red, "FAILED", err.Error()) }
