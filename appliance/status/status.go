// Package status holds the state of the box as plain values: what the engines know of calls, registrations, peers, ports and the
// clock. The engines fill these structs; the command line, the metrics and GET /v1/status read them.
//
// It owns the names of the states and the JSON form. It has no behaviour, imports nothing of ours, and starts no goroutine. Times
// that are zero are left out of the JSON; durations are nanoseconds there.
package status

import "fmt"

// Parts are the names of the parts of the status.
type Parts struct {
	Parts []string `json:"parts"`
}

// words are the texts of an enumeration, in the order of its values.
type words []string

func (w words) text(value uint8) string {
	if int(value) < len(w) {
		return w[value]
	}
	return fmt.Sprintf("invalid(%d)", value)
}

func (w words) marshal(value uint8) ([]byte, error) {
	if int(value) < len(w) {
		return []byte(w[value]), nil
	}
	return nil, fmt.Errorf("status: no state has the number %d", value)
}

func (w words) unmarshal(text []byte, value *uint8) error {
	for i, word := range w {
		if word == string(text) {
			*value = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("status: no state is called %q", text)
}
