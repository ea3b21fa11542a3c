package people

import (
	"errors"
	"io"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/pasted"
	"viaduct/appliance/usermatch"
	"viaduct/appliance/web/page"
)

// preview is what would become of a table.
type preview struct {
	Text string // in the box's words
	OK   bool   // something of it would be taken
}

// table shows what would become of a table of users, and takes it when the user has seen that.
func table(q *page.Request) error {
	name, text, take, err := received(q)
	if err != nil {
		return err
	}
	v, err := setupOf(q, name)
	if err != nil {
		return err
	}
	refuse := func(why string, words bool) error {
		v.Refused, v.Text = page.Refusal{Field: "table", Text: why, Words: words}, text
		return q.Refuse(v.Refused, func() error { return q.RenderStatus(page.RefusedStatus, v.Name, "service.html", v) })
	}
	if strings.TrimSpace(text) == "" {
		return refuse(q.T("people.table.none"), false)
	}
	line := "import presence-users " + cli.Quote(v.Name)
	if !take {
		line += " check"
	}
	out, err := q.Enabled(line, text, false)
	if err != nil {
		return err
	}
	if take {
		if !out.Changed && !out.OK {
			return refuse(why(out), true)
		}
		q.Toast(map[bool]string{true: "ok", false: "warning"}[out.OK], strings.TrimSpace(out.Text))
		return q.Redirect("/people/service?name=" + v.Name)
	}
	v.Text, v.Preview = text, &preview{Text: strings.TrimSpace(out.Text), OK: out.OK}
	return q.RenderTitled(v.Name, "preview.html", v)
}

// received reads the form: a text, or a file in its place.
func received(q *page.Request) (name, text string, take bool, err error) {
	if q.Parts == nil {
		return q.Form("name"), q.Form("table"), q.Form("take") != "", nil
	}
	for range 8 {
		part, err := q.Parts.NextPart()
		if errors.Is(err, io.EOF) {
			return name, text, take, nil
		}
		if err != nil {
			return name, text, take, q.Fail(400, "people.table.cut")
		}
		b, err := io.ReadAll(io.LimitReader(part, usermatch.MaxTable+1))
		switch {
		case err != nil:
			return name, text, take, q.Fail(400, "people.table.cut")
		case len(b) > usermatch.MaxTable:
			return name, text, take, q.Fail(413, "people.table.large")
		case part.FormName() == "name":
			name = string(b)
		case part.FormName() == "take":
			take = len(b) > 0
		case part.FormName() == "table" && text == "", part.FormName() == "file" && len(b) > 0:
			utf8, _ := pasted.Decode(b) // Excel's "Unicode text" is UTF-16
			text = string(utf8)
		}
	}
	return name, text, take, nil
}
