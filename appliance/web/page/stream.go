package page

import (
	"bytes"
	"net/http"
	"time"
)

// Stream begins an answer of server-sent events, which Event sends.
func (q *Request) Stream() {
	q.w.Header().Set("Content-Type", "text/event-stream")
	q.send(nil) // an error is a closed connection: the next event sees it
}

// Event sends a template as an event of a stream. Its error is the end of the connection, or a mistake in the template.
func (q *Request) Event(name, template string, data any) error {
	html, err := q.execute(template, data)
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
	return q.send(b.Bytes())
}

// send gives the browser some time for a part of the stream, and all the time until the next one: HTTP/2 ends a stream at its deadline, also while
// nothing is written.
func (q *Request) send(text []byte) error {
	out := http.NewResponseController(q.w)
	out.SetWriteDeadline(time.Now().Add(AnswerTime))
	if _, err := q.w.Write(text); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return out.SetWriteDeadline(time.Time{})
}
