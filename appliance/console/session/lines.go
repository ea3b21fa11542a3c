package session

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/edit"
)

// input is one line as it came in.
type input struct {
	text string
	n    int    // line number, from 1
	bad  string // why it is not run; "" for a line of text
}

// readLines cuts r into lines, whatever ends them (CR, LF, CRLF), and gives them to each until that returns false or r
// ends; a last line without an end counts. They come in batches of what is there, so that memory stays bounded: of a line
// that is too long only its length is kept.
func readLines(r io.Reader, each func([]input) bool) error {
	in := bufio.NewReaderSize(r, wire.MaxLine)
	var line []byte
	var lines []input
	n, long, size := 0, 0, 0
	cut := func() {
		n++
		l := input{n: n, text: string(line)}
		switch {
		case long > 0:
			l.text, l.bad = "", fmt.Sprintf("the line has %d bytes, the limit is %d", len(line)+long, wire.MaxLine)
		default:
			l.bad = edit.NotText(l.text)
		}
		lines, size = append(lines, l), size+len(l.text)
		line, long = line[:0], 0
	}
	skipLF := false
	for {
		if _, err := in.Peek(1); err != nil {
			if len(line)+long > 0 {
				cut()
			}
			if len(lines) > 0 {
				each(lines)
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
		b, _ := in.Peek(in.Buffered())
		if skipLF && b[0] == '\n' {
			in.Discard(1)
			skipLF = false
			continue
		}
		skipLF = false
		i := bytes.IndexAny(b, "\r\n")
		part := b
		if i >= 0 {
			part = b[:i]
		}
		if room := wire.MaxLine - len(line); len(part) > room {
			long += len(part) - room
			part = part[:room]
		}
		line = append(line, part...)
		if i < 0 {
			in.Discard(len(b))
			continue
		}
		skipLF = b[i] == '\r'
		in.Discard(i + 1)
		cut()
		if in.Buffered() == 0 || len(lines) >= batchLines || size >= batchBytes {
			if !each(lines) {
				return nil
			}
			lines, size = nil, 0
		}
	}
}
