package sipevent

import (
	"fmt"
	"time"

	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// notified handles a NOTIFY in the dialog of a subscription, in a read loop, and returns the response to it.
func (s *subscription) notified(r *sipgw.ServerRequest) (int, []sipmsg.Header) {
	document := events[s.spec.event].document
	switch {
	case !r.From(s.spec.to):
		return 403, nil
	case word(r.Header("Event")) != s.spec.event:
		return 489, []sipmsg.Header{{Name: "Allow-Events", Value: s.spec.event}}
	case len(r.Body) > 0 && word(r.ContentType) != document:
		return 415, []sipmsg.Header{{Name: "Accept", Value: document}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialog == nil {
		return 481, nil // it has just ended
	}
	first := !s.dialog.Begun()
	if code := s.dialog.Heard(r.Request); code != 0 {
		return code, nil
	}
	now := time.Now()
	s.Change(func(st *status.Subscription) { st.Heard, st.Notified = now, st.Notified+1 })
	state := r.Header("Subscription-State")
	if word(state) == "terminated" {
		s.terminated(parameter(state, "reason"), parameter(state, "retry-after"))
		return 200, nil
	}
	s.lives(word(state) == "pending", parameter(state, "expires"), first)
	if len(r.Body) > 0 {
		s.learn(r.Body)
	}
	return 200, nil
}

// lives notes that the subscription stands, and for how long. The lock is held.
func (s *subscription) lives(pending bool, expires string, first bool) {
	until := s.expires
	if d, ok := sipmsg.Seconds(expires); ok {
		until = time.Now().Add(min(d, s.asked))
	} else if until.IsZero() {
		until = time.Now().Add(s.asked)
	}
	if first || until.Before(s.expires.Add(-leastPause)) {
		s.expires = until
		s.soon(refreshIn(time.Until(until)))
	}
	s.Change(func(st *status.Subscription) {
		st.Expires = s.expires
		if pending {
			enter(st, status.SubscriptionPending)
			return
		}
		if st.State != status.SubscriptionActive {
			s.log.Info("subscription is active")
			st.Error = ""
		}
		enter(st, status.SubscriptionActive)
	})
}

// terminated ends the subscription, as the PBX wants, and plans the next one (RFC 6665 4.1.3). The lock is held.
func (s *subscription) terminated(reason, retryAfter string) {
	sound := s.sound()
	s.gone()
	wait, state := s.backoff(), status.SubscriptionFailed
	switch reason {
	case "deactivated", "timeout":
		if sound {
			s.failures, wait, state = 0, resumeIn(), status.Subscribing
		}
	case "rejected", "noresource", "invariant":
		wait, state = refusedPause, status.SubscriptionRefused
	}
	if d, ok := sipmsg.Seconds(retryAfter); ok {
		wait = max(wait, min(d, refusedPause))
	}
	s.soon(wait)
	s.Change(func(st *status.Subscription) {
		enter(st, state)
		if state != status.Subscribing {
			st.Error = fmt.Sprintf("the PBX has ended the subscription: %s", because(s.spec.event, reason))
			s.log.Warn("subscription ended by the PBX", "reason", printable.Text(reason))
		}
	})
}

// because says what a reason means for whoever looks for the cause.
func because(event, reason string) string {
	switch {
	case reason == "rejected" && event == eventMessages:
		return "this account may not see which messages wait (rejected)"
	case reason == "rejected":
		return "this account may not see who is on the phone (rejected)"
	case reason == "noresource" && event == eventMessages:
		return "it knows no such mailbox (noresource)"
	case reason == "noresource":
		return "it knows no such extension, or has no hint for it (noresource)"
	case reason == "":
		return "it gives no reason"
	}
	return printable.Text(reason)
}

// learn takes a document. One that is not understood makes the line unknown: it is neither free nor busy. The lock is held.
func (s *subscription) learn(body []byte) {
	if s.spec.event == eventMessages {
		s.messages(body)
		return
	}
	info, err := dialoginfo.Parse(body)
	if err != nil {
		s.puzzle(err)
		s.tell(false)
		return
	}
	if s.table.Apply(info) == dialoginfo.Missed {
		if now := time.Now(); now.Sub(s.missed) >= missedEvery {
			s.missed = now
			s.soon(missedPause)
		}
		return
	}
	s.Change(func(st *status.Subscription) { st.Error = "" })
	s.tell(true)
}

// messages takes a summary. One that is not understood changes nothing: messages do not go away by it.
func (s *subscription) messages(body []byte) {
	m, err := dialoginfo.ParseSummary(body)
	if err != nil {
		s.puzzle(err)
		return
	}
	s.Change(func(st *status.Subscription) { st.Error, st.Waiting, st.New = "", m.Waiting, int(m.Voice.New) })
	s.agent.waiting(s.spec.identity, m)
}

// puzzle notes a document that is not understood.
func (s *subscription) puzzle(err error) {
	if !s.puzzled {
		s.puzzled = true
		s.log.Warn("NOTIFY not understood", "err", err)
	}
	s.Change(func(st *status.Subscription) {
		st.Error = "the PBX tells what is not understood: " + printable.Text(err.Error())
	})
}

// tell says what is known of the line, if that has changed. The lock is held, so that changes are told in order.
func (s *subscription) tell(known bool) {
	if s.spec.event != eventDialog {
		return
	}
	s.agent.line(s.spec.identity, known, s.table.Dialogs())
	l := Line{Identity: s.spec.identity, Origin: FromSubscription, Known: known, Since: time.Now()}
	if known {
		for _, d := range s.table.Talks() {
			l.Busy, l.Calls = true, append(l.Calls, CallRef{CallID: d.CallID, Remote: d.Remote.URI})
		}
	}
	was := s.line
	if same(was, l) {
		return
	}
	if was.Known == l.Known && was.Busy == l.Busy {
		l.Since = was.Since
	}
	s.line = l
	s.Change(func(st *status.Subscription) { st.Busy, st.Calls = l.Busy, len(l.Calls) })
	s.agent.o.Line(l)
}

// enter changes the state.
func enter(st *status.Subscription, state status.SubscriptionState) {
	if st.State != state {
		st.State, st.Since = state, time.Now()
	}
}
