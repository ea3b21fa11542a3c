package sdp

// refused is a stream that we do not take: its m-line goes into the answer with port 0.
type refused struct {
	media, proto string
	formats      []string
}

// Parse reads a description. Errors are *Error with code 400 (not SDP) or 488 (no audio stream).
func Parse(body []byte) (*Session, error) { return nil, &Error{400, "not written yet"} }

// ParseBody reads the description in a SIP body: application/sdp itself, or the one inside multipart/mixed (RFC 5621).
// An empty body gives nil and no error.
func ParseBody(contentType string, body []byte) (*Session, error) { return nil, nil }

// Marshal writes the description with CRLF line ends.
func (s *Session) Marshal() []byte { return nil }
