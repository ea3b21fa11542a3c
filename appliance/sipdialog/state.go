package sipdialog

import (
	"errors"
	"net/netip"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// LegState is an established leg of a call as a value, with which another box goes on where this one stops.
type LegState struct {
	Context   string         `json:"cs"`
	Interface string         `json:"if"`
	Peer      string         `json:"peer"` // of LegInfo
	Incoming  bool           `json:"in,omitempty"`
	Here      netip.AddrPort `json:"here"`    // where the peer reaches us
	Speaker   netip.Addr     `json:"speaker"` // the address that began the dialog, or answered last
	Dialog    Dialog         `json:"dialog"`
	Said      string         `json:"said,omitempty"` // our last description
	Identity  string         `json:"identity,omitempty"`
	Nonces    []sipmsg.Nonce `json:"nonces,omitempty"`
	Session   SessionState   `json:"session,omitzero"`
	Asked     []Request      `json:"asked,omitempty"` // requests of the peer in the dialog that wait for our response
}

// Request is a request of a peer that waits for our response, as it came to this box.
type Request struct {
	Transport siptransport.Transport `json:"transport"`
	Source    netip.AddrPort         `json:"source"`
	Local     netip.AddrPort         `json:"local"` // the socket or connection of ours that it came to
	Tag       string                 `json:"tag"`   // of our responses
	Text      []byte                 `json:"text"`
}

// Written is the request of a server transaction.
func Written(tx *siptx.Server) Request {
	return Request{Transport: tx.From.Flow.Transport(), Source: tx.From.Source, Local: tx.From.Local, Tag: tx.ToTag, Text: tx.Req.Text()}
}

// Read makes the server transaction of a request that came to another box. Its responses go back as those of that box would, and what comes again
// of it, its CANCEL and its ACK find it. The caller opens it. Nil: it is there already, because it came again.
func (r Request) Read(gate *siptransport.Gate, transactions *siptx.Table) (*siptx.Server, error) {
	head, body, f := sipmsg.FrameDatagram(r.Text)
	m := sipmsg.Parse(head, body, f, r.Source)
	if m.Request == nil || m.Fault != nil || r.Transport == 0 || r.Tag == "" || !r.Source.IsValid() {
		return nil, errNoRequest
	}
	key := siptx.Key(m.Request, string(m.Request.Method))
	if tx, past := transactions.Find(key); tx != nil || past != nil {
		return nil, nil
	}
	tx := transactions.NewServer(key, m.Request, gate.Elsewhere(r.Transport, r.Source, r.Local))
	tx.ToTag = r.Tag
	return tx, nil
}

var errNoRequest = errors.New("this is no request of a peer")

// SessionState is a session timer. What is left counts from the moment of the state on: the clocks of two boxes may differ.
type SessionState struct {
	On       bool          `json:"on,omitempty"`
	Ours     bool          `json:"ours,omitempty"` // we refresh
	Interval time.Duration `json:"interval,omitempty"`
	Least    time.Duration `json:"least,omitempty"`
	Refresh  time.Duration `json:"refresh,omitempty"` // left until we refresh
	Expire   time.Duration `json:"expire,omitempty"`  // left until the call is given up
}
