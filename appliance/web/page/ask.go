package page

import (
	"net/http"
)

// Question is asked before something is done that cannot be taken back.
type Question struct {
	Title  string
	Text   string // what a page asks, in the user's language
	Said   string // what the box has said before its question, in English
	Box    string // what the box asks, in English; instead of Text
	Action string // takes Fields, and the answer: the value of "answer" is that of Answer
	Fields map[string]string
	Answer string
	Yes    string // the button
	Back   string // where no leads to
}

// Ask answers with a question. Its fields are no secrets: they stand in the page.
func (q *Request) Ask(x Question) error { return q.RenderTitled(x.Title, "ask.html", x) }

// Refusal is why a form was not taken. The form says so at the field; Words are those of the box, in English.
type Refusal struct {
	Field string
	Text  string
	Words bool
}

// At is the refusal when it is about a field.
func (r Refusal) At(field string) *Refusal {
	if r.Field != field || r.Text == "" {
		return nil
	}
	return &r
}

// RefusedStatus is the status of HTTP of a form that is not taken.
const RefusedStatus = http.StatusUnprocessableEntity

// Refuse says why a form is not taken: to a script, which shows it at the field and keeps what was typed, or with the page that again renders.
func (q *Request) Refuse(r Refusal, again func() error) error {
	if !q.Scripted() {
		return again()
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(RefusedStatus)
	return q.JSON(map[string]any{"field": r.Field, "error": r.Text, "words": r.Words})
}
