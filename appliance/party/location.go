package party

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// Location is where a caller is. Teams says it with emergency calls (RFC 6442, teams.md A.35), in header fields and in parts of
// the body that they name. It is passed on only to interfaces with `geolocation pass`.
type Location struct {
	Headers []sipmsg.Header
	Parts   []sipmsg.Part
}

// LocationOf reads it from an INVITE. The zero value: the INVITE says nothing.
func LocationOf(r *sipmsg.Request) (p Location) {
	for _, name := range []string{"Geolocation", "Geolocation-Routing"} {
		for _, v := range r.Headers(name) {
			p.Headers = append(p.Headers, sipmsg.Header{Name: name, Value: v})
		}
	}
	if len(p.Headers) == 0 {
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
		p.Parts = append(p.Parts, one)
	}
}

// ToldTo is the part of the location that the peer of an interface is told: all, or nothing.
func (p Location) ToldTo(i *config.SIPInterface) Location {
	if !i.PassLocation {
		return Location{}
	}
	return p
}
