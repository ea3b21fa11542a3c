package calls

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/cli"
	"viaduct/appliance/explain"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

const (
	perPage    = "25"
	mostWord   = 64 // characters of what is searched for
	inputTime  = "2006-01-02T15:04"
	tableLines = "10000"
)

// pastView is a search, and what it found.
type pastView struct {
	Search
	Found   []pastCall // newest first
	Older   string     // address of the next page; "": there is none
	Newest  string     // address of the first page
	Reached time.Time  // the search ended here, before it had found enough
	CSV     string     // address of the table
	Results []status.RecordResult
	Paged   bool // it is not the first page
}

// Search is what somebody searches for, as it was typed.
type Search struct{ Number, Since, Until, Result, Interface, Before string }

// Any reports whether anything is searched for.
func (s Search) Any() bool { return s.Number+s.Since+s.Until+s.Result+s.Interface != "" }

type pastCall struct {
	status.Record
	Brief  string
	Kind   string // of its badge
	Talked time.Duration
	Sides  []voiceView
}

func searchOf(q *page.Request) (s Search, err error) {
	s = Search{q.Query("number"), q.Query("since"), q.Query("until"), q.Query("result"), q.Query("interface"), q.Query("before")}
	for _, word := range []*string{&s.Number, &s.Interface, &s.Before, &s.Since, &s.Until, &s.Result} {
		*word = strings.TrimSpace(*word)
		if len(*word) > mostWord || strings.ContainsFunc(*word, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return s, q.Fail(http.StatusBadRequest, "calls.search.wrong")
		}
	}
	for _, text := range []string{s.Since, s.Until} {
		if _, err := time.Parse(inputTime, text); text != "" && err != nil {
			return s, q.Fail(http.StatusBadRequest, "calls.search.time")
		}
	}
	if s.Result != "" && !slices.Contains(status.RecordResults(), status.RecordResult(s.Result)) {
		return s, q.Fail(http.StatusBadRequest, "calls.search.wrong")
	}
	return s, nil
}

// address is the page with a search.
func (s Search) address(path string) string {
	v := url.Values{}
	for name, value := range map[string]string{"number": s.Number, "since": s.Since, "until": s.Until, "result": s.Result, "interface": s.Interface, "before": s.Before} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return path + "?" + v.Encode()
}

// query is the question for sbcd.
func (s Search) query(zone *time.Location) url.Values {
	v := url.Values{"last": {perPage}}
	for name, value := range map[string]string{"number": s.Number, "result": s.Result, "interface": s.Interface, "before": s.Before} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, text := range map[string]string{"since": s.Since, "until": s.Until} {
		if t, err := time.ParseInLocation(inputTime, text, zone); err == nil {
			v.Set(name, t.Format(time.RFC3339))
		}
	}
	return v
}

// line is the command that prints the same as a table.
func (s Search) line() string {
	words := []string{"show calls history", tableLines}
	for _, word := range [][2]string{{"number", s.Number}, {"since", s.Since}, {"until", s.Until}, {"result", s.Result}, {"interface", s.Interface}} {
		if word[1] != "" {
			words = append(words, word[0], cli.Quote(word[1]))
		}
	}
	return strings.Join(append(words, "csv"), " ")
}

func search(q *page.Request) (v pastView, err error) {
	if v.Search, err = searchOf(q); err != nil {
		return v, err
	}
	var found status.RecordsFound
	if err := q.Status("history", v.query(q.Zone()), &found); err != nil {
		return v, err
	}
	v.Results, v.Paged = status.RecordResults(), v.Before != ""
	for _, r := range slices.Backward(found.Records) {
		v.Found = append(v.Found, pastOf(r))
	}
	all := v.Search
	all.Before = ""
	v.CSV, v.Newest = all.address("/calls/history.csv"), all.address("/calls")
	if found.Older != "" {
		next := v.Search
		next.Before = found.Older
		v.Older = next.address("/calls")
		if len(found.Records) == 0 {
			v.Reached = found.Reached
		}
	}
	return v, nil
}

func pastOf(r status.Record) pastCall {
	p := pastCall{Record: r, Brief: explain.Brief(r), Kind: kindOf(r)}
	if !r.Connected.IsZero() && r.Ended.After(r.Connected) {
		p.Talked = r.Ended.Sub(r.Connected)
	}
	for _, m := range r.Media {
		if !r.Connected.IsZero() {
			p.Sides = append(p.Sides, voiceOf("", m.Codec, m.MOS))
		}
	}
	return p
}

// kindOf is the badge of a result.
func kindOf(r status.Record) string {
	switch {
	case r.Ended.IsZero():
		return "info"
	case explain.Failed(r):
		return "error"
	case r.Connected.IsZero():
		return "off"
	}
	return "ok"
}

// table sends the search as a table for spreadsheets, as the console prints it.
func table(q *page.Request) error {
	s, err := searchOf(q)
	if err != nil {
		return err
	}
	w, began := q.Raw(), false
	var refused string
	err = q.Client().Exec(q.Context(), wire.ExecRequest{Mode: []string{}, Line: s.line(), User: q.User, TTY: q.TTY}, func(a wire.Answer) error {
		if a.Done && a.Status != wire.OK {
			refused = a.Text + a.Why
			return nil
		}
		if a.Text == "" {
			return nil
		}
		if !began {
			began = true
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "calls.csv"}))
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(page.AnswerTime))
		_, err := w.Write([]byte(a.Text))
		return err
	})
	switch {
	case began && (err != nil || refused != ""):
		panic(http.ErrAbortHandler) // so that the browser sees that the file is not whole
	case err != nil:
		return err
	case refused != "":
		return q.Fail(http.StatusConflict, "frame.refused", refused)
	}
	return nil
}
