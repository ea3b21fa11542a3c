package sdp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// ParseBody reads the description in a SIP body: application/sdp itself, or the one inside multipart/… (RFC 5621), as Teams
// sends it with the caller's place on emergency calls (RFC 6442). A body without any description gives nil and no error.
// Another content type is *Error with code 415.
func ParseBody(contentType string, body []byte) (*Session, error) {
	description, err := dig(contentType, body, 0)
	if err != nil || description == nil {
		return nil, err
	}
	return Parse(description)
}

// maxDepth of multiparts in multiparts.
const maxDepth = 3

func dig(contentType string, body []byte, depth int) ([]byte, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if strings.TrimSpace(contentType) == "" { // RFC 3261 20.15 demands one; some leave it out
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("v=0")) {
			return body, nil
		}
		return nil, &Error{Code: 415, Text: "body without Content-Type"}
	}
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil && kind == "" {
		return nil, malformed("Content-Type %.80q: %v", contentType, err)
	}
	switch {
	case kind == "application/sdp":
		return body, nil
	case !strings.HasPrefix(kind, "multipart/"):
		if depth > 0 {
			return nil, nil // another part: a place, an ISUP message
		}
		return nil, &Error{Code: 415, Text: fmt.Sprintf("Content-Type %.80q is not a session description", kind)}
	case parameters["boundary"] == "":
		return nil, malformed("multipart body without boundary")
	case depth == maxDepth || len(body) > 4*maxBody:
		return nil, malformed("multipart body too deep or too long")
	}
	return digParts(multipart.NewReader(bytes.NewReader(body), parameters["boundary"]), depth)
}

func digParts(parts *multipart.Reader, depth int) ([]byte, error) {
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, malformed("multipart body: %v", err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, malformed("multipart body: %v", err)
		}
		contentType := part.Header.Get("Content-Type")
		if contentType == "" {
			continue // text/plain by RFC 2045
		}
		if found, err := dig(contentType, content, depth+1); found != nil {
			return found, nil
		} else if err != nil && strings.HasPrefix(strings.ToLower(contentType), "multipart/") {
			return nil, err
		}
	}
}
