package dialoginfo

import "slices"

// Table is the dialogs of an entity after the documents that have come (RFC 4235 4.3). The zero value knows nothing.
type Table struct {
	known   bool
	version uint64
	dialogs []Dialog // none that is terminated
}

// Outcome says what became of a document.
type Outcome uint8

const (
	Taken  Outcome = iota
	Stale          // a document that is newer has come before
	Missed         // a document between has not come: the sender must be asked for a full one
)

// Apply takes a document. A full one replaces everything: many servers never change its version, and requests of one subscription come in order. A
// partial one changes the dialogs that it names, if it is the next one.
func (t *Table) Apply(i Info) Outcome {
	switch {
	case i.Full:
		t.dialogs = nil
	case !t.known, i.Version > t.version+1:
		return Missed
	case i.Version <= t.version:
		return Stale
	}
	t.known, t.version = true, i.Version
	t.dialogs = slices.Clone(t.dialogs) // a copy of the table may go on if this document is refused
	for _, d := range i.Dialogs {
		n := slices.IndexFunc(t.dialogs, func(x Dialog) bool { return x.ID == d.ID })
		switch {
		case d.State == Terminated && n >= 0:
			t.dialogs = slices.Delete(t.dialogs, n, n+1)
		case d.State == Terminated:
		case n >= 0:
			t.dialogs[n] = d
		case len(t.dialogs) < MaxDialogs:
			t.dialogs = append(t.dialogs, d)
		default:
			t.known = false
			return Missed // a full document says which of them are over
		}
	}
	return Taken
}

// Dialogs are all that have not ended, in the order in which they began.
func (t *Table) Dialogs() []Dialog { return slices.Clone(t.dialogs) }

// Talks are the dialogs in which the entity is in a call, in the order in which they began.
func (t *Table) Talks() []Dialog {
	var list []Dialog
	for _, d := range t.dialogs {
		if d.Talks() {
			list = append(list, d)
		}
	}
	return list
}
