package records

import (
	"path/filepath"

	"viaduct/appliance/flash"
)

// Reader reads the records from the files, each once, in their order and from a position of its own: the files are the spool of everybody who
// sends records on. It is open while the archive runs.
type Reader struct {
	*flash.Cursor
	fresh chan struct{} // one token: a record was written
}

// Follow returns a reader that keeps its position in a file of this name, in the folder of the records. It is to be called before Run.
func (a *Archive) Follow(file string) *Reader {
	r := &Reader{Cursor: flash.NewCursor(filepath.Join(a.o.Dir, file)), fresh: make(chan struct{}, 1)}
	a.readers = append(a.readers, r)
	return r
}

// Fresh gets a token after records were written or erased, and when the reader is opened.
func (r *Reader) Fresh() <-chan struct{} { return r.fresh }

func (r *Reader) wake() {
	select {
	case r.fresh <- struct{}{}:
	default:
	}
}
