package snmp

import (
	"crypto/subtle"
	"errors"
	"net/netip"

	"github.com/gosnmp/gosnmp"
)

// maxMessage is the longest message that the box takes.
const maxMessage = 1500

// Why a message is refused; the texts are for `show snmp` and the log.
var (
	errVersion   = errors.New("another version than v2c and v3")
	errMalformed = errors.New("a message that cannot be read")
	errCommunity = errors.New("wrong community")
	errUser      = errors.New("unknown user")
	errLevel     = errors.New("a user without the security that is configured")
	errDigest    = errors.New("wrong authentication password")
	errKey       = errors.New("wrong privacy password")
	errTime      = errors.New("a message out of time")
	errEngine    = errors.New("a message to another engine")
)

// decoder reads messages. It has the large buffer of a station inside, so there is one.
type decoder struct{ gosnmp.GoSNMP }

// read reads a message with the keys of a user, nil: none. gosnmp is made for answers of devices that the station has asked; whatever a
// stranger sends must not end the process with it.
func (d *decoder) read(text []byte, keys *gosnmp.UsmSecurityParameters) (p *gosnmp.SnmpPacket, err error) {
	defer func() {
		if recover() != nil {
			p, err = nil, errMalformed
		}
	}()
	d.Version, d.SecurityParameters = gosnmp.Version2c, nil // the version of the message counts
	if keys != nil {
		d.SecurityParameters = keys
	}
	return d.SnmpDecodePacket(text)
}

// handle answers a message, or says why not. It may do both: v3 reports its refusals.
func (r *Responder) handle(text []byte, from netip.Addr) (reply []byte, refused error) {
	r.counts.in.Add(1)
	head, err := r.decoder.read(append([]byte(nil), text...), nil)
	switch {
	case head == nil:
		r.counts.malformed.Add(1)
		return nil, errMalformed
	case head.Version == gosnmp.Version3:
		return r.handle3(text, head)
	case head.Version != gosnmp.Version2c:
		r.counts.versions.Add(1)
		return nil, errVersion
	}
	if err != nil || int32(head.RequestID) < 0 { // gosnmp could not send that number back
		r.counts.malformed.Add(1)
		return nil, errMalformed
	}
	community := r.now.Community
	if community == "" || subtle.ConstantTimeCompare([]byte(community), []byte(head.Community)) != 1 {
		r.counts.communities.Add(1)
		return nil, errCommunity
	}
	a, err := r.look().ask(head)
	if err != nil {
		return nil, r.silent(err)
	}
	reply, err = a.fit(&gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: string(community), PDUType: gosnmp.GetResponse, RequestID: head.RequestID},
		head.PDUType == gosnmp.GetBulkRequest, maxAnswer)
	if err != nil {
		return nil, r.silent(err)
	}
	return reply, nil
}

// silent counts a message that was right and gets no answer.
func (r *Responder) silent(err error) error {
	r.counts.silent.Add(1)
	if errors.Is(err, errNothing) {
		return nil
	}
	return errMalformed
}
