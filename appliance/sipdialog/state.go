package sipdialog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
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

var errNoState = errors.New("this is not the state of a leg")

// MarshalJSON writes each octet of the peer's texts as a character: they need not be UTF-8, and go back to the peer byte for byte.
func (x LegState) MarshalJSON() ([]byte, error) {
	x.Dialog.Routes = slices.Clone(x.Dialog.Routes)
	x.Nonces = slices.Clone(x.Nonces)
	for _, s := range x.texts() {
		*s = widened(*s)
	}
	type plain LegState
	return json.Marshal(plain(x))
}

// UnmarshalJSON reads what MarshalJSON has written.
func (x *LegState) UnmarshalJSON(b []byte) error {
	type plain LegState
	if err := json.Unmarshal(b, (*plain)(x)); err != nil {
		return fmt.Errorf("read the state of a leg: %w", err)
	}
	for _, s := range x.texts() {
		var ok bool
		if *s, ok = narrowed(*s); !ok {
			return errNoState
		}
	}
	return nil
}

// texts are those that a peer may have had a hand in.
func (x *LegState) texts() []*string {
	d := &x.Dialog
	list := []*string{&x.Peer, &x.Said, &x.Identity, &d.CallID, &d.LocalTag, &d.RemoteTag, &d.Local, &d.Remote, &d.Target, &d.Contact}
	for n := range d.Routes {
		list = append(list, &d.Routes[n])
	}
	for n := range x.Nonces {
		list = append(list, &x.Nonces[n].Realm, &x.Nonces[n].Nonce, &x.Nonces[n].Opaque)
	}
	return list
}

// widened has a character for each octet.
func widened(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// narrowed has an octet for each character.
func narrowed(s string) (string, bool) {
	if isASCII(s) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
