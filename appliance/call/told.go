package call

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

// maxRoute is how many octets of a way through the tables are kept. The longest ways are those of hunt groups with many destinations,
// whose last ones say the least.
const maxRoute = 4 << 10

// packRoute writes a trace into one piece of memory without pointers: it is kept as long as its call, and only shown afterwards.
func packRoute(trace []route.Step) []byte {
	size := 0
	for i := range trace {
		s := &trace[i]
		size += len(s.Table) + len(s.Entry) + len(s.Action) + min(len(s.Before), maxMapped) + min(len(s.After), maxMapped) + 10
	}
	b := make([]byte, 0, min(size, maxRoute))
	for i := range trace {
		s := &trace[i]
		whole := len(b)
		for _, field := range [...]string{s.Table, s.Entry, s.Action, s.Before, s.After} {
			field = field[:min(len(field), maxMapped)]
			b = binary.AppendUvarint(b, uint64(len(field)))
			b = append(b, field...)
		}
		if len(b) > maxRoute {
			b = b[:whole]
			break
		}
	}
	return b
}

// unpackRoute reads what packRoute has written.
func unpackRoute(b []byte) (list []status.RouteStep) {
	s := string(b) // of which all fields are parts
	next := func() string {
		n, size := binary.Uvarint(b)
		end := size + int(n)
		field := s[size:end]
		b, s = b[end:], s[end:]
		return field
	}
	for len(b) > 0 {
		list = append(list, status.RouteStep{Table: next(), Entry: next(), Action: next(), Before: next(), After: next()})
	}
	return list
}

// Microsoft's words stand in the text of a Reason header: an id, sometimes a code, and a sentence, with semicolons between them
// (teams.md A.52).
var (
	microsoftID   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	microsoftCode = regexp.MustCompile(`(?:^|[^0-9A-Za-z.:-])(10[0-9]{3}|5[0-9]{5})(?:[^0-9A-Za-z.:-]|$)`)
)

// microsoftText reads them; nil: there are none.
func microsoftText(reason string) *status.MicrosoftText {
	_, text, found := strings.Cut(reason, `text="`)
	if !found {
		return nil
	}
	text, _, _ = strings.Cut(text, `"`)
	var m status.MicrosoftText
	if code := microsoftCode.FindStringSubmatch(text); code != nil {
		m.Code, _ = strconv.Atoi(code[1])
	}
	var words []string
	for part := range strings.SplitSeq(text, ";") {
		switch part = strings.TrimSpace(part); {
		case part == "" || part == strconv.Itoa(m.Code):
		case microsoftID.MatchString(part):
			m.ID = part
		default:
			words = append(words, part)
		}
	}
	m.Text = printable.Text(strings.Join(words, "; "))
	if m == (status.MicrosoftText{}) {
		return nil
	}
	return &m
}
