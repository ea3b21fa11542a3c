// Package natswire reads what a server of NATS says to its client, with a bound for everything: whoever is at the other end of the line can have us keep
// no more than a message.
//
// It does not own connections, nor what is said (package fleet/bus, package pair/link). It has no goroutines.
package natswire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"viaduct/appliance/printable"
)

// What a server may say at most, besides the octets of a message.
const (
	lineMax   = 32 << 10 // octets of a line: INFO is the longest
	headerMax = 4 << 10  // octets of the header of a message
)

// Op is something that a server says.
type Op struct {
	Verb         string // MSG for HMSG, too
	Text         string // INFO, -ERR
	Subscription uint64
	Subject      string
	Reply        string
	Status       string // in the header: "503"; "": none
	Data         []byte // until the next op
}

// Reader reads what a server says. The zero value is not usable: see NewReader.
type Reader struct {
	lines *bufio.Reader
	body  []byte
	max   int
}

// NewReader makes one that takes messages of at most max octets.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{lines: bufio.NewReaderSize(r, lineMax), max: max}
}

// ErrGarbled is what no server of NATS would say.
var ErrGarbled = errors.New("it does not speak NATS")

// Garbled is that, with what it was.
func Garbled(what string) error { return fmt.Errorf("%w: %s", ErrGarbled, what) }

// Next reads an op.
func (r *Reader) Next() (o Op, err error) {
	line, err := r.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return o, Garbled("a line of more than 32 KiB")
	}
	if err != nil {
		return o, err
	}
	line = bytes.TrimRight(line, "\r\n")
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	switch o.Verb = strings.ToUpper(string(verb)); o.Verb {
	case "PING", "PONG", "+OK":
		return o, nil
	case "INFO":
		o.Text = string(rest)
		return o, nil
	case "-ERR":
		o.Text = printable.Text(strings.Trim(string(bytes.TrimSpace(rest)), "'"))
		return o, nil
	case "MSG", "HMSG":
		return o, r.message(&o, string(rest))
	}
	return o, Garbled("it says " + strconv.Quote(printable.Short(string(verb), 20)))
}

// message reads one: SUBJECT SUBSCRIPTION [REPLY] [HEADER'S SIZE] SIZE.
func (r *Reader) message(o *Op, line string) error {
	headed := o.Verb == "HMSG"
	o.Verb = "MSG"
	words, sizes := strings.Fields(line), 1
	if headed {
		sizes = 2
	}
	if n := len(words) - sizes; n != 2 && n != 3 {
		return Garbled("a message without what belongs to it")
	}
	o.Subject = words[0]
	if len(words)-sizes == 3 {
		o.Reply = words[2]
	}
	subscription, err := strconv.ParseUint(words[1], 10, 64)
	size, err2 := strconv.ParseUint(words[len(words)-1], 10, 32)
	header, err3 := uint64(0), error(nil)
	if headed {
		header, err3 = strconv.ParseUint(words[len(words)-2], 10, 32)
	}
	if err != nil || err2 != nil || err3 != nil || header > size {
		return Garbled("a message with wrong figures")
	}
	if size > uint64(r.max+headerMax) || size-header > uint64(r.max) {
		return Garbled(fmt.Sprintf("a message of %d octets, where %d are the most", size, r.max))
	}
	o.Subscription = subscription
	if uint64(cap(r.body)) < size+2 {
		r.body = make([]byte, size+2)
	}
	body := r.body[:size+2]
	if _, err := io.ReadFull(r.lines, body); err != nil {
		return err
	}
	if string(body[size:]) != "\r\n" {
		return Garbled("a message without its end")
	}
	if headed {
		o.Status = statusIn(body[:header])
	}
	o.Data = body[header:size]
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
