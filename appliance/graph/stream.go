package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	answerMax  = 16 << 20 // octets of one answer: 999 users, or 650 presences with long messages of absence
	elementMax = 1 << 20  // octets of one element, which is what the box keeps at a time
)

// meter bounds what is read of an answer: all of it, and from one element to the next. It keeps the error of the connection.
type meter struct {
	r       io.Reader
	left    int // of all
	element int // since step
	err     error
}

func newMeter(r io.Reader) *meter { return &meter{r: r, left: answerMax} }

func (m *meter) Read(p []byte) (int, error) {
	room := min(len(p), m.left, elementMax-m.element)
	if room <= 0 && len(p) > 0 {
		return 0, &Error{Text: fmt.Sprintf("the answer is longer than %d MiB, or one part of it than %d MiB", answerMax>>20, elementMax>>20)}
	}
	n, err := m.r.Read(p[:room])
	m.left -= n
	m.element += n
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

// step begins another element.
func (m *meter) step() { m.element = 0 }

var errShape = errors.New("a list is expected")

// collection reads {"value":[...],"@odata.nextLink":"..."} one element at a time, and returns the link. An element of another shape is left out:
// nothing follows from what is not understood. Errors of each end the reading.
func collection[T any](m *meter, each func(*T) error) (next string, err error) {
	d := json.NewDecoder(m)
	if err := delimiter(d, '{'); err != nil {
		return "", err
	}
	listed := false
	for d.More() {
		m.step()
		key, err := d.Token()
		if err != nil {
			return "", err
		}
		switch {
		case key == "value" && !listed:
			listed = true
			if err := elements(d, m, each); err != nil {
				return "", err
			}
		case key == "@odata.nextLink":
			if err := d.Decode(&next); err != nil {
				return "", err
			}
		default:
			var skipped struct{}
			if err := d.Decode(&skipped); err != nil && !shapeless(err) {
				return "", err
			}
		}
	}
	if err := delimiter(d, '}'); err != nil {
		return "", err
	}
	if !listed {
		return "", errShape
	}
	return next, nil
}

func elements[T any](d *json.Decoder, m *meter, each func(*T) error) error {
	if err := delimiter(d, '['); err != nil {
		return err
	}
	var v, zero T
	for d.More() {
		m.step()
		v = zero
		if err := d.Decode(&v); shapeless(err) {
			continue
		} else if err != nil {
			return err
		}
		if err := each(&v); err != nil {
			return err
		}
	}
	return delimiter(d, ']')
}

// shapeless reports that a value is JSON, but of another type than expected.
func shapeless(err error) bool {
	var e *json.UnmarshalTypeError
	return errors.As(err, &e)
}

func delimiter(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return errShape
	}
	return nil
}
