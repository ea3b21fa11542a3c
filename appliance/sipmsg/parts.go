package sipmsg

// Part is a part of a body beside the session description (RFC 5621), for example the caller's location.
type Part struct {
	Headers []Header // Content-Type and what else describes it
	Content []byte
}

// Attach makes one body from a session description and further parts. A re-INVITE carries the description alone.
func Attach(description []byte, parts []Part) (contentType string, body []byte) {
	boundary := Token(24)
	b := newText()
	for _, p := range append([]Part{{[]Header{{"Content-Type", "application/sdp"}, {"Content-Disposition", "session"}}, description}}, parts...) {
		b.WriteString("--" + boundary + "\r\n")
		for _, h := range p.Headers {
			if CheckHeaders([]Header{h}) == nil {
				writeHeader(b, h.Name, h.Value)
			}
		}
		b.WriteString("\r\n")
		b.Write(p.Content)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return "multipart/mixed;boundary=" + boundary, b.message()
}
