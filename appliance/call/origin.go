package call

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
)

// origin is what a call brings along that is no property of routing: how far it has come, and who has forwarded it.
type origin struct {
	forwards    int // Max-Forwards that is left for the next INVITE
	hops        int // times that it has passed through this box, see sipgw.Incoming
	geolocation geolocation
	diverted
}

// diverted is what History-Info (RFC 7044, 4244) or Diversion (RFC 5806) tell of a call.
type diverted struct {
	times   int    // that it was forwarded; 0: never
	by      string // number of the last who did
	reason  string // as Diversion says it: "unconditional", "user-busy", "no-answer", ...
	private bool
}

const (
	defaultForwards = 70 // RFC 3261 8.1.1.6
	maxDiversions   = 10 // ISUP allows 5; more is a loop
)

// originOf reads it from an INVITE that begins a call.
func originOf(sw *config.Switch, r *sipmsg.Request, hops int) origin {
	o := origin{forwards: defaultForwards, hops: hops, geolocation: geolocationOf(r), diverted: history(sw, list(r, "History-Info"))}
	if n, err := strconv.Atoi(strings.TrimSpace(r.Header("Max-Forwards"))); err == nil {
		o.forwards = max(0, n-1)
	}
	if d := diversions(sw, list(r, "Diversion")); d.times > 0 {
		o.diverted = d
	}
	return o
}

func list(r *sipmsg.Request, name string) []sipmsg.NameAddr { return sipmsg.ParseList(r.Headers(name)) }

// causes are the reasons of Diversion for the causes of History-Info (RFC 7544 7, RFC 4458 2).
var causes = map[string]string{
	"302": "unconditional", "404": "unknown", "408": "no-answer", "480": "deflection", "486": "user-busy", "487": "deflection", "503": "unavailable",
}

// history reads History-Info. Who forwards a call is marked by a Reason with a cause in its own entry, which is how Teams says it
// (teams.md A.34), or by a cause in the entry of the new destination (RFC 7044).
func history(sw *config.Switch, entries []sipmsg.NameAddr) (d diverted) {
	for i, e := range entries {
		reason, ok := causes[reasonIn(e.URI)]
		if !ok && i+1 < len(entries) {
			cause, _ := sipmsg.SplitURI(entries[i+1].URI).Param("cause")
			reason, ok = causes[cause]
		}
		if user := number(sw, e.URI); ok && user != "" {
			d = diverted{times: d.times + 1, by: user, reason: reason, private: strings.Contains(strings.ToLower(e.URI), "privacy=history")}
		}
	}
	if len(entries) > 0 && d.times > 0 {
		// An index such as 1.1.1 counts the steps even where entries were taken out.
		d.times = max(d.times, strings.Count(entries[len(entries)-1].Param("index"), "."))
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

// diversions reads Diversion; the first is the last who forwarded.
func diversions(sw *config.Switch, entries []sipmsg.NameAddr) (d diverted) {
	for i, e := range entries {
		n, _ := strconv.Atoi(e.Param("counter"))
		d.times += min(max(n, 1), 100)
		if i == 0 {
			d.by, d.reason = number(sw, e.URI), strings.ToLower(e.Param("reason"))
			if strings.Trim(d.reason, "abcdefghijklmnopqrstuvwxyz-") != "" || d.reason == "" {
				d.reason = "unknown"
			}
			privacy := strings.ToLower(e.Param("privacy"))
			d.private = privacy == "full" || privacy == "name" || privacy == "uri"
		}
	}
	return d
}

// header tells a peer who has forwarded the call: a PBX shows it, and chooses a greeting by it. Only the last one is named, so
// that the INVITE stays small (teams.md B.9).
func (d diverted) header(host string, phone bool) []sipmsg.Header {
	if d.times == 0 || d.by == "" {
		return nil
	}
	a := address{User: d.by, Host: host}
	if phone && isNumber(d.by) {
		a.Params = ";user=phone"
	}
	v := "<" + a.String() + ">;reason=" + d.reason + ";counter=" + strconv.Itoa(d.times)
	if d.private {
		v += ";privacy=full"
	}
	return []sipmsg.Header{{Name: "Diversion", Value: v}}
}

// headers are what our INVITE to interface i carries beside what every INVITE has. Nothing of the caller's own headers is passed
// on as it stands: what belongs to one side (X-, User-Agent, route and charging headers) stays there.
func (c *call) headers(i *config.SIPInterface, id identity) []sipmsg.Header {
	h := append([]sipmsg.Header{{Name: "Max-Forwards", Value: strconv.Itoa(c.origin.forwards)}}, id.headers()...)
	if !i.Teams() { // Teams does not read it (teams.md A.34)
		h = append(h, c.origin.header(ourHost(c.cfg, i, i.Gateway.In(c.cfg)), strings.Contains(id.To.Params, "user=phone"))...)
	}
	return h
}

// allows reports whether a message's Allow header names a method.
func allows(headers func(string) []string, method string) bool {
	for _, v := range headers("Allow") {
		for m := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(m), method) {
				return true
			}
		}
	}
	return false
}

// geolocation is where a caller is, as Teams says it with emergency calls (RFC 6442, teams.md A.35): header fields, and the parts of the
// body that they name. It is passed on only where the interface says so (`geolocation pass`).
type geolocation struct {
	headers []sipmsg.Header
	parts   []sipmsg.Part
}

// geolocationOf reads it from an INVITE; the zero place: nothing is said.
func geolocationOf(r *sipmsg.Request) (p geolocation) {
	for _, name := range []string{"Geolocation", "Geolocation-Routing"} {
		for _, v := range r.Headers(name) {
			p.headers = append(p.headers, sipmsg.Header{Name: name, Value: v})
		}
	}
	if len(p.headers) == 0 {
		return p
	}
	kind, parameters, err := mime.ParseMediaType(r.ContentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return p
	}
	for parts := multipart.NewReader(bytes.NewReader(r.Body), parameters["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err != nil {
			return p // the end, or what is no part
		}
		if kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil || kind != "application/pidf+xml" {
			continue
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return p
		}
		one := sipmsg.Part{Content: content}
		for _, name := range []string{"Content-Type", "Content-ID", "Content-Disposition", "Content-Transfer-Encoding"} {
			if v := part.Header.Get(name); v != "" {
				one.Headers = append(one.Headers, sipmsg.Header{Name: name, Value: v})
			}
		}
		p.parts = append(p.parts, one)
	}
}

// toldTo is what the peer of an interface is told of the place.
func (p geolocation) toldTo(i *config.SIPInterface) geolocation {
	if !i.PassLocation {
		return geolocation{}
	}
	return p
}

// maxAlike is how many calls from one number to another may be under way, none of them answered, before they are taken for one
// that goes in a circle: two users who forward to each other on both sides make a new call with new Call-ID and fresh Max-Forwards
// on every round, and each takes a license and two ports.
const maxAlike = 20

// loopKey is what is the same in every loopKey of such a loop.
type loopKey struct {
	iface           config.InterfaceID
	calling, called string
}

// looping reports whether a call is one round too many, and counts it otherwise.
func (c *call) looping(in *sipgw.Incoming) bool {
	if c.origin.times > maxDiversions {
		return true
	}
	r := loopKey{in.Interface, c.props.CallingE164, c.props.CalledE164}
	if r.calling == "" || r.called == "" {
		return false
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.rounds[r] >= maxAlike {
		return true
	}
	c.m.rounds[r]++
	c.loop = &r
	return false
}

// endRound takes the call off that count: it was answered, or is over.
func (c *call) endRound() {
	if c.loop == nil {
		return
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.rounds[*c.loop]--; c.m.rounds[*c.loop] == 0 {
		delete(c.m.rounds, *c.loop)
	}
	c.loop = nil
}
