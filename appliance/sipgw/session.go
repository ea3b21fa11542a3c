package sipgw

import (
	"strconv"
	"time"

	"viaduct/appliance/sipmsg"
)

const (
	minSE        = 90 * time.Second // RFC 4028 4
	refreshAgain = 10 * time.Second // at the earliest
)

// session is the session timer of a leg (RFC 4028): the call is known to be alive because one side repeats its offer.
type session struct {
	interval time.Duration // agreed, or what we ask for; 0: no timer
	least    time.Duration // the peer's Min-SE
	ours     bool          // we refresh
	on       bool
	refresh  *time.Timer
	expire   *time.Timer
	// When they fire.
	refreshes, expires time.Time
}

func (s *session) stop() {
	for _, t := range []*time.Timer{s.refresh, s.expire} {
		if t != nil {
			t.Stop()
		}
	}
	s.on = false
}

// tooShort returns our Min-SE when a request asks for a shorter interval, else "".
func tooShort(req *sipmsg.Request) string {
	if n, _ := req.SessionExpires(); n > 0 && n < minSE && req.Supports("timer") {
		return secs(minSE)
	}
	return ""
}

func secs(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// sessionOffer are the headers of an INVITE of ours.
func (l *Leg) sessionOffer(out *outbound) []sipmsg.Header {
	if l.session.interval == 0 {
		return nil
	}
	v := secs(l.session.interval)
	if l.session.on { // a refresh keeps the roles (7.4)
		if l.session.ours {
			v += ";refresher=uac"
		} else {
			v += ";refresher=uas"
		}
	}
	return []sipmsg.Header{{Name: "Session-Expires", Value: v}, {Name: "Min-SE", Value: secs(max(minSE, l.session.least))}}
}

// sessionLonger takes a 422 and reports whether a longer interval is worth a try.
func (l *Leg) sessionLonger(res *sipmsg.Response) bool {
	least, ok := res.MinSE()
	if !ok || least <= l.session.interval || least > 24*time.Hour {
		return false
	}
	l.session.interval, l.session.least = least, least
	return true
}

// sessionAgreed takes what the 2xx to an INVITE of ours says (7.2).
func (l *Leg) sessionAgreed(res *sipmsg.Response) {
	n, refresher := res.SessionExpires()
	switch {
	case n > 0:
		l.startSession(n, refresher != "uas")
	case l.session.interval > 0:
		l.startSession(l.session.interval, true) // the peer has no timer: refreshing still shows that it is alive
	default:
		l.session.stop()
	}
}

// sessionAccept negotiates the timer for the 2xx to a request of the peer (9), starts it and returns the headers to send.
func (l *Leg) sessionAccept(req *sipmsg.Request) []sipmsg.Header {
	asked, refresher := req.SessionExpires()
	knows := req.Supports("timer")
	interval := l.iface.SessionTimer
	if l.session.on {
		interval = l.session.interval
	}
	switch {
	case asked > 0 && (interval == 0 || asked < interval):
		interval = asked
	case asked == 0 && interval == 0:
		l.session.stop()
		return nil
	}
	if least, ok := req.MinSE(); ok {
		interval = max(interval, least) // 9: never below the peer's least
		if asked > 0 {
			interval = min(interval, max(asked, least))
		}
	}
	interval = max(interval, minSE)
	ours := true
	switch {
	case !knows:
	case refresher == "uac":
		ours = false
	case refresher == "" && asked > 0:
		ours = false // the peer began it: let it go on
	}
	l.startSession(interval, ours)
	if ours {
		h := []sipmsg.Header{{Name: "Session-Expires", Value: secs(interval) + ";refresher=uas"}}
		if knows {
			h = append(h, sipmsg.Header{Name: "Require", Value: "timer"})
		}
		return h
	}
	return []sipmsg.Header{{Name: "Session-Expires", Value: secs(interval) + ";refresher=uac"}, {Name: "Require", Value: "timer"}}
}

// startSession starts the timer anew: refreshing at half the interval, giving up shortly before its end (10).
func (l *Leg) startSession(interval time.Duration, ours bool) {
	l.session.stop()
	interval = max(interval, minSE)
	l.session.interval, l.session.ours, l.session.on = interval, ours, true
	if ours {
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
	if l.session.on && l.session.ours {
		if wait == 0 {
			wait = max(refreshAgain, l.session.interval/10)
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
