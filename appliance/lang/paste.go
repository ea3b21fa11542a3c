package lang

import (
	"encoding/binary"
	"io"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
)

// What is said at the end of a paste: what it has brought, and not what was known before.

// Paste is what a console knows of a paste that is over.
type Paste struct {
	Known   []byte // what Known returned before it began
	Refused int    // how many of its lines were refused
	Notes   int    // how many were said at its lines: Notes of their results
	Rows    int    // that the answer may have; 0: any number
}

// mostKnown bounds what Known returns; problems beyond it count as new.
const mostKnown = 100_000

// problemHash is the length of what Known keeps of a problem.
const problemHash = 8

// Known notes the problems of a configuration for EndPaste. The form is EndPaste's own.
func (l *Language) Known(cfg *config.Config, env check.Env) []byte {
	var known []byte
	for _, p := range l.findings(cfg, env) {
		if len(known) < mostKnown*problemHash {
			known = binary.BigEndian.AppendUint64(known, p.Hash())
		}
	}
	return known
}

// EndPaste writes which problems a paste has brought, and one line that counts everything. failed: there are errors.
func (l *Language) EndPaste(cfg *config.Config, env check.Env, p Paste, out io.Writer) (failed bool) {
	found := l.findings(cfg, env)
	known := map[uint64]bool{}
	for b := p.Known; len(b) >= problemHash; b = b[problemHash:] {
		known[binary.BigEndian.Uint64(b)] = true
	}
	fresh := slices.DeleteFunc(slices.Clone(found), func(x check.Problem) bool { return known[x.Hash()] })
	return answer.Page{Out: out}.PasteEnd(check.Merge(fresh), check.Merge(found), p.Refused, p.Notes, p.Rows)
}
