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
	TypeSummary  = "application/simple-message-summary"
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
		w.dialog(i.Entity, d)
	}
	w.WriteString("</dialog-info>\n")
	return w.Buffer.Bytes()
}

func (w *writing) dialog(entity string, d Dialog) {
	w.WriteString("<dialog")
	w.attribute("id", d.ID)
	for _, a := range [...]struct{ name, value string }{{"call-id", d.CallID}, {"local-tag", d.LocalTag}, {"remote-tag", d.RemoteTag}, {"direction", string(d.Direction)}} {
		if a.value != "" {
			w.attribute(a.name, a.value)
		}
	}
	w.WriteString("><state>")
	w.text(string(d.State))
	w.WriteString("</state>")
	if d.Remote != (Party{}) { // a Snom picks up only where it is told both sides
		w.party("local", Party{URI: entity})
		w.party("remote", d.Remote)
	}
	w.WriteString("</dialog>\n")
}

// party writes one side of a dialog.
func (w *writing) party(element string, p Party) {
	w.WriteString("<" + element + "><identity")
	if p.Name != "" {
		w.attribute("display", p.Name)
	}
	w.WriteByte('>')
	w.text(p.URI)
	w.WriteString("</identity>")
	if p.URI != "" {
		w.WriteString("<target")
		w.attribute("uri", p.URI)
		w.WriteString("/>")
	}
	w.WriteString("</" + element + ">")
}
