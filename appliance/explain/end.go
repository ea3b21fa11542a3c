package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

// end tells who ended the call, and why.
func (x *explanation) end() {
	r := &x.r
	switch {
	case r.Ended.IsZero() && r.Connected.IsZero():
		x.say(End, "It has been going on for %s and is not answered yet", span(x.now.Sub(r.Started)))
	case r.Ended.IsZero():
		x.say(End, "It is in progress, answered %s ago", span(x.now.Sub(r.Connected)))
	case !r.Connected.IsZero():
		x.hungUp()
	case r.By == status.ByCaller && elsewhere(r.Reason):
		x.say(End, "The caller's side gave up after %s, because the call was answered elsewhere", span(r.Ended.Sub(r.Started)))
	case r.By == status.ByCaller:
		x.say(End, "The caller gave up after %s%s", span(r.Ended.Sub(r.Started)), x.alerted())
	case r.By == status.ByAdministrator:
		x.say(End, "An administrator cleared it before it was answered")
	case r.By == status.ByTransfer:
		x.say(End, "It was joined with another call")
	default:
		x.failed()
	}
}

// alerted says whether the callee rang.
func (x *explanation) alerted() string {
	if rang(&x.r) {
		return ": it rang, and nobody answered"
	}
	return ", before anything rang"
}

// rang reports whether a destination has rung.
func rang(r *status.Record) bool {
	return slices.ContainsFunc(r.Attempts, func(a status.Attempt) bool { return !a.Ringing.IsZero() })
}

// hungUp tells the end of a call that was connected.
func (x *explanation) hungUp() {
	r := &x.r
	talked := span(r.Ended.Sub(r.Connected))
	because := ""
	if m := r.Microsoft; m != nil && r.Cause != 16 {
		because = microsoftSaid(m)
	} else if w := words(r.Reason); w != "" && r.Cause != 16 {
		because = ", saying \"" + w + "\""
	}
	if r.Cause > 0 && r.Cause != 16 {
		because = ", with Q.850 cause " + cause(r.Cause) + because
	}
	switch r.By {
	case status.ByCaller:
		x.say(End, "The caller (%s) hung up after %s%s", r.From, talked, because)
	case status.ByCallee:
		x.say(End, "The callee (%s) hung up after %s%s", r.To, talked, because)
	case status.ByAdministrator:
		x.say(End, "An administrator cleared it after %s", talked)
	case status.ByTransfer:
		x.say(End, "It ended after %s with the call that it was joined with, or handed over to", talked)
	case status.ByMedia:
		x.say(End, "The box ended it after %s: no voice came any more%s", talked, because)
		x.cure("Find out why voice stopped: a firewall or NAT that forgets UDP, a phone without network. `show calls detail 2` during a call counts packets of both sides.")
	default:
		why := ": " + r.Reason
		if side, what, found := strings.Cut(r.Reason, " is gone: "); found {
			why = fmt.Sprintf(", because %s's side was lost (%s)", side, what)
		}
		x.say(End, "The box ended it after %s%s", talked, why)
		if strings.Contains(r.Reason, "ACK") {
			x.cure("The 200 or its ACK was lost: look at the address in our Contact (`spoofed`, NAT) and at firewalls between here and " + x.lost() + ".")
		} else if strings.Contains(r.Reason, "is gone") {
			x.cure("See whether " + x.lost() + " was restarted or lost its connection then: `show log`.")
		}
	}
	if r.By == status.ByCaller || r.By == status.ByCallee {
		if r.Cause != 16 {
			x.cure(causes[r.Cause].do)
		}
		if r.Microsoft != nil {
			x.cure(microsoft(r.Microsoft.Code).do)
		}
	}
}

// lost is the interface of the side that is gone.
func (x *explanation) lost() string {
	if strings.HasPrefix(x.r.Reason, "the callee") {
		return x.r.To
	}
	return x.r.From
}

// failed tells why a call was not answered.
func (x *explanation) failed() {
	r := &x.r
	m := meaningOf(*r)
	took := ""
	if d := r.Ended.Sub(r.Started); d >= time.Second {
		took = " after " + span(d)
	}
	last, tried := lastTried(r)
	switch {
	case r.By == status.ByCallee && m.end != "":
		x.say(End, "%s%s%s", m.end, x.further(), x.passedOn(last))
	case r.By == status.ByCallee:
		x.say(End, "The callee's side refused the call%s: %s%s%s", took, m.says, x.further(), x.passedOn(last))
	case m.end != "":
		x.say(End, "%s%s", m.end, x.further())
	case r.By == status.ByBox && tried && last.Outcome != status.Answered && last.Outcome != status.Cancelled:
		x.say(End, "No destination took the call%s%s", took, x.passedOn(last))
	case m.own:
		x.say(End, "The box refused the call with %d: %s", r.Code, m.says)
	default:
		x.say(End, "The box refused the call with %s: %s", code(r.Code), known(r.Reason, m.says))
	}
	x.cure(m.do)
	for _, a := range r.Attempts {
		if a.Outcome == status.Unreached || a.Outcome == status.Skipped || a.Outcome == status.Silent {
			x.cure(unreached(a))
		}
	}
}

// further says that there were more destinations, which an answer like this one does not make the box try.
func (x *explanation) further() string {
	calls := 0
	for _, s := range x.r.Route {
		if s.Action == route.ActionCall {
			calls++
		}
	}
	switch n := calls - len(x.r.Attempts); {
	case n == 1:
		return ". The other destination was not tried: the hunt group does not go on after such an answer"
	case n > 1:
		return fmt.Sprintf(". The other %d destinations were not tried: the hunt group does not go on after such an answer", n)
	}
	return ""
}

// lastTried is the last destination that was asked, or was to be.
func lastTried(r *status.Record) (status.Attempt, bool) {
	if n := len(r.Attempts); n > 0 {
		return r.Attempts[n-1], true
	}
	return status.Attempt{}, false
}

// passedOn says what the caller was told, when that is something else.
func (x *explanation) passedOn(last status.Attempt) string {
	if x.r.Code == last.Code || x.r.Code == 0 {
		return ""
	}
	return ". The caller was told " + code(x.r.Code)
}

// unreached is what to do about a destination that was not asked, or did not respond.
func unreached(a status.Attempt) string {
	switch text := a.Text; {
	case a.Outcome == status.Silent:
		return a.Interface + " did not respond in time: `show sip penalty-box` and `show log` say since when."
	case strings.Contains(text, "registers none"):
		return "Registrations at " + a.Interface + " fail: `show sip registrations` says why."
	case strings.Contains(text, "OPTIONS"):
		return "The peer of " + a.Interface + " does not answer OPTIONS as it should: `show sip penalty-box` says since when and how."
	case strings.Contains(text, "no free license"):
		return licensesFull
	case strings.Contains(text, "handshake") || strings.Contains(text, "certificate") || strings.Contains(text, "tls"):
		return "TLS with the peer of " + a.Interface + " fails: `show config problems` and `show pki` name certificates that it or we do not take."
	case strings.Contains(text, "no such host") || strings.Contains(text, "lookup") || strings.Contains(text, "resolve"):
		return "The name of the peer of " + a.Interface + " is not found: check `dns-client server` and the name in its `remote`."
	case strings.Contains(text, "left alone"):
		return "The peer of " + a.Interface + " has asked to be left alone for a while (503 with Retry-After). Calls go there again when that time is over."
	case a.Outcome == status.Unreached:
		return "The peer of " + a.Interface + " cannot be reached: is it up, is the address in its `remote` right, does a firewall stand between? `ping` it."
	}
	return ""
}

// elsewhere reports whether a Reason says that the call was answered by another phone (teams.md A.31).
func elsewhere(reason string) bool {
	reason = strings.ReplaceAll(strings.ToLower(reason), " ", "")
	return strings.HasPrefix(reason, "sip;cause=200") || strings.HasPrefix(reason, "q.850;cause=26")
}
