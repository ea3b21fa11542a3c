package pasted

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// Decode returns text in UTF-8 without a byte order mark; was names another encoding that it had.
func Decode(text []byte) (decoded []byte, was string) {
	order := encodingOf(text)
	if order == nil {
		return bytes.TrimPrefix(text, []byte(byteOrderMark)), ""
	}
	units := make([]uint16, 0, len(text)/2)
	for ; len(text) > 1; text = text[2:] {
		units = append(units, order.Uint16(text))
	}
	out := make([]byte, 0, len(units))
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return bytes.TrimPrefix(out, []byte(byteOrderMark)), "UTF-16"
}

// encodingOf is the byte order of UTF-16, by its mark or by the zeros between the first letters; nil for anything else.
func encodingOf(text []byte) binary.ByteOrder {
	switch {
	case len(text) < 2:
		return nil
	case text[0] == 0xff && text[1] == 0xfe, text[0] != 0 && text[1] == 0:
		return binary.LittleEndian
	case text[0] == 0xfe && text[1] == 0xff, text[0] == 0 && text[1] != 0:
		return binary.BigEndian
	}
	return nil
}

// NewReader decodes a stream as Decode does a file.
func NewReader(r io.Reader) io.Reader { return &reader{in: r} }

type reader struct {
	in    io.Reader
	begun bool
	order binary.ByteOrder // nil: as it comes
	raw   []byte           // read and not decoded yet
	out   []byte           // decoded and not given yet
	high  uint16           // the first half of a pair, 0 for none
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 && r.err == nil {
		r.fill(len(p))
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

func (r *reader) fill(size int) {
	b := make([]byte, max(size, 2))
	n, err := r.in.Read(b)
	r.raw, r.err = append(r.raw, b[:n]...), err
	if !r.begun {
		// One byte that begins no text is half of a mark: the other half decides. Any other is passed on at once, for somebody may wait.
		if err == nil && (len(r.raw) == 0 || len(r.raw) == 1 && (r.raw[0] == 0 || r.raw[0] >= 0xfe)) {
			return
		}
		r.begun, r.order = true, encodingOf(r.raw)
	}
	if r.order == nil {
		r.out, r.raw = r.raw, nil
		return
	}
	for ; len(r.raw) > 1; r.raw = r.raw[2:] {
		r.unit(r.order.Uint16(r.raw))
	}
}

// unit takes one unit of UTF-16.
func (r *reader) unit(u uint16) {
	switch {
	case r.high != 0:
		r.out = utf8.AppendRune(r.out, utf16.DecodeRune(rune(r.high), rune(u)))
		r.high = 0
	case u >= 0xd800 && u < 0xdc00:
		r.high = u
	case u != 0xfeff:
		r.out = utf8.AppendRune(r.out, rune(u))
	}
}
