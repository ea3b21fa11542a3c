package sipgw

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// LegState is an established leg as a value, with which another box goes on where this one stops.
type LegState = sipdialog.LegState

// State is the leg as a value; false: it is not established, or about to end.
func (l *Leg) State() (LegState, bool) {
	if l.state != legConfirmed && l.state != legAnswered || l.byeWanted != nil {
		return LegState{}, false
	}
	peer, _ := l.outline.Speakers()
	id := l.iface.ID()
	x := LegState{Context: id.Context, Interface: id.Name, Peer: l.info.Peer, Incoming: l.incoming, Here: l.here, Speaker: peer, Dialog: l.dialog,
		Said: string(l.offers.last), Identity: l.account.identity, Session: l.session.state()}
	if l.dialog.Phone != nil {
		phone := *l.dialog.Phone // it changes with each request of the phone
		x.Dialog.Phone = &phone
	}
	if l.account.auth != nil {
		x.Nonces = l.account.auth.Nonces()
	}
	size := 0
	for _, tx := range l.pending {
		if r := sipdialog.Written(tx); size+len(r.Text) <= mostAsked {
			x.Asked, size = append(x.Asked, r), size+len(r.Text)
		}
	}
	return x, true
}

// mostAsked is how many octets of requests that wait for us go with the state of a leg. There is one as a rule, of 2 KB.
const mostAsked = 32 << 10

func (s *session) state() sipdialog.SessionState {
	x := sipdialog.SessionState{On: s.On, Ours: s.Ours, Interval: s.Interval, Least: s.Least}
	if s.On {
		x.Expire = max(0, time.Until(s.expires))
		if s.Ours {
			x.Refresh = max(0, time.Until(s.refreshes))
		}
	}
	return x
}

// ahead is by how much the CSeq of a restored leg skips ahead: what has been said since its State is not known (RFC 3261 12.2.2 lets it).
const ahead = 1000

// Restore makes a leg go on that another box has had, for an owner that has taken its place. since is how long ago its State was taken. Events
// come of it for the requests that the peer waits for an answer to, as if they had just come. The interface must be there: see TakeOver. It
// may be called from any goroutine.
func (s *Stack) Restore(x LegState, since time.Duration, o Owner) (*Leg, error) {
	i, g := s.sipInterface(config.InterfaceID{Context: x.Context, Name: x.Interface})
	if g == nil {
		return nil, fmt.Errorf("restore leg %s: %w", x.Dialog.CallID, errNoGateway)
	}
	d := x.Dialog
	if d.CallID == "" || d.LocalTag == "" || d.RemoteTag == "" || d.Target == "" || d.Transport == 0 || d.LocalSeq > 1<<31-1-ahead {
		return nil, fmt.Errorf("restore leg %s: %w", d.CallID, errNoDialog)
	}
	if g.legs.Find(d.CallID, d.LocalTag) != nil {
		return nil, fmt.Errorf("restore leg %s: %w", d.CallID, errTwice)
	}
	l := &Leg{stack: s, g: g, iface: i, incoming: x.Incoming, here: x.Here, state: legConfirmed, dialog: d, pending: map[RequestID]*siptx.Server{},
		offers: offers{last: []byte(x.Said)}, account: accountOf(g.Conf(), i, x.Identity)}
	l.dialog.LocalSeq += ahead
	l.account.auth.Resume(x.Nonces)
	if l.incoming {
		l.counted = g.NewCall(x.Speaker, false, nil)
		l.counted.Decided()
		l.counted.Acknowledged(true)
	}
	if p := l.dialog.Phone; p != nil {
		l.outline.Phones(siptransport.Origin{Transport: p.Transport, Addr: p.Addr.Addr()})
	}
	l.outline.AnsweredBy(x.Speaker)
	l.begin(x.Peer)
	l.ownership.Take(o)
	l.post(func() { l.resumeSession(x.Session, since) })
	if !g.legs.Add(d.CallID, d.LocalTag, l) {
		return nil, fmt.Errorf("restore leg %s: %w", d.CallID, errNoGateway)
	}
	for _, r := range x.Asked {
		tx, err := r.Read(g.Gate, g.transactions)
		if err != nil {
			s.log.Warn("request lost", "gw", g.name, "leg", d.CallID, "err", err)
		} else if tx != nil {
			tx.Open()
			l.post(func() { l.handle(tx, &l.dialog, nil) })
		}
	}
	return l, nil
}

var (
	errNoDialog = errors.New("this is not the state of a dialog")
	errTwice    = errors.New("it is there already")
)

const (
	restoredLives = time.Minute      // at least, whatever its session timer says: long enough for a refresh
	refreshSpread = 10 * time.Second // in which the refreshes that are overdue leave
)

// resumeSession goes on with the session timer of a restored leg. One that has run out while no box was there refreshes now, whose turn it
// ever was: the peer's answer shows that the call is alive.
func (l *Leg) resumeSession(x sipdialog.SessionState, since time.Duration) {
	l.session.Interval, l.session.Least = x.Interval, x.Least
	if !x.On || x.Interval < sipdialog.MinSE || l.state == legOver {
		return
	}
	l.session.On, l.session.Ours = true, x.Ours
	refresh, expire := x.Refresh-since, x.Expire-since
	if overdue := expire < restoredLives; overdue || x.Ours {
		if overdue || refresh <= 0 {
			refresh = time.Second + rand.N(refreshSpread)
		}
		l.refreshIn(refresh)
	}
	l.expireIn(max(expire, restoredLives))
}

// straggler is a response without a transaction. A 2xx to an INVITE of a box that is no more gets its ACK from the one that has restored the leg:
// the peer would hang up without one (RFC 3261 13.3.1.4).
func (g *gateway) straggler(res *sipmsg.Response, a siptransport.Arrival) {
	if res.StatusCode/100 != 2 || res.SeqMethod != sip.INVITE {
		return
	}
	l := g.legs.Find(res.CallID, res.FromTag)
	if l == nil || !l.heeds(a.Origin()) {
		return
	}
	l.post(func() {
		if l.state == legConfirmed && l.out == nil && res.ToTag == l.dialog.RemoteTag && res.Seq <= l.dialog.LocalSeq {
			l.ackIn(&l.dialog, &outbound{seq: res.Seq, acks: map[ackKey]ack{}}, res.ToTag, nil, "")
		}
	})
}

// held is a new call that waits for the box that will have it, as bytes.
type held struct {
	Gateway  string `json:"gw"`
	Identity string `json:"identity,omitempty"`
	Hops     int    `json:"hops,omitempty"`
	sipdialog.Request
}

// heldFor is how old a held call may be. Its caller may have given up since, while nobody was there to hear it.
const heldFor = 30 * time.Second

// Held is the call as bytes, for TakeIn at the box that takes the place of this one; nil: it is answered or over, or early media or reliable
// provisional responses have begun. One that rings may be taken in, too: it rings again there. It is called on the goroutine of the leg's owner.
func (in *Incoming) Held() []byte {
	l := in.Leg
	if l.state != legRinging || l.in.early {
		return nil
	}
	b, err := json.Marshal(held{l.g.name, in.Identity, in.Hops, sipdialog.Written(l.in.tx)})
	if err != nil {
		return nil // it has no field that could not be written
	}
	return b
}

// TakeIn takes a call in that another box has held: Options.OnInvite is told of it as if it had just come. since is how long ago it was
// written. Checks and limits have been passed at the box where it came. It is called after TakeOver.
func (s *Stack) TakeIn(b []byte, since time.Duration) error {
	var x held
	if err := json.Unmarshal(b, &x); err != nil {
		return fmt.Errorf("take in a call: %w", err)
	}
	g := s.gateway(x.Gateway)
	if g == nil {
		return fmt.Errorf("take in a call: %w", errNoGateway)
	}
	tx, err := x.Read(g.Gate, g.transactions)
	switch {
	case err != nil:
		return fmt.Errorf("take in a call: %w", err)
	case tx == nil:
		return nil // it came again, and has begun so
	case since > heldFor:
		return fmt.Errorf("take in call %s: %w", tx.Req.CallID, errHeldTooLong)
	}
	i, contact := g.InterfaceOf(x.Source.Addr()), targetOf(tx.Req)
	if tx.Req.Method != sip.INVITE || tx.Req.ToTag != "" || tx.Req.Check(s.methods.understood) != nil || i == nil || contact == "" {
		return fmt.Errorf("take in call %s: %w", tx.Req.CallID, errNoCall)
	}
	if first, merged := tx.Merged(); merged && g.Kin(first, tx.From.Origin()) {
		return nil // it came again, on another way, and has begun so
	}
	replaced, f := g.replaced(tx.Req, tx.From.Origin(), i, x.Identity)
	if f != nil {
		g.answer(tx, f.Code, f.Headers)
		return nil
	}
	g.begins(tx, i, contact, &Incoming{Interface: i.ID(), Identity: x.Identity, Request: tx.Req, Replaces: replaced, Hops: x.Hops}, urgentCall(g.Conf().Config, i, tx.Req))
	return nil
}

var (
	errHeldTooLong = errors.New("it has waited too long")
	errNoCall      = errors.New("it begins no call here")
)
