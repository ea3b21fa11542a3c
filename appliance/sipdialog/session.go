package sipdialog

import (
	"strconv"
	"time"

	"viaduct/appliance/sipmsg"
)

// MinSE is the shortest session interval (RFC 4028 4).
const MinSE = 90 * time.Second

// Session is what is agreed about the session timer of a dialog (RFC 4028): the call is known to be alive because one side repeats its offer.
type Session struct {
	Interval time.Duration // agreed, or what we ask for; 0: no timer
	Least    time.Duration // the peer's Min-SE
	Ours     bool          // we refresh
	On       bool
}

// TooShort returns our Min-SE when a request asks for a shorter interval, else "".
func TooShort(req *sipmsg.Request) string {
	if n, _ := req.SessionExpires(); n > 0 && n < MinSE && req.Supports("timer") {
		return secs(MinSE)
	}
	return ""
}

func secs(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// Offer are the headers of an INVITE of ours.
func (s *Session) Offer() []sipmsg.Header {
	if s.Interval == 0 {
		return nil
	}
	v := secs(s.Interval)
	if s.On { // a refresh keeps the roles (7.4)
		if s.Ours {
			v += ";refresher=uac"
		} else {
			v += ";refresher=uas"
		}
	}
	return []sipmsg.Header{{Name: "Session-Expires", Value: v}, {Name: "Min-SE", Value: secs(max(MinSE, s.Least))}}
}

// Longer takes a 422 and reports whether a longer interval is worth a try.
func (s *Session) Longer(res *sipmsg.Response) bool {
	least, ok := res.MinSE()
	if !ok || least <= s.Interval || least > 24*time.Hour {
		return false
	}
	s.Interval, s.Least = least, least
	return true
}

// Agree takes what the 2xx to an INVITE of ours says (7.2). Without On there is no timer afterwards; with it, it begins anew.
func (s *Session) Agree(res *sipmsg.Response) {
	n, refresher := res.SessionExpires()
	switch {
	case n > 0:
		s.begin(n, refresher != "uas")
	case s.Interval > 0:
		s.begin(s.Interval, true) // the peer has no timer: refreshing still shows that it is alive
	default:
		s.On = false
	}
}

// Accept negotiates the timer for the 2xx to a request of the peer (9), and returns the headers to send. configured is the interval that we
// would ask for. Without On there is no timer afterwards; with it, it begins anew.
func (s *Session) Accept(req *sipmsg.Request, configured time.Duration) []sipmsg.Header {
	asked, refresher := req.SessionExpires()
	knows := req.Supports("timer")
	interval := configured
	if s.On {
		interval = s.Interval
	}
	switch {
	case asked > 0 && (interval == 0 || asked < interval):
		interval = asked
	case asked == 0 && interval == 0:
		s.On = false
		return nil
	}
	if least, ok := req.MinSE(); ok {
		interval = max(interval, least) // 9: never below the peer's least
		if asked > 0 {
			interval = min(interval, max(asked, least))
		}
	}
	interval = max(interval, MinSE)
	ours := true
	switch {
	case !knows:
	case refresher == "uac":
		ours = false
	case refresher == "" && asked > 0:
		ours = false // the peer began it: let it go on
	}
	s.begin(interval, ours)
	if ours {
		h := []sipmsg.Header{{Name: "Session-Expires", Value: secs(interval) + ";refresher=uas"}}
		if knows {
			h = append(h, sipmsg.Header{Name: "Require", Value: "timer"})
		}
		return h
	}
	return []sipmsg.Header{{Name: "Session-Expires", Value: secs(interval) + ";refresher=uac"}, {Name: "Require", Value: "timer"}}
}

func (s *Session) begin(interval time.Duration, ours bool) {
	s.Interval, s.Ours, s.On = max(interval, MinSE), ours, true
}
