package party

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// Diverted is how often a call was forwarded, and by whom, according to History-Info (RFC 7044, 4244) or Diversion (RFC 5806).
type Diverted struct {
	Times   int    // that it was forwarded; 0: never
	by      string // number of the last who did
	reason  string // as Diversion says it: "unconditional", "user-busy", "no-answer", ...
	private bool
}

// diverted is how a Diverted is written for another box.
type diverted struct {
	Times   int    `json:"times"`
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Private bool   `json:"private,omitempty"`
}

// MarshalJSON and UnmarshalJSON write it for another box, which goes on with the call.
func (d Diverted) MarshalJSON() ([]byte, error) {
	return json.Marshal(diverted{d.Times, d.by, d.reason, d.private})
}

func (d *Diverted) UnmarshalJSON(b []byte) error {
	var v diverted
	err := json.Unmarshal(b, &v)
	*d = Diverted{v.Times, v.By, v.Reason, v.Private}
	return err
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
			d = Diverted{Times: d.Times + 1, by: user, reason: reason, private: strings.Contains(strings.ToLower(e.URI), "privacy=history")}
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
			d.by, d.reason = Number(sw, e.URI), strings.ToLower(e.Param("reason"))
			if strings.Trim(d.reason, "abcdefghijklmnopqrstuvwxyz-") != "" || d.reason == "" {
				d.reason = "unknown"
			}
			privacy := strings.ToLower(e.Param("privacy"))
			d.private = privacy == "full" || privacy == "name" || privacy == "uri"
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
	if d.Times == 0 || d.by == "" {
		return nil
	}
	a := Address{User: d.by, Host: host}
	if phone && IsNumber(d.by) {
		a.Params = ";user=phone"
	}
	v := "<" + a.String() + ">;reason=" + d.reason + ";counter=" + strconv.Itoa(d.Times)
	if d.private {
		v += ";privacy=full"
	}
	return []sipmsg.Header{{Name: "Diversion", Value: v}}
}
