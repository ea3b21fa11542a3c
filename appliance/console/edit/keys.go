package edit

import (
	"fmt"
	"time"
	"unicode/utf8"

	"viaduct/appliance/pasted"
)

// Read gives x/term the keys that it may see. Between the terminal and x/term stand these rules:
//
//   - Characters go in as bracketed pastes of our own making: x/term then neither cuts the line at 4096 bytes nor calls back for
//     them. The limit is pasted.MaxLine; bytes beyond it are counted and reported.
//   - `?` and Tab go in as keys only where nothing followed at once when they came, outside a paste and not after Ctrl-V: they then
//     reach the editor's callback, which asks sbcd what may stand there.
//   - Ctrl-C, Ctrl-Z and Ctrl-D would end x/term's reading: they become an Enter with a mark.
//   - CR, LF and CRLF are one Enter, also when CR and LF come in two reads.
//   - Escape sequences that x/term does not know, or that are torn (256 bytes of them would make it spin), are left out.
//   - Bytes that are no text make the line bad; the session says so instead of running it.
//
// A Read never goes beyond the end of a line, so what follows an Enter is still in the keyboard's buffer when x/term
// returns the line.
func (k *Keyboard) Read(p []byte) (int, error) {
	for len(k.out) == 0 {
		if !k.Wait(0, k.Idle) {
			if err := k.Ended(); err != nil {
				return 0, err
			}
			return 0, ErrIdle
		}
		k.translate()
	}
	n := copy(p, k.out)
	k.out = k.out[:copy(k.out, k.out[n:])]
	return n, nil
}

// chunk is how many bytes of text go to x/term at once, with their marks less than its buffer of 256.
const chunk = 200

// translate takes the next key or run of text from the buffer and puts what x/term shall see into out.
func (k *Keyboard) translate() {
	k.lock.Lock()
	b := k.buf
	n := len(b)
	c := b[0]
	paused := k.pausedAfter(1)
	text := textLen(b, k.pausedAfter)
	k.lock.Unlock() // the reader only appends: b stays valid while we look at it

	take := 1
	switch {
	case c == '\r' || c == '\n':
		k.skipLF = c == '\r'
		k.enter(Entered)
	case c == 0x1b && !k.verbatim:
		take = k.escape(b)
	case c == '?' || c == '\t':
		if k.paste || k.verbatim || k.secret || !paused && (n > 1 || k.Wait(1, helpPause)) {
			k.insert(b[:1])
		} else {
			k.out = append(k.out, c)
		}
	case c < ' ' || c == 0x7f:
		k.control(c)
	default:
		take = text
		if take == 0 { // a torn character: its rest is on the way, or it is none
			if n < utf8.UTFMax && k.Wait(n, escapePause) {
				return
			}
			k.spoil(c)
			take = 1
			break
		}
		k.insert(b[:take])
	}
	k.lock.Lock()
	k.advance(take)
	k.lock.Unlock()
}

// textLen is the length of the text at the head of b, without a `?` or Tab at its very end or before a pause.
func textLen(b []byte, paused func(int) bool) int {
	n := 0
	for n < len(b) && n < chunk {
		c := b[n]
		if c < ' ' && c != '\t' || c == 0x7f {
			break
		}
		if (c == '?' || c == '\t') && (n == len(b)-1 || paused(n+1)) {
			break
		}
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// insert puts characters into the line.
func (k *Keyboard) insert(b []byte) {
	k.verbatim = false
	if room := pasted.MaxLine - k.line.size; len(b) > room {
		k.line.long += len(b) - room
		b = b[:room]
		for len(b) > 0 && !utf8.Valid(b) {
			b = b[:len(b)-1]
		}
	}
	if len(b) == 0 {
		return
	}
	if k.line.size == 0 {
		k.line.began = time.Now()
	}
	k.line.size += len(b)
	k.out = append(k.out, pasteOn...)
	for _, c := range b {
		if c == '\t' {
			c = ' '
		}
		k.out = append(k.out, c)
	}
	k.out = append(k.out, pasteOff...)
}

// control handles a control character that is no Enter.
func (k *Keyboard) control(c byte) {
	switch c {
	case 0: // noise of a serial line that is being plugged in
	case ctrl('C'):
		k.show("^C")
		k.enter(Abandoned)
	case ctrl('Z'):
		k.show("^Z")
		k.enter(ToTop)
	case ctrl('D'):
		if k.secret {
			k.enter(Abandoned)
			break
		}
		k.out = append(k.out, keyD) // the editor's callback knows whether the line is empty
	case ctrl('V'):
		k.verbatim = true
	case ctrl('A'), ctrl('B'), ctrl('E'), ctrl('F'), ctrl('H'), ctrl('K'), ctrl('L'), ctrl('N'), ctrl('P'), ctrl('T'), ctrl('U'), ctrl('W'), 0x7f:
		if c == ctrl('U') {
			k.line.size, k.line.long, k.line.bad = 0, 0, ""
		}
		k.out = append(k.out, c)
	default:
		k.spoil(c)
	}
}

// keyD stands for Ctrl-D on its way through x/term, which would take the real one for the end of all input.
const keyD = 0x1e

// show appends a sign to the line that is about to be abandoned.
func (k *Keyboard) show(sign string) {
	if !k.secret {
		k.out = append(k.out, ctrl('E'))
		k.out = append(k.out, pasteOn+sign+pasteOff...)
	}
}

func (k *Keyboard) enter(m Mark) {
	k.line.mark = m
	k.out = append(k.out, '\r')
}

func (k *Keyboard) spoil(c byte) {
	if k.line.bad == "" {
		k.line.bad = fmt.Sprintf("byte 0x%02x at column %d is not text", c, k.line.size+1)
	}
}

// escape handles an escape sequence and returns its length.
func (k *Keyboard) escape(b []byte) int {
	b, n := k.sequence(b)
	switch key, _ := escapeKey(b); key {
	case pasteOn, pasteOff:
		k.paste = key == pasteOn
	default:
		if !k.secret {
			k.out = append(k.out, key...)
		}
	}
	return n
}

// sequence waits for the whole of the escape sequence that begins b, and returns what has come and how long the sequence is.
func (k *Keyboard) sequence(b []byte) ([]byte, int) {
	for {
		if _, n := escapeKey(b); n > 0 {
			return b, n
		}
		if len(b) >= longestEscape || !k.Wait(len(b), escapePause) {
			return b, 1
		}
		k.lock.Lock()
		b = k.buf
		k.lock.Unlock()
	}
}

const longestEscape = 32

// escapeKey is what x/term shall see for the sequence at the head of b, and the sequence's length; 0 when it is torn.
func escapeKey(b []byte) (string, int) {
	if len(b) < 2 {
		return "", 0
	}
	switch b[1] {
	case 'b':
		return wordLeft, 2
	case 'f':
		return wordRight, 2
	case '[', 'O':
	default:
		return "", 1 // Escape alone, or Alt with a key: the key itself is kept
	}
	for i := 2; i < len(b) && i < longestEscape; i++ {
		if c := b[i]; c >= '@' && c <= '~' {
			return keyNames[string(b[2:i+1])], i + 1
		} else if c < ' ' {
			return "", i
		}
	}
	if len(b) >= longestEscape {
		return "", longestEscape
	}
	return "", 0
}

const (
	wordLeft  = "\x1b[1;3D"
	wordRight = "\x1b[1;3C"
)

// keyNames maps what terminals send, after ESC [ or ESC O, to what x/term knows.
var keyNames = map[string]string{
	"A": "\x1b[A", "B": "\x1b[B", "C": "\x1b[C", "D": "\x1b[D", "H": "\x1b[H", "F": "\x1b[F",
	"1~": "\x1b[H", "7~": "\x1b[H", "4~": "\x1b[F", "8~": "\x1b[F", "3~": "\x1b[3~",
	"1;3C": wordRight, "1;5C": wordRight, "1;3D": wordLeft, "1;5D": wordLeft,
	"200~": pasteOn, "201~": pasteOff,
}

// Line says how a line came in.
type Line struct {
	Mark Mark
	Bad  string // why it is no text; "" when it is
	Fast bool   // faster than fingers: a pasted line
}

// lineEnd returns and resets the state of the line.
func (k *Keyboard) lineEnd() Line {
	s := Line{Mark: k.line.mark, Bad: k.line.bad}
	s.Fast = time.Since(k.line.began) < time.Duration(k.line.size)*10*time.Millisecond
	if k.line.long > 0 {
		s.Bad = fmt.Sprintf("the line has %d bytes, the limit is %d", k.line.size+k.line.long, pasted.MaxLine)
	}
	k.line = unfinished{began: k.line.began}
	k.verbatim = false
	return s
}
