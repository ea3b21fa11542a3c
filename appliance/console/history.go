package console

import (
	"strings"
	"sync"
)

// histories keeps what each account typed, for as long as consoled runs. Sessions of one account share it.
type histories struct {
	lock sync.Mutex
	of   map[string]*history
}

func (h *histories) get(user string) *history {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.of == nil {
		h.of = make(map[string]*history)
	}
	one := h.of[user]
	if one == nil {
		one = &history{}
		h.of[user] = one
	}
	return one
}

// history is the last lines of an account. It serves x/term, which reads it under its own rules; the session adds.
type history struct {
	lock  sync.Mutex
	lines []string // oldest first
}

const (
	historyLines = 200
	historyLine  = 1024 // bytes of a line that is worth keeping
)

// remember adds a typed line, except empty ones, repetitions, and lines that hold a secret.
func (h *history) remember(line string) {
	line = strings.TrimSpace(line)
	if line == "" || len(line) > historyLine || strings.Contains(line, "password") || strings.Contains(line, "passphrase") {
		return
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	if n := len(h.lines); n > 0 && h.lines[n-1] == line {
		return
	}
	if len(h.lines) == historyLines {
		h.lines = append(h.lines[:0], h.lines[1:]...)
	}
	h.lines = append(h.lines, line)
}

// Add is x/term's; it is called for blocks and answers, too, so the session calls remember instead.
func (h *history) Add(string) {}

// Len is x/term's.
func (h *history) Len() int {
	h.lock.Lock()
	defer h.lock.Unlock()
	return len(h.lines)
}

// At is x/term's: 0 is the newest. Another session may have added a line since Len, never removed the last.
func (h *history) At(i int) string {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.lines[len(h.lines)-1-i]
}
