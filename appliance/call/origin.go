package call

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
)

// origin is what a call brings along that is no property of routing: how far it has come, and who has forwarded it.
type origin struct {
	forwards    int // Max-Forwards that is left for the next INVITE
	hops        int // times that it has passed through this box, see sipgw.Incoming
	geolocation geolocation
	diverted    party.Diverted
}

const (
	defaultForwards = 70 // RFC 3261 8.1.1.6
	maxDiversions   = 10 // ISUP allows 5; more is a loop
)

// originOf reads it from an INVITE that begins a call.
func originOf(sw *config.Switch, r *sipmsg.Request, hops int) origin {
	o := origin{forwards: defaultForwards, hops: hops, geolocation: geolocationOf(r), diverted: party.DivertedOf(sw, r)}
	if n, err := strconv.Atoi(strings.TrimSpace(r.Header("Max-Forwards"))); err == nil {
		o.forwards = max(0, n-1)
	}
	return o
}

// headers are what our INVITE to interface i carries beside what every INVITE has. Nothing of the caller's own headers is passed
// on as it stands: what belongs to one side (X-, User-Agent, route and charging headers) stays there.
func (c *call) headers(i *config.SIPInterface, id party.Identity) []sipmsg.Header {
	h := append([]sipmsg.Header{{Name: "Max-Forwards", Value: strconv.Itoa(c.origin.forwards)}}, id.Headers()...)
	if !i.Teams() { // Teams does not read it (teams.md A.34)
		h = append(h, c.origin.diverted.Header(c.cfg, i, id)...)
	}
	return h
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
	if c.origin.diverted.Times > maxDiversions {
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
