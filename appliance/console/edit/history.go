package edit

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Histories keeps the lines that each account has typed. Sessions of one account share them; they are written when a session ends.
type Histories struct {
	dir  string // "": kept for as long as consoled runs
	lock sync.Mutex
	of   map[string]*History
}

// NewHistories keeps histories in a folder; "": for as long as the program runs.
func NewHistories(dir string) *Histories { return &Histories{dir: dir} }

// Of is the history of an account.
func (h *Histories) Of(user string) *History {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.of == nil {
		h.of = make(map[string]*History)
	}
	one := h.of[user]
	if one == nil {
		one = &History{}
		if h.dir != "" {
			one.file = filepath.Join(h.dir, "of-"+url.PathEscape(user))
			one.load()
		}
		h.of[user] = one
	}
	return one
}

// History is the last lines of an account. It serves x/term, which reads it under its own rules; the session adds.
type History struct {
	file  string // "": nowhere
	lock  sync.Mutex
	lines []string // oldest first
	fresh bool     // there are lines that the file does not have
}

const (
	historyLines = 200
	historyLine  = 1024 // bytes of a line that is worth keeping
)

func (h *History) load() {
	text, err := os.ReadFile(h.file)
	if err != nil {
		return // there is none yet
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line != "" && NotText(line) == "" && len(line) <= historyLine {
			h.lines = append(h.lines, line)
		}
	}
	h.lines = h.lines[max(0, len(h.lines)-historyLines):]
}

// Save writes the file when there is something new; losing it is worth no more than an error.
func (h *History) Save() error {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.file == "" || !h.fresh {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(h.file+".new", []byte(strings.Join(h.lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	h.fresh = false
	return os.Rename(h.file+".new", h.file)
}

// holdsSecret reports whether a line may hold a secret: a word for one, which may be cut short as any word of a line, or a
// URL with a password.
func holdsSecret(line string) bool {
	if _, url, found := strings.Cut(line, "://"); found && strings.Contains(url, "@") {
		return true
	}
	for i, word := range strings.Fields(strings.ToLower(line)) {
		for _, secret := range []string{"password", "pass-phrase"} {
			if strings.Contains(word, secret) || i > 0 && strings.HasPrefix(secret, word) {
				return true
			}
		}
	}
	return false
}

// Remember adds a typed line, except empty ones, repetitions, and lines that hold a secret.
func (h *History) Remember(line string) {
	line = strings.TrimSpace(line)
	if line == "" || len(line) > historyLine || NotText(line) != "" || holdsSecret(line) {
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
	h.lines, h.fresh = append(h.lines, line), true
}

// Add is x/term's; it is called for blocks and answers, too, so the session calls remember instead.
func (h *History) Add(string) {}

// Len is x/term's.
func (h *History) Len() int {
	h.lock.Lock()
	defer h.lock.Unlock()
	return len(h.lines)
}

// At is x/term's: 0 is the newest. Another session may have added a line since Len, never removed the last.
func (h *History) At(i int) string {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.lines[len(h.lines)-1-i]
}
