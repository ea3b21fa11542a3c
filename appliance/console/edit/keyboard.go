package edit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"viaduct/appliance/pasted"
)

// Keyboard is the input of a terminal. A reader goroutine takes bytes off the line at once, even while the session is busy: without flow
// control, a serial line loses them after the 4096 that the kernel keeps. The session reads them as lines (a paste) or, through x/term,
// as keys.
type Keyboard struct {
	Idle time.Duration // input ends after this time without a key; 0: never

	lock      sync.Mutex
	buf       []byte
	came      int       // bytes that have come into buf in all
	last      time.Time // when the last of them came
	alone     bool      // it came by itself, as a key does
	pauses    []int     // byte counts at which a key was followed by a pause of helpPause, as far as the next byte is in buf
	err       error     // why no more comes
	news      chan struct{}
	room      chan struct{}
	interrupt func() // Ctrl-C while a command runs

	// The rest is the session's.
	out      []byte // translated keys that did not fit into the last Read
	paste    bool   // between the marks of a bracketed paste
	skipLF   bool   // a CR was read: an LF that follows belongs to it
	verbatim bool   // Ctrl-V: the next character is text
	secret   bool   // a password is being read
	line     unfinished
}

// unfinished is the line that x/term is editing.
type unfinished struct {
	size  int    // bytes so far
	long  int    // bytes beyond the limit
	bad   string // why it is no text
	began time.Time
	mark  Mark
}

// Mark is how a line ended, other than by Enter.
type Mark int

const (
	Entered Mark = iota
	Abandoned
	ToTop // Ctrl-Z
	AtEnd // Ctrl-D on an empty line
)

// ErrIdle is the end of the input after Keyboard.Idle.
var ErrIdle = errors.New("idle for too long")

// keyboardRoom is how many bytes wait for the session; more than a minute and a half of a serial line.
const keyboardRoom = 1 << 20

// helpPause is how long a `?` or a Tab waits for the next byte: in a paste it comes a tenth of a millisecond later, and no typist is so
// fast.
const helpPause = 25 * time.Millisecond

// escapePause is how long an escape sequence may be torn.
const escapePause = 100 * time.Millisecond

func newKeyboard() *Keyboard {
	return &Keyboard{news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Pump reads until the terminal ends; it is the reader goroutine. The end of the context ends the session's waiting, too,
// even while a read is blocked.
func (k *Keyboard) Pump(ctx context.Context, r io.Reader) {
	defer context.AfterFunc(ctx, func() { k.put(ctx, nil, ctx.Err()) })()
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		if !k.put(ctx, b[:n], err) {
			return
		}
	}
}

func (k *Keyboard) put(ctx context.Context, b []byte, err error) bool {
	for {
		k.lock.Lock()
		if i := bytes.LastIndexByte(b, ctrl('C')); i >= 0 && k.interrupt != nil {
			k.interrupt()
			k.buf, k.pauses, b = k.buf[:0], nil, b[i+1:] // what the user typed ahead was meant for the interrupted command
		}
		if err != nil && k.err == nil {
			k.err = err
		}
		if len(k.buf)+len(b) <= keyboardRoom || len(k.buf) == 0 {
			k.arrived(b)
			k.lock.Unlock()
			poke(k.news)
			return err == nil
		}
		k.lock.Unlock()
		select {
		case <-k.room:
		case <-ctx.Done():
			return false
		}
	}
}

// arrived appends what came. The lock is held.
func (k *Keyboard) arrived(b []byte) {
	if len(b) == 0 {
		return
	}
	now := time.Now()
	if len(k.buf) > 0 && k.alone && now.Sub(k.last) >= helpPause { // a piece of a paste may be late, too
		k.pauses = append(k.pauses, k.came)
	}
	k.buf = append(k.buf, b...)
	k.came, k.last, k.alone = k.came+len(b), now, len(b) == 1
}

// pausedAfter reports whether the last of the first n bytes of buf came alone and was followed by a pause of helpPause: the time of
// arrival tells keys typed ahead from a paste, not the time of reading. The lock is held.
func (k *Keyboard) pausedAfter(n int) bool {
	_, found := slices.BinarySearch(k.pauses, k.came-len(k.buf)+n)
	return found
}

// asks reports whether a line holds a `?` or a Tab that was typed as a key. The lock is held.
func (k *Keyboard) asks(at int, line []byte) bool {
	if len(k.pauses) == 0 || k.paste {
		return false
	}
	for i, c := range line {
		if (c == '?' || c == '\t') && k.pausedAfter(at+i+1) {
			return true
		}
	}
	return false
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// OnInterrupt sets what Ctrl-C does while a command runs; nil makes it a key again. A Ctrl-C that came right behind the Enter of the command
// is one already: it must not lie unread until the command ends.
func (k *Keyboard) OnInterrupt(f func()) {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.interrupt = f
	if f == nil {
		return
	}
	k.dropLF()
	if len(k.buf) > 0 && k.buf[0] == ctrl('C') {
		k.advance(1)
		f()
	}
}

// Wait returns when more than have bytes are there; false when d has passed (0 is for ever) or nothing more comes.
func (k *Keyboard) Wait(have int, d time.Duration) bool {
	var late <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	for {
		k.lock.Lock()
		if have == 0 {
			k.dropLF()
		}
		n, err := len(k.buf), k.err
		k.lock.Unlock()
		switch {
		case n > have:
			return true
		case err != nil:
			return false
		}
		select {
		case <-k.news:
		case <-late:
			return false
		}
	}
}

// Ended is why no more input comes, nil while it does.
func (k *Keyboard) Ended() error {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.err
}

// dropLF drops the second half of a CRLF, which is nothing to wake up for. The lock is held.
func (k *Keyboard) dropLF() {
	if k.skipLF && len(k.buf) > 0 {
		if k.skipLF = false; k.buf[0] == '\n' {
			k.advance(1)
		}
	}
}

// advance drops n bytes that were read. The lock is held.
func (k *Keyboard) advance(n int) {
	k.buf = k.buf[n:]
	read := k.came - len(k.buf)
	for len(k.pauses) > 0 && k.pauses[0] <= read {
		k.pauses = k.pauses[1:]
	}
	poke(k.room)
}

// Lines takes complete lines of text that have already arrived, pasted or typed ahead: at most count of them, and about size bytes.
// Lines that hold keys (control characters, escape sequences, a call for help) are left to the editor.
func (k *Keyboard) Lines(count, size int) []string {
	k.lock.Lock()
	defer k.lock.Unlock()
	if k.line.size > 0 || k.line.long > 0 || k.line.bad != "" || len(k.out) > 0 || k.verbatim {
		return nil
	}
	var lines []string
	total, at := 0, 0
	for len(lines) < count && total < size {
		rest := k.buf[at:]
		if k.skipLF && len(rest) > 0 {
			if k.skipLF = false; rest[0] == '\n' {
				rest, at = rest[1:], at+1
			}
		}
		for {
			if on := bytes.HasPrefix(rest, []byte(pasteOn)); on || bytes.HasPrefix(rest, []byte(pasteOff)) {
				k.paste = on
				rest, at = rest[len(pasteOn):], at+len(pasteOn)
				continue
			}
			break
		}
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 || i > pasted.MaxLine || holdsKeys(rest[:i]) || k.asks(at, rest[:i]) {
			break
		}
		lines = append(lines, string(bytes.ReplaceAll(rest[:i], []byte{'\t'}, []byte{' '})))
		k.skipLF = rest[i] == '\r'
		total, at = total+i, at+i+1
	}
	k.advance(at)
	return lines
}

const (
	pasteOn  = "\x1b[200~"
	pasteOff = "\x1b[201~"
)

// holdsKeys reports whether a line holds anything but text.
func holdsKeys(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return NotText(string(b)) != ""
}

// Keys that are more than a character, as terminals send them behind ESC [ or ESC O.
const (
	keyUp       = "A"
	keyDown     = "B"
	keyRight    = "C"
	keyLeft     = "D"
	keyHome     = "H"
	keyEnd      = "F"
	keyPageUp   = "5~"
	keyPageDown = "6~"
)

// Key waits for one key of a question: a character, or the name of one that sends a sequence behind an escape. It is empty
// when nothing more comes.
func (k *Keyboard) Key() string {
	if !k.Wait(0, k.Idle) {
		return ""
	}
	k.lock.Lock()
	b := k.buf
	k.lock.Unlock() // the reader only appends: b stays valid while we look at it
	key, n := string(b[:1]), 1
	switch {
	case b[0] == 0x1b:
		b, n = k.sequence(b)
		if key = string(b[:n]); n > 2 {
			key = key[2:]
		}
		switch key {
		case "1~", "7~":
			key = keyHome
		case "4~", "8~":
			key = keyEnd
		}
	case b[0] >= utf8.RuneSelf:
		if _, size := utf8.DecodeRune(b); utf8.FullRune(b) {
			key, n = string(b[:size]), size
		}
	}
	k.lock.Lock()
	k.advance(n)
	k.skipLF = key == "\r"
	k.lock.Unlock()
	return key
}

// word reads a word behind a question and shows it as it grows; it is empty when the user gives up.
func (k *Keyboard) word(show func(string)) string {
	const longest = 60
	word := []rune{}
	for {
		show(string(word))
		switch key := k.Key(); {
		case key == "\r", key == "\n":
			return string(word)
		case key == "", key == "\x03", key == "\x04", key == "\x1a", key == "\x1b":
			return ""
		case key == "\x7f", key == "\b":
			word = word[:max(0, len(word)-1)]
		case key == "\x15":
			word = word[:0]
		case utf8.RuneCountInString(key) == 1 && key >= " " && len(word) < longest:
			word = append(word, []rune(key)...)
		}
	}
}

// typedAhead reports whether input has arrived that does not answer a question: a paste goes on, and its user is not reading yet.
func (k *Keyboard) typedAhead() bool {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.dropLF()
	return len(k.out) > 0 || bytes.ContainsAny(k.buf, "\r\n") && len(bytes.Trim(k.buf, " \r\n")) > 0
}

func ctrl(c byte) byte { return c & 0x1f }
