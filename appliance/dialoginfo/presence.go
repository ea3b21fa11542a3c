package dialoginfo

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// Presence is a PIDF document of one entity, as far as it tells whether somebody is on the phone.
type Presence struct {
	Entity   string
	Open     bool     // a tuple is open: the entity can be reached
	Activity Activity // of the person
	Note     string   // for people
}

// Activity is what a person does, as keys of phones show it (RFC 4480 3.2); "": nothing that is said.
type Activity string

const (
	OnThePhone Activity = "on-the-phone"
	Busy       Activity = "busy" // it does not want to be disturbed
	Away       Activity = "away"
)

// ParsePresence reads a PIDF document.
func ParsePresence(body []byte) (Presence, error) {
	var p Presence
	var basic strings.Builder
	tuples := 0
	err := read(body, "presence", func(d *document, e xml.StartElement) error {
		switch {
		case len(d.path) == 1:
			p.Entity = attribute(e, "entity")
		case len(d.path) == 2 && d.in("tuple"):
			p.Open = p.Open || isOpen(&basic)
			if tuples++; tuples > MaxDialogs {
				return fmt.Errorf("it has more than %d tuples", MaxDialogs)
			}
		case len(d.path) >= 3 && d.path[len(d.path)-2] == "activities" && p.Activity == "":
			switch a := Activity(e.Name.Local); a {
			case OnThePhone, Busy, Away:
				p.Activity = a
			}
		}
		return nil
	}, func(d *document, s string) {
		switch {
		case len(d.path) == 4 && d.in("tuple", "status", "basic") && basic.Len() < MaxText:
			basic.WriteString(bounded(s))
		case d.in("note") && p.Note == "":
			p.Note = bounded(s)
		}
	})
	if err != nil {
		return Presence{}, fmt.Errorf("pidf: %w", err)
	}
	p.Open = p.Open || isOpen(&basic)
	return p, nil
}

// isOpen reads the basic status of a tuple that has ended.
func isOpen(basic *strings.Builder) bool {
	open := strings.EqualFold(basic.String(), "open")
	basic.Reset()
	return open
}

// Bytes writes the document, with one tuple.
func (p Presence) Bytes() []byte {
	var w writing
	w.WriteString(head + `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"`)
	w.attribute("entity", p.Entity)
	w.WriteString(">\n<tuple id=\"teams\"><status><basic>")
	if p.Open {
		w.WriteString("open")
	} else {
		w.WriteString("closed")
	}
	w.WriteString("</basic></status>")
	if p.Note != "" {
		w.WriteString("<note>")
		w.text(p.Note)
		w.WriteString("</note>")
	}
	w.WriteString("</tuple>\n")
	if p.Activity != "" {
		w.WriteString(`<dm:person id="person"><rpid:activities><rpid:` + string(p.Activity) + "/></rpid:activities></dm:person>\n")
	}
	w.WriteString("</presence>\n")
	return w.Buffer.Bytes()
}

// Device is the state of a device that one Asterisk server tells another (res_pjsip_publish_asterisk).
type Device struct {
	Kind     string `json:"type"` // "devicestate", or "refresh": the sender wants to be told all states
	Name     string `json:"device,omitempty"`
	State    string `json:"state,omitempty"`
	Cachable int    `json:"cachable,omitempty"` // 1: it holds until another one comes
	EID      string `json:"eid"`                // of the server that owns the device: six octets like those of a MAC address
}

// Kinds of Device.
const (
	DeviceState   = "devicestate"
	DeviceRefresh = "refresh"
)

// States of a Device.
const (
	InUse    = "INUSE"
	NotInUse = "NOT_INUSE"
)

// ParseDevice reads such a state.
func ParseDevice(body []byte) (Device, error) {
	if len(body) > MaxBody {
		return Device{}, fmt.Errorf("device state: %d octets are more than %d", len(body), MaxBody)
	}
	var d Device
	if err := json.Unmarshal(body, &d); err != nil {
		return Device{}, fmt.Errorf("device state: %w", err)
	}
	if d.Kind != DeviceRefresh && d.Kind != DeviceState || d.Kind == DeviceState && (d.Name == "" || d.State == "") {
		return Device{}, errors.New("device state: it has no type, device or state")
	}
	d.Kind, d.Name, d.State, d.EID = bounded(d.Kind), bounded(d.Name), bounded(d.State), bounded(d.EID)
	return d, nil
}

// Bytes writes it.
func (d Device) Bytes() []byte {
	b, _ := json.Marshal(d) // strings and a number
	return b
}
