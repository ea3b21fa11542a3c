package sipgw

import (
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
)

// refreshAgain is how soon a refresh is tried again, at the earliest.
const refreshAgain = 10 * time.Second

// session is the session timer of a leg.
type session struct {
	sipdialog.Session
	refresh, expire    *time.Timer
	refreshes, expires time.Time // when they fire
}

func (s *session) stop() {
	for _, t := range []*time.Timer{s.refresh, s.expire} {
		if t != nil {
			t.Stop()
		}
	}
	s.On = false
}

// sessionAgreed takes what the 2xx to an INVITE of ours says.
func (l *Leg) sessionAgreed(res *sipmsg.Response) {
	l.session.Agree(res)
	l.startSession()
}

// sessionAccept negotiates the timer for the 2xx to a request of the peer, starts it and returns the headers to send.
func (l *Leg) sessionAccept(req *sipmsg.Request) []sipmsg.Header {
	h := l.session.Accept(req, l.iface.SessionTimer)
	l.startSession()
	return h
}

// startSession starts the timer anew, if there is one: refreshing at half the interval, giving up shortly before its end (10).
func (l *Leg) startSession() {
	on, interval := l.session.On, l.session.Interval
	l.session.stop()
	if !on {
		return
	}
	l.session.On = true
	if l.session.Ours {
		l.refreshIn(interval / 2)
	}
	l.expireIn(interval - min(32*time.Second, interval/3))
}

func (l *Leg) refreshIn(d time.Duration) {
	l.session.refreshes, l.session.refresh = time.Now().Add(d), l.after(d, l.refreshSession)
}

func (l *Leg) expireIn(d time.Duration) {
	l.session.expires, l.session.expire = time.Now().Add(d), l.after(d, func() { l.die(408, "session timer expired") })
}

// refreshLater is another try after a refusal, which leaves the session as it is until it expires (10): when the peer says, else
// so that there are some more tries.
func (l *Leg) refreshLater(wait time.Duration) {
	if l.session.On && l.session.Ours {
		if wait == 0 {
			wait = max(refreshAgain, l.session.Interval/10)
		}
		l.refreshIn(wait)
		l.refreshed()
	}
}

// refreshed tells the owner of an established leg that its state has changed.
func (l *Leg) refreshed() {
	if l.state == legConfirmed || l.state == legAnswered {
		l.emit(Refreshed{})
	}
}

// refreshSession repeats what we said last in a re-INVITE: Teams takes no UPDATE (A.25). It is the same to the byte, so that
// keys and ports stay (A.45).
func (l *Leg) refreshSession() {
	if l.state != legConfirmed || l.out != nil || l.asked() || len(l.offers.last) == 0 {
		// The INVITE that is under way refreshes, too, and starts the timer anew; should it be refused, this is the next chance.
		l.refreshIn(refreshAgain)
		return
	}
	l.reoffer(&outbound{refresh: true, invitation: invitation{offer: func() []byte { return l.offers.last }}})
}
