package snmp

import (
	"errors"

	"github.com/gosnmp/gosnmp"
)

const (
	// maxAnswer is the length of a message of ours. It fits a packet of Ethernet, so that nobody makes the box send fragments, and bounds
	// what a request with somebody else's address as its source can bring upon that address.
	maxAnswer = 1400
	// maxVariables is how many variables an answer can have: each takes 13 octets at least.
	maxVariables = maxAnswer / 13
)

// errNothing says that a message gets no answer.
var errNothing = errors.New("no answer")

// answer is the answer to a request: a PDU without its message.
type answer struct {
	status    gosnmp.SNMPError
	index     uint8
	variables []gosnmp.SnmpPDU
}

// ask answers a request from the tree.
func (t tree) ask(r *gosnmp.SnmpPacket) (answer, error) {
	var names []oid
	for _, v := range r.Variables {
		o, err := readOID(v.Name)
		if err != nil {
			return answer{}, err
		}
		names = append(names, o)
	}
	var a answer
	switch r.PDUType {
	case gosnmp.GetRequest:
		for _, o := range names {
			a.add(o, t.get(o))
		}
	case gosnmp.GetNextRequest:
		for _, o := range names {
			a.next(t, o)
		}
	case gosnmp.GetBulkRequest:
		a.bulk(t, names, int(r.NonRepeaters), int(min(r.MaxRepetitions, maxVariables)))
	case gosnmp.SetRequest:
		// Everything is read-only. The values are not sent back.
		for _, o := range names {
			a.add(o, value{kind: gosnmp.Null})
		}
		a.status, a.index = gosnmp.NoAccess, 1
	default:
		return answer{}, errNothing
	}
	return a, nil
}

func (a *answer) add(o oid, v value) {
	a.variables = append(a.variables, gosnmp.SnmpPDU{Name: o.String(), Type: v.kind, Value: v.is})
}

// next adds what follows o, and returns where to go on; false: nothing follows.
func (a *answer) next(t tree, o oid) (oid, bool) {
	l, ok := t.next(o)
	if !ok {
		a.add(o, value{kind: gosnmp.EndOfMibView})
		return o, false
	}
	a.add(l.at, l.value)
	return l.at, true
}

// bulk is RFC 3416 4.2.3. It stops where an answer is full for certain.
func (a *answer) bulk(t tree, names []oid, single, rounds int) {
	single = min(single, len(names))
	for _, o := range names[:single] {
		a.next(t, o)
	}
	at := names[single:]
	for more := len(at) > 0; more && rounds > 0; rounds-- {
		more = false
		for n := range at {
			if len(a.variables) >= maxVariables {
				return
			}
			var ok bool
			at[n], ok = a.next(t, at[n])
			more = more || ok
		}
	}
}

// fit writes the message, with fewer variables where it would be longer than most. What cannot be shortened is too big (RFC 3416 4.2.1).
func (a answer) fit(message *gosnmp.SnmpPacket, bulk bool, most int) ([]byte, error) {
	for {
		message.Error, message.ErrorIndex, message.Variables = a.status, a.index, a.variables
		text, err := message.MarshalMsg()
		if err != nil || len(text) <= most {
			return text, err
		}
		if n := len(a.variables) * most / len(text); bulk && n > 0 {
			a.variables = a.variables[:min(n, len(a.variables)-1)]
			continue
		}
		if a.status == gosnmp.TooBig {
			return nil, errNothing
		}
		a = answer{status: gosnmp.TooBig}
	}
}
