package report

import (
	"encoding/json"
	"errors"

	"viaduct/appliance/cdr"
	"viaduct/appliance/flash"
	"viaduct/appliance/records"
	"viaduct/appliance/status"
)

const (
	most   = 32 << 20
	atOnce = 64                     // lines that are read together,
	octets = 10 * flash.LongestLine // and how much they may have; more than `reach` messages, however long they are
)

// calls are the records of calls as a source.
type calls struct {
	*records.Reader
	masked bool
	most   int64
}

func (c *calls) next() (list []message, gone bool, err error) { return read(c.Cursor, c.message) }

func (c *calls) taken(m message) { c.Advance(m.at) }

func (c *calls) waiting() (octets int64, shed bool) {
	return min(c.Behind(), c.most), c.Behind() > c.most
}

func (c *calls) limit() (over bool, err error) { return c.Limit(c.most) }

func (c *calls) fresh() <-chan struct{} { return c.Fresh() }

func (c *calls) cursor() *flash.Cursor { return c.Cursor }

// message is what the hub gets of a line. A line that is no record was torn by a power cut.
func (c *calls) message(line []byte) (m message, ok bool) {
	r, err := status.ReadRecord(line)
	if err != nil || r.ID == "" {
		return m, false
	}
	m = message{id: cdr.Key(r), body: line}
	if c.masked {
		m.body, err = json.Marshal(cdr.Mask(r))
	}
	return m, err == nil
}

// read returns the messages of the next lines, and advances over lines in front of them that are none.
func read(c *flash.Cursor, parse func(line []byte) (message, bool)) (list []message, gone bool, err error) {
	for len(list) == 0 {
		entries, next, deleted, err := c.Next(atOnce, octets)
		gone = gone || deleted
		if errors.Is(err, flash.ErrNotOpen) {
			return nil, false, nil // there is a token when it is
		}
		for _, e := range entries {
			if m, ok := parse(e.Line); ok {
				m.at = e.At
				list = append(list, m)
			}
		}
		if len(list) == 0 {
			c.Advance(next)
		}
		if err != nil && len(list) == 0 || len(entries) == 0 {
			return nil, gone, err
		}
	}
	return list, gone, nil
}
