package bus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable"
)

// What a hub may send at most.
const (
	lineMax   = 32 << 10                     // octets of a line: INFO is the longest
	headerMax = 4 << 10                      // octets of the header of a message
	totalMax  = fleet.MaxMessage + headerMax // octets of a message with its header
)

// hubInfo is what of INFO matters. Other nodes that it names are not asked: who is asked is configured.
type hubInfo struct {
	Nonce      string `json:"nonce"`
	MaxPayload int    `json:"max_payload"`
	Headers    bool   `json:"headers"`
}

// hello is CONNECT.
type hello struct {
	Verbose      bool   `json:"verbose"`
	Pedantic     bool   `json:"pedantic"`
	NKey         string `json:"nkey"`
	Signature    string `json:"sig"`
	Name         string `json:"name"`
	Lang         string `json:"lang"`
	Version      string `json:"version"`
	Protocol     int    `json:"protocol"`
	Headers      bool   `json:"headers"`
	NoResponders bool   `json:"no_responders"` // an answer with 503 when nobody listens
}

// op is something that the hub says.
type op struct {
	verb         string // MSG for HMSG, too
	text         string // INFO, -ERR
	subscription uint64
	subject      string
	reply        string
	status       string // in the header: "503"; "": none
	data         []byte // until the next op
}

// reader reads what a hub says.
type reader struct {
	lines *bufio.Reader
	body  []byte
}

func newReader(r io.Reader) *reader { return &reader{lines: bufio.NewReaderSize(r, lineMax)} }

// errGarbled is what a hub would not say.
var errGarbled = errors.New("it does not speak NATS")

func garbled(what string) error { return fmt.Errorf("%w: %s", errGarbled, what) }

// next reads an op.
func (r *reader) next() (o op, err error) {
	line, err := r.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return o, garbled("a line of more than 32 KiB")
	}
	if err != nil {
		return o, err
	}
	line = bytes.TrimRight(line, "\r\n")
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	switch o.verb = strings.ToUpper(string(verb)); o.verb {
	case "PING", "PONG", "+OK":
		return o, nil
	case "INFO":
		o.text = string(rest)
		return o, nil
	case "-ERR":
		o.text = printable.Text(strings.Trim(string(bytes.TrimSpace(rest)), "'"))
		return o, nil
	case "MSG", "HMSG":
		return o, r.message(&o, string(rest))
	}
	return o, garbled("it says " + strconv.Quote(printable.Short(string(verb), 20)))
}

// message reads one: SUBJECT SUBSCRIPTION [REPLY] [HEADER'S SIZE] SIZE.
func (r *reader) message(o *op, line string) error {
	headed := o.verb == "HMSG"
	o.verb = "MSG"
	words, sizes := strings.Fields(line), 1
	if headed {
		sizes = 2
	}
	if n := len(words) - sizes; n != 2 && n != 3 {
		return garbled("a message without what belongs to it")
	}
	o.subject = words[0]
	if len(words)-sizes == 3 {
		o.reply = words[2]
	}
	subscription, err := strconv.ParseUint(words[1], 10, 64)
	size, err2 := strconv.ParseUint(words[len(words)-1], 10, 32)
	header, err3 := uint64(0), error(nil)
	if headed {
		header, err3 = strconv.ParseUint(words[len(words)-2], 10, 32)
	}
	if err != nil || err2 != nil || err3 != nil || header > size {
		return garbled("a message with wrong figures")
	}
	if size > totalMax || size-header > fleet.MaxMessage {
		return garbled(fmt.Sprintf("a message of %d octets, where %d are the most", size, fleet.MaxMessage))
	}
	o.subscription = subscription
	if uint64(cap(r.body)) < size+2 {
		r.body = make([]byte, size+2)
	}
	body := r.body[:size+2]
	if _, err := io.ReadFull(r.lines, body); err != nil {
		return err
	}
	if string(body[size:]) != "\r\n" {
		return garbled("a message without its end")
	}
	if headed {
		o.status = statusIn(body[:header])
	}
	o.data = body[header:size]
	return nil
}

// statusIn is the status in the first line of a header: NATS/1.0 [STATUS [TEXT]].
func statusIn(header []byte) string {
	line, _, _ := bytes.Cut(header, []byte("\r\n"))
	words := bytes.Fields(line)
	if len(words) < 2 || string(words[0]) != "NATS/1.0" {
		return ""
	}
	return printable.Short(string(words[1]), 3)
}

// parseInfo reads INFO.
func parseInfo(text string) (i hubInfo, err error) {
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return i, garbled("an INFO that is none")
	}
	return i, nil
}

// denied finds what an error denies: "" when it is none of that kind.
func denied(text string) (what, subject string) {
	for _, what := range []string{"Subscription to ", "Publish to "} {
		rest, ok := cutPrefixFold(text, "Permissions Violation for "+what)
		if !ok {
			continue
		}
		if _, rest, ok = strings.Cut(rest, `"`); ok {
			subject, _, _ = strings.Cut(rest, `"`)
		}
		return what, subject
	}
	return "", ""
}

// refuses tells the errors with which a hub does not take a key, or takes it no longer.
func refuses(text string) bool {
	for _, start := range []string{"Authorization Violation", "User Authentication Expired", "User Authentication Revoked", "Account Authentication Expired"} {
		if _, ok := cutPrefixFold(text, start); ok {
			return true
		}
	}
	return false
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// fits tells whether a subject is one of those that a pattern with * and > stands for.
func fits(pattern, subject string) bool {
	for {
		p, patterns, more := strings.Cut(pattern, ".")
		s, subjects, mores := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return s != ""
		case s == "", p != "*" && p != s:
			return false
		case !more || !mores:
			return more == mores
		}
		pattern, subject = patterns, subjects
	}
}

// checkSubject keeps what would be another line of the protocol out of it.
func checkSubject(subject string) error {
	if subject == "" || len(subject) > 1024 || strings.ContainsFunc(subject, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return fmt.Errorf("%q is no subject", printable.Text(subject))
	}
	return nil
}
