package page

import (
	"bytes"
	"net/http"
	"time"
)

// Stream begins an answer of server-sent events, which Event sends.
func (q *Request) Stream() {
	q.w.Header().Set("Content-Type", "text/event-stream")
	q.extend()
	http.NewResponseController(q.w).Flush() // an error is a closed connection: the next event sees it
}

// Event sends a template as an event of a stream. Its error is the end of the connection, or a mistake in the template.
func (q *Request) Event(name, template string, data any) error {
	html, err := q.fragment(template, data)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("event: " + name)
	for line := range bytes.SplitSeq(bytes.TrimSpace(html), []byte("\n")) {
		b.WriteString("\ndata: ")
		b.Write(bytes.TrimSuffix(line, []byte("\r")))
	}
	b.WriteString("\n\n")
	q.extend()
	if _, err := q.w.Write(b.Bytes()); err != nil {
		return err
	}
	return http.NewResponseController(q.w).Flush()
}

// extend gives the browser time for what comes next.
func (q *Request) extend() {
	http.NewResponseController(q.w).SetWriteDeadline(time.Now().Add(AnswerTime))
}
