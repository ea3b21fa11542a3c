package dialoginfo

import (
	"bytes"
	"encoding/xml"
	"strconv"
)

// Types of the bodies.
const (
	TypeDialog   = "application/dialog-info+xml"
	TypePresence = "application/pidf+xml"
	TypeDevice   = "application/json"
)

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// writing is a document under way.
type writing struct{ bytes.Buffer }

// attribute writes an attribute. Characters that XML cannot hold become U+FFFD.
func (w *writing) attribute(name, value string) {
	w.WriteString(" " + name + `="`)
	w.text(value)
	w.WriteByte('"')
}

func (w *writing) text(s string) { _ = xml.EscapeText(&w.Buffer, []byte(s)) } // a Buffer takes everything

// Bytes writes the document.
func (i Info) Bytes() []byte {
	var w writing
	w.WriteString(head + `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"`)
	w.attribute("version", strconv.FormatUint(i.Version, 10))
	state := "partial"
	if i.Full {
		state = "full"
	}
	w.attribute("state", state)
	w.attribute("entity", i.Entity)
	w.WriteString(">\n")
	for _, d := range i.Dialogs {
		w.dialog(d)
	}
	w.WriteString("</dialog-info>\n")
	return w.Buffer.Bytes()
}

func (w *writing) dialog(d Dialog) {
	w.WriteString("<dialog")
	w.attribute("id", d.ID)
	if d.CallID != "" {
		w.attribute("call-id", d.CallID)
	}
	if d.Direction != Unsaid {
		w.attribute("direction", string(d.Direction))
	}
	w.WriteString("><state>")
	w.text(string(d.State))
	w.WriteString("</state>")
	if d.Remote != (Party{}) {
		w.WriteString("<remote><identity")
		if d.Remote.Name != "" {
			w.attribute("display", d.Remote.Name)
		}
		w.WriteByte('>')
		w.text(d.Remote.URI)
		w.WriteString("</identity></remote>")
	}
	w.WriteString("</dialog>\n")
}
