package dialoginfo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	MaxBody    = 64 << 10 // octets of a document
	MaxDialogs = 64       // of one document, and of one Table
	MaxText    = 256      // octets of an identifier, a URI or a name; longer ones are cut
	maxDepth   = 16       // elements in each other
)

// Info is a dialog-info document.
type Info struct {
	Version uint64
	Full    bool // it has all dialogs; else those that have changed
	Entity  string
	Dialogs []Dialog
}

// Dialog is one of them.
type Dialog struct {
	ID        string // unique in the documents of an entity
	CallID    string
	Direction Direction
	State     State
	Remote    Party
	LocalTag  string // of the entity: with the other two, what an INVITE with Replaces names
	RemoteTag string
}

// Party is the other side of a dialog.
type Party struct{ URI, Name string }

// Direction says who began a dialog.
type Direction string

const (
	Unsaid    Direction = ""
	Initiator Direction = "initiator" // the entity
	Recipient Direction = "recipient" // the other side
)

// State is how far a dialog is (RFC 4235 3.7.1).
type State string

const (
	Trying     State = "trying"
	Proceeding State = "proceeding"
	Early      State = "early"
	Confirmed  State = "confirmed"
	Terminated State = "terminated"
)

// Talks reports whether the entity is in a call: it talks, or it calls somebody. A phone that rings is not in a call.
func (d Dialog) Talks() bool {
	switch d.State {
	case Confirmed:
		return true
	case Trying, Proceeding, Early:
		return d.Direction == Initiator
	}
	return false
}

// document reads the elements of one document, with bounds.
type document struct {
	*xml.Decoder
	path []string // local names of the elements that are open
}

// read calls begin for each element, and text for the text in it; both may be told to look at path. The outermost element must be root.
func read(body []byte, root string, begin func(d *document, e xml.StartElement) error, text func(d *document, s string)) error {
	if len(body) > MaxBody {
		return fmt.Errorf("%d octets are more than %d", len(body), MaxBody)
	}
	d := &document{Decoder: xml.NewDecoder(bytes.NewReader(body))}
	d.CharsetReader = latin
	seen := false
	for {
		t, err := d.RawToken()
		switch {
		case err == io.EOF && seen && len(d.path) == 0:
			return nil
		case err == io.EOF:
			return errors.New("it ends too early")
		case err != nil:
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			name := t.Name.Local
			switch {
			case len(d.path) == 0 && seen:
				return errors.New("a second element follows the first")
			case len(d.path) == 0 && name != root:
				return fmt.Errorf("it is no %s", root)
			case len(d.path) == maxDepth:
				return errors.New("its elements are nested too deeply")
			}
			seen = true
			d.path = append(d.path, name)
			if err := begin(d, t); err != nil {
				return err
			}
		case xml.EndElement:
			if len(d.path) == 0 || d.path[len(d.path)-1] != t.Name.Local {
				return errors.New("its elements do not end where they begin")
			}
			d.path = d.path[:len(d.path)-1]
		case xml.CharData:
			if len(d.path) > 0 {
				text(d, string(t))
			}
		case xml.Directive:
			return errors.New("it has a document type") // nothing that such a document needs, and a place for entities that grow
		}
	}
}

// in reports whether the innermost elements are those.
func (d *document) in(names ...string) bool {
	if len(d.path) < len(names) {
		return false
	}
	for n, name := range names {
		if d.path[len(d.path)-len(names)+n] != name {
			return false
		}
	}
	return true
}

// latin reads the other encodings that some PBX writes: each octet is a character.
func latin(charset string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252":
	default:
		return nil, errors.New("its encoding is not known")
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxBody))
	if err != nil {
		return nil, err
	}
	runes := make([]rune, len(b))
	for n, c := range b {
		runes[n] = rune(c)
	}
	return strings.NewReader(string(runes)), nil
}

// attribute is the value of an attribute, in any namespace.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space != "xmlns" {
			return bounded(a.Value)
		}
	}
	return ""
}

// bounded is a text without blanks around it, and not too long. What is kept of a document does not keep the document.
func bounded(s string) string {
	if s = strings.TrimSpace(s); len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "")
	}
	return strings.Clone(s)
}

// Parse reads a dialog-info document. Elements that it does not know are skipped (RFC 4235 3.8); a dialog with a state that it does not know, or
// without one, is an error: a line is neither free nor busy for what was not understood.
func Parse(body []byte) (Info, error) {
	var i Info
	err := read(body, "dialog-info", func(d *document, e xml.StartElement) error {
		switch {
		case len(d.path) == 1:
			return i.header(e)
		case len(d.path) == 2 && d.in("dialog"):
			if len(i.Dialogs) == MaxDialogs {
				return fmt.Errorf("it has more than %d dialogs", MaxDialogs)
			}
			i.Dialogs = append(i.Dialogs, Dialog{ID: attribute(e, "id"), CallID: attribute(e, "call-id"), Direction: directionOf(attribute(e, "direction")),
				LocalTag: attribute(e, "local-tag"), RemoteTag: attribute(e, "remote-tag")})
		case len(d.path) == 4 && d.in("dialog", "remote", "identity"):
			i.last().Remote.Name = attribute(e, "display")
		case len(d.path) == 4 && d.in("dialog", "remote", "target") && i.last().Remote.URI == "":
			i.last().Remote.URI = attribute(e, "uri")
		}
		return nil
	}, func(d *document, s string) {
		switch {
		case len(d.path) == 3 && d.in("dialog", "state"):
			i.last().State += State(bounded(s))
		case len(d.path) == 4 && d.in("dialog", "remote", "identity"):
			if s = bounded(s); s != "" {
				i.last().Remote.URI = s
			}
		}
	})
	if err != nil {
		return Info{}, fmt.Errorf("dialog-info: %w", err)
	}
	for n := range i.Dialogs {
		s := &i.Dialogs[n].State
		*s = State(strings.ToLower(string(*s)))
		switch *s {
		case Trying, Proceeding, Early, Confirmed, Terminated:
		default:
			return Info{}, fmt.Errorf("dialog-info: the state of dialog %d is not known", n+1)
		}
	}
	return i, nil
}

// header reads the attributes of the outermost element.
func (i *Info) header(e xml.StartElement) error {
	version, err := strconv.ParseUint(attribute(e, "version"), 10, 64)
	if err != nil {
		return errors.New("its version is no number")
	}
	i.Version, i.Entity = version, attribute(e, "entity")
	switch attribute(e, "state") {
	case "full":
		i.Full = true
	case "partial":
	default:
		return errors.New("it is neither full nor partial")
	}
	return nil
}

// last is the dialog that is being read.
func (i *Info) last() *Dialog { return &i.Dialogs[len(i.Dialogs)-1] }

func directionOf(s string) Direction {
	switch d := Direction(strings.ToLower(s)); d {
	case Initiator, Recipient:
		return d
	}
	return Unsaid
}
