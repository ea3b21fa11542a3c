package call

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// place is where a caller is, as Teams says it with emergency calls (RFC 6442, teams.md A.35): header fields, and the parts of the
// body that they name. It is passed on only where the interface says so (`geolocation pass`).
type place struct {
	headers []sipmsg.Header
	parts   []sipmsg.Part
}

// placeOf reads it from an INVITE; the zero place: nothing is said.
func placeOf(r *sipmsg.Request) (p place) {
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
func (p place) toldTo(i *config.SIPInterface) place {
	if !i.PassLocation {
		return place{}
	}
	return p
}
