package steward

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
)

// keep has a stream keep a message of a box. The stream itself answers the box, so nothing has to be remembered here: what is lost on the way the box
// sends again. A box speaks with its streams through here alone, because NATS would send a stream's answer wherever the box wants, also where the
// messages of another box are kept, and because ids are those of a whole stream: with the id of another one's next message it would have that left out.
func (s *Steward) keep(m *nats.Msg, kept func(box string) string) {
	box, id := boxOf(m.Subject), m.Header.Get(jetstream.MsgIDHeader)
	if !strings.HasPrefix(m.Reply, fleet.Inbox(box)+".") || !strings.HasPrefix(id, box+"/") {
		return
	}
	err := s.Conn.PublishMsg(&nats.Msg{Subject: kept(box), Reply: m.Reply, Header: nats.Header{jetstream.MsgIDHeader: {id}}, Data: m.Data})
	if err != nil {
		s.Log.Debug("message of a box not passed on", "customer", s.Customer, "subject", m.Subject, "err", err)
	}
}

const lookTime = 2 * time.Second // for a stream to say what it has

// seenAsked tells an operator of the last sign of a box.
func (s *Steward) seenAsked(ctx context.Context, m *nats.Msg) {
	part := strings.Split(m.Subject, ".")
	if len(part) != 3 || fleet.CheckName(part[2]) != nil || !strings.HasPrefix(m.Reply, fleet.Inbox(part[1])+".") {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var seen fleet.Seen
	stream, err := s.js.Stream(ctx, fleet.StatusStream)
	if err == nil {
		var last *jetstream.RawStreamMsg
		if last, err = stream.GetLastMsgForSubject(ctx, fleet.StatusOf(part[2])); err == nil {
			seen.Time = last.Time
		}
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return
	}
	text, err := json.Marshal(seen)
	if err == nil {
		err = m.Respond(text)
	}
	if err != nil {
		s.Log.Debug("answer not sent", "customer", s.Customer, "subject", m.Subject, "err", err)
	}
}
