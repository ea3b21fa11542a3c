package party

import (
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// Diverted is how often a call was forwarded, and by whom, according to History-Info (RFC 7044, 4244) or Diversion (RFC 5806). It is written out for
// another box, which goes on with the call.
type Diverted struct {
	Times   int    `json:"times"`            // that it was forwarded; 0: never
	By      string `json:"by,omitempty"`     // number of the last who did
	Reason  string `json:"reason,omitempty"` // as Diversion says it: "unconditional", "user-busy", "no-answer", ...
	Private bool   `json:"private,omitempty"`
}

func list(r *sipmsg.Request, name string) []sipmsg.NameAddr { return sipmsg.ParseList(r.Headers(name)) }

// DivertedOf reads it from an INVITE that begins a call.
func DivertedOf(sw *config.Switch, r *sipmsg.Request) Diverted {
	if d := diversions(sw, list(r, "Diversion")); d.Times > 0 {
		return d
	}
	return history(sw, list(r, "History-Info"))
}

// causes are the reasons of Diversion for the causes of History-Info (RFC 7544 7, RFC 4458 2).
var causes = map[string]string{
	"302": "unconditional", "404": "unknown", "408": "no-answer", "480": "deflection", "486": "user-busy", "487": "deflection", "503": "unavailable",
}

// history reads History-Info. The entry of a party that forwards a call has a Reason with a cause, as Teams writes it (teams.md
// A.34), or the entry of the new destination has a cause (RFC 7044).
func history(sw *config.Switch, entries []sipmsg.NameAddr) (d Diverted) {
	for i, e := range entries {
		reason, ok := causes[reasonIn(e.URI)]
		if !ok && i+1 < len(entries) {
			cause, _ := sipmsg.SplitURI(entries[i+1].URI).Param("cause")
			reason, ok = causes[cause]
		}
		if user := Number(sw, e.URI); ok && user != "" {
			d = Diverted{Times: d.Times + 1, By: user, Reason: reason, Private: strings.Contains(strings.ToLower(e.URI), "privacy=history")}
		}
	}
	if len(entries) > 0 && d.Times > 0 {
		// An index such as 1.1.1 counts the steps even where entries were taken out.
		d.Times = max(d.Times, strings.Count(entries[len(entries)-1].Param("index"), "."))
	}
	return d
}

// reasonIn is the cause of a Reason header inside a URI: <sip:a@b?Reason=SIP%3Bcause%3D302>.
func reasonIn(uri string) string {
	_, headers, _ := strings.Cut(uri, "?")
	for h := range strings.SplitSeq(headers, "&") {
		name, value, _ := strings.Cut(h, "=")
		if !strings.EqualFold(name, "Reason") {
			continue
		}
		if text, err := url.PathUnescape(value); err == nil {
			value = text
		}
		for one := range strings.SplitSeq(value, ",") {
			if protocol, params, _ := strings.Cut(one, ";"); strings.EqualFold(strings.TrimSpace(protocol), "SIP") {
				cause, _ := sipmsg.Param(params, "cause")
				return cause
			}
		}
	}
	return ""
}

// diversions reads Diversion. Its first entry is the last party that forwarded.
func diversions(sw *config.Switch, entries []sipmsg.NameAddr) (d Diverted) {
	for i, e := range entries {
		n, _ := strconv.Atoi(e.Param("counter"))
		d.Times += min(max(n, 1), 100)
		if i == 0 {
			d.By, d.Reason = Number(sw, e.URI), strings.ToLower(e.Param("reason"))
			if strings.Trim(d.Reason, "abcdefghijklmnopqrstuvwxyz-") != "" || d.Reason == "" {
				d.Reason = "unknown"
			}
			privacy := strings.ToLower(e.Param("privacy"))
			d.Private = privacy == "full" || privacy == "name" || privacy == "uri"
		}
	}
	return d
}

// Header is the Diversion header for the peer behind interface i, in an INVITE with this identity.
func (d Diverted) Header(cfg *config.Config, i *config.SIPInterface, id Identity) []sipmsg.Header {
	return d.header(ourHost(cfg, i, i.Gateway.In(cfg)), strings.Contains(id.To.Params, "user=phone"))
}

// header tells a peer who has forwarded the call. A PBX shows it and chooses a greeting by it. It names only the last party, which
// keeps the INVITE small (teams.md B.9).
func (d Diverted) header(host string, phone bool) []sipmsg.Header {
	if d.Times == 0 || d.By == "" {
		return nil
	}
	a := Address{User: d.By, Host: host}
	if phone && IsNumber(d.By) {
		a.Params = ";user=phone"
	}
	v := "<" + a.String() + ">;reason=" + d.Reason + ";counter=" + strconv.Itoa(d.Times)
	if d.Private {
		v += ";privacy=full"
	}
	return []sipmsg.Header{{Name: "Diversion", Value: v}}
}
