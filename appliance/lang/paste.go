package lang

import (
	"encoding/binary"
	"io"
	"slices"

	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
)

// The report at the end of a paste: problems that it has caused, without those that were known before.

// Paste describes a finished paste.
type Paste struct {
	Known   []byte // result of Known before the paste
	Refused int    // rejected lines
	Notes   int    // sum of Result.Notes
	Rows    int    // limit for the report; 0: any number
}

// mostKnown limits the result of Known. Problems beyond it count as new.
const mostKnown = 100_000

// problemHash is the length of a problem in the result of Known.
const problemHash = 8

// Known encodes the problems of the running configuration for EndPaste. Alarms are not among them: a peer that stops answering during a paste is
// none of its problems.
func (l *Language) Known(box device.Box) []byte {
	var known []byte
	for _, p := range l.Problems(box) {
		if len(known) < mostKnown*problemHash {
			known = binary.BigEndian.AppendUint64(known, p.Hash())
		}
	}
	return known
}

// EndPaste reports the problems that a paste has caused, and one line with the counts. failed: there are errors.
func (l *Language) EndPaste(box device.Box, p Paste, out io.Writer) (failed bool) {
	problems := l.Problems(box)
	all := slices.Concat(problems, check.OfAlarms(box.Alarms()))
	known := map[uint64]bool{}
	for b := p.Known; len(b) >= problemHash; b = b[problemHash:] {
		known[binary.BigEndian.Uint64(b)] = true
	}
	fresh := slices.DeleteFunc(problems, func(x check.Problem) bool { return known[x.Hash()] })
	return answer.Page{Out: out}.PasteEnd(check.Merge(fresh), check.Merge(all), p.Refused, p.Notes, p.Rows)
}
