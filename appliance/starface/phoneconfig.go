package starface

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Fields of a phone configuration. The STARFACE wants all of them back.
const (
	fieldWaiting = "callWaiting"
	fieldDND     = "doNotDisturb"
	fieldNumber  = "displayNumberId"
	fieldPhone   = "primaryPhoneId"
)

const membersMost = 64

// PhoneConfig is how the phones of a user behave, as a STARFACE tells it.
type PhoneConfig struct {
	DoNotDisturb bool
	members      []member // all of them in their order, also those that this firmware does not know
}

type member struct {
	name string
	text json.RawMessage
}

// readPhoneConfig reads one. What lacks a field, has one twice, or has one of another type was not understood, and is not written back.
func readPhoneConfig(body []byte) (p PhoneConfig, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return PhoneConfig{}, errors.New("no object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return PhoneConfig{}, errors.New("broken text")
		}
		m := member{name: t.(string)} // the decoder has seen to it
		if err := d.Decode(&m.text); err != nil {
			return PhoneConfig{}, errors.New("broken text")
		}
		if seen[m.name] || len(p.members) == membersMost {
			return PhoneConfig{}, errors.New("a field that comes twice, or too many")
		}
		if !m.understood(&p.DoNotDisturb) {
			return PhoneConfig{}, errors.New("a " + m.name + " of another type")
		}
		seen[m.name] = true
		p.members = append(p.members, m)
	}
	if _, err := d.Token(); err != nil {
		return PhoneConfig{}, errors.New("an object that does not end")
	}
	if _, err := d.Token(); err != io.EOF {
		return PhoneConfig{}, errors.New("text behind the object")
	}
	for _, name := range []string{fieldWaiting, fieldDND, fieldNumber, fieldPhone} {
		if !seen[name] {
			return PhoneConfig{}, errors.New("no " + name)
		}
	}
	return p, nil
}

// understood says whether a field has the type that it should have, and takes over do not disturb. A user without a number or a phone has null.
func (m member) understood(dnd *bool) bool {
	switch m.name {
	case fieldDND, fieldWaiting:
		var v *bool
		if json.Unmarshal(m.text, &v) != nil || v == nil {
			return false
		}
		if m.name == fieldDND {
			*dnd = *v
		}
	case fieldNumber, fieldPhone:
		var v *int64
		return json.Unmarshal(m.text, &v) == nil
	}
	return true
}

// with is the same with another do not disturb.
func (p PhoneConfig) with(dnd bool) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for n, m := range p.members {
		if n > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(m.name) // a string always has a form
		b.Write(name)
		b.WriteByte(':')
		switch {
		case m.name != fieldDND:
			b.Write(m.text)
		case dnd:
			b.WriteString("true")
		default:
			b.WriteString("false")
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}
