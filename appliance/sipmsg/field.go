package sipmsg

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// field is a header field that Parse reads in advance.
type field uint8

const (
	other field = iota
	fieldVia
	fieldFrom
	fieldTo
	fieldCallID
	fieldCSeq
	fieldContact
	fieldRecordRoute
	fieldRequire
	fieldSupported
	fieldContentType
	fieldContentLength
	fieldMaxForwards
	fieldSessionExpires
	fieldMinSE
	fieldCount
)

// fieldName is the name of a field, with its compact form ("": none).
type fieldName struct {
	long, short string
	field       field
}

// byLength finds a name by the length of its long form, because a call compares some hundred names.
var byLength = func() (table [32][]fieldName) {
	for _, n := range []fieldName{
		{"Via", "v", fieldVia}, {"From", "f", fieldFrom}, {"To", "t", fieldTo}, {"Call-ID", "i", fieldCallID}, {"CSeq", "", fieldCSeq},
		{"Contact", "m", fieldContact}, {"Record-Route", "", fieldRecordRoute}, {"Require", "", fieldRequire}, {"Supported", "k", fieldSupported},
		{"Content-Type", "c", fieldContentType}, {"Content-Length", "l", fieldContentLength}, {"Max-Forwards", "", fieldMaxForwards},
		{"Session-Expires", "x", fieldSessionExpires}, {"Min-SE", "", fieldMinSE},
		{"Refer-To", "r", other}, {"Referred-By", "b", other}, {"Event", "o", other}, {"Subject", "s", other}, {"Content-Encoding", "e", other},
	} {
		table[len(n.long)] = append(table[len(n.long)], n)
	}
	return table
}()

// byLetter are the fields by their compact names.
var byLetter = func() (table [256]field) {
	for _, list := range byLength {
		for _, n := range list {
			if n.short != "" {
				table[n.short[0]], table[n.short[0]-'a'+'A'] = n.field, n.field
			}
		}
	}
	return table
}()

// fieldNamed is the field with a name, long or compact.
func fieldNamed(name string) field {
	if len(name) == 1 {
		return byLetter[name[0]]
	}
	return long(name).field
}

// long is what the table says of a long name; the zero value: nothing.
func long(name string) fieldName {
	if len(name) < len(byLength) {
		for _, n := range byLength[len(name)] {
			if strings.EqualFold(n.long, name) {
				return n
			}
		}
	}
	return fieldName{}
}

// Values are the values of all fields of a name, long or compact, in order.
func Values(headers []sip.Header, name string) (list []string) {
	short := long(name).short
	for _, h := range headers {
		if isNamed(h, name, short) {
			list = append(list, h.Value())
		}
	}
	return list
}

// First is the first of them, "" when there is none.
func First(headers []sip.Header, name string) string {
	short := long(name).short
	for _, h := range headers {
		if isNamed(h, name, short) {
			return h.Value()
		}
	}
	return ""
}

// isNamed compares lengths first.
func isNamed(h sip.Header, name, short string) bool {
	n := h.Name()
	return len(n) == len(name) && strings.EqualFold(n, name) || short != "" && len(n) == 1 && strings.EqualFold(n, short)
}
