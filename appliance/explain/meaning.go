package explain

import (
	"fmt"
	"strings"

	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

// meaning is what a code means for a call.
type meaning struct {
	says  string // behind the code
	brief string // in a list of calls; "": the code
	do    string // "": there is nothing to repair
	user  bool   // it is what a user did: nothing failed
	end   string // the same as a sentence; "": the callee's side refused the call
	own   bool   // says is better than what the box has told the caller
}

const licensesFull = "All licenses were in use: `show licenses` has the peak and what was refused. More come with a license key, or hang up calls that are stuck (`show calls`)."

const notAvailable = "not available"

// meaningOf says why a call was not connected. The most exact statement counts: Microsoft's code, then what the box itself ran out of, then
// the code of the last peer, refined by its Q.850 cause where the code says little.
func meaningOf(r status.Record) meaning {
	last, _ := lastTried(&r)
	if m := r.Microsoft; m != nil && m.Code > 0 {
		if known := microsoft(m.Code); known.says != "" {
			return known.orBrief(fmt.Sprintf("Teams: %d", m.Code))
		}
	}
	own := r.By == status.ByBox
	switch {
	case own && strings.Contains(r.Reason, "no free license"):
		return meaning{own: true, says: r.Reason, brief: "no license", do: licensesFull}
	case own && (strings.HasSuffix(r.Reason, "taken out of service") || strings.HasSuffix(r.Reason, "is shut down")):
		return meaning{own: true, says: r.Reason, brief: "out of service", do: "Somebody wants it so: `no drain`, or `no shutdown`, ends it."}
	case own && strings.Contains(r.Reason, "media port"):
		return meaning{own: true, says: r.Reason, brief: "no ports", do: "Widen the range of media ports (`media-ports` of the interface), or find what holds them: `show calls`."}
	case own && last.Outcome == status.Declined:
		return meaning{own: true, user: true, says: r.Reason, brief: "does not want calls", end: "The box refused the call with " + code(r.Code) + ", because " + last.Text,
			do: "Nothing, if the user wants it so. `map-status` of the presence-service says which states refuse calls, `exclude` has a user rung whatever the state, and `show presence` has how they are."}
	case own && r.Code == 482:
		return meaning{own: true, says: "it goes round in a circle", brief: "loop",
			do: "Two users forward to each other, or a route sends the number back where it came from: take one of the forwards or routes away. `show call-router trace` walks a number through the tables."}
	case own && len(r.Attempts) == 0 && routeRefused(r.Route):
		return meaning{own: true, says: known(r.Reason, "no route"), brief: "no route",
			do: "Add a line for this number to the table named above, or a `route default`. `show call-router trace` tries it without a call."}
	}
	if own && len(r.Attempts) == 0 {
		m := meaning{own: true, says: known(r.Reason, codes[r.Code].says), brief: fmt.Sprintf("refused (%d)", r.Code)}
		if r.Code == 488 {
			m.brief, m.do = "no common codec", "Compare `profile voip` of "+r.From+" with what its peer offers: codec lines, and SRTP (`srtp transmission`)."
		}
		return m
	}
	if last.Outcome == status.Skipped && strings.HasPrefix(last.Text, "no phone ") {
		return meaning{says: last.Text, brief: "no phone", do: "Switch the phone on, or have it register with the box again."}
	}
	if last.Outcome == status.Skipped || last.Outcome == status.Unreached || last.Outcome == status.Silent {
		return meaning{says: last.Text, brief: "not reached"}
	}
	n := r.Code
	if last.Code >= 300 {
		n = last.Code
	}
	if n == 480 && !rang(&r) {
		return meaning{says: notAvailable, brief: notAvailable, end: "The callee is not available", do: codes[480].do}
	}
	m := codes[n].orBrief(fmt.Sprintf("refused (%d)", n))
	if c, ok := causes[last.Cause]; ok && vague[n] && !implied(n, last.Cause) {
		return c.orBrief(m.brief)
	}
	if m.says == "" {
		m.says = fmt.Sprintf("it answered with %d", n)
	}
	return m
}

func (m meaning) orBrief(brief string) meaning {
	if m.brief == "" {
		m.brief = brief
	}
	return m
}

// routeRefused reports whether the tables themselves turned the call away.
func routeRefused(steps []status.RouteStep) bool {
	return len(steps) > 0 && steps[len(steps)-1].Action == route.ActionReject
}

// vague are the codes that a gateway uses for nearly everything: a cause says more.
var vague = map[int]bool{400: true, 403: true, 404: true, 480: true, 500: true, 502: true, 503: true, 603: true}

// implied reports whether a cause only repeats a code. Beside 486 and 600 none says anything: Teams has 34 there (teams.md A.29).
func implied(code, cause int) bool {
	return route.CauseFromSIP(code) == cause || code == 486 || code == 600
}

// cause is a Q.850 cause with its meaning.
func cause(n int) string {
	if m, ok := causes[n]; ok {
		return fmt.Sprintf("%d (%s)", n, m.says)
	}
	return fmt.Sprint(n)
}

// microsoft is the meaning of Microsoft's code: one of the table, or 560 with the code that the box itself has sent.
func microsoft(code int) meaning {
	if m, ok := microsoftCodes[code]; ok {
		return m
	}
	if code/1000 == 560 {
		if m, ok := codes[code%1000]; ok {
			return meaning{says: fmt.Sprintf("this box answered with %d, %s", code%1000, m.says), brief: m.brief, do: m.do, user: m.user}
		}
	}
	return meaning{}
}
