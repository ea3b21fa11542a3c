package sipgw

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/sipdialog"

	"github.com/emiago/sipgo/sip"
)

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
	tx.Merged()
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
