package firmware

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// maxField is how many octets of a field beside a file are read.
const maxField = 1 << 10

// backup sends a backup, sealed with the pass phrase of the form.
func backup(q *page.Request) error {
	pass := q.Form("pass")
	switch {
	case pass == "":
		return q.Fail(http.StatusBadRequest, "firmware.nopass")
	case pass != q.Form("again"):
		return q.Fail(http.StatusBadRequest, "firmware.differ")
	case strings.ContainsAny(pass, "\r\n"):
		return q.Fail(http.StatusBadRequest, "firmware.nopass")
	}
	var s status.System
	if err := q.Status("system", nil, &s); err != nil {
		return err
	}
	out, err := q.Enabled("export backup", pass+"\n", false)
	switch {
	case err != nil:
		return err
	case !out.OK || out.Cut:
		return answer(q, out)
	}
	attached(q, fmt.Sprintf("backup-%s-%s.txt", s.Serial, time.Now().In(q.Zone()).Format(time.DateOnly)))
	_, err = io.WriteString(q.Raw(), out.Text)
	return err
}

// attached makes the answer a file.
func attached(q *page.Request, name string) {
	h := q.Raw().Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}

// restore says what a backup holds, or restores it.
func restore(q *page.Request) error {
	if q.Parts == nil {
		return q.Fail(http.StatusBadRequest, "firmware.nofile")
	}
	field, err := fields(q.Parts)
	if err != nil || field["file"] == "" {
		return q.Fail(http.StatusBadRequest, "firmware.nofile")
	}
	if field["pass"] == "" || strings.ContainsAny(field["pass"], "\r\n") {
		return q.Fail(http.StatusBadRequest, "firmware.nopass")
	}
	line := "check backup"
	if field["do"] == "restore" {
		line = "import backup"
	}
	text := strings.TrimRight(strings.ReplaceAll(field["file"], "\r\n", "\n"), "\n")
	out, err := q.Enabled(line, text+"\n"+field["pass"]+"\n", false)
	switch {
	case err != nil:
		return err
	case !q.Scripted():
		return answer(q, out)
	}
	return q.JSON(progress{Done: true, OK: out.OK, Text: strings.TrimSpace(out.Text)})
}

// fields reads a form whose files are small.
func fields(parts *multipart.Reader) (map[string]string, error) {
	all := map[string]string{}
	for len(all) < 8 {
		part, err := parts.NextPart()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		most := int64(maxField)
		if part.FileName() != "" {
			most = wire.MaxBody - maxField // the pass phrase comes on top
		}
		text, err := io.ReadAll(io.LimitReader(part, most+1))
		if err != nil {
			return nil, err
		}
		if int64(len(text)) > most {
			return nil, fmt.Errorf("%s is too large", part.FormName())
		}
		all[part.FormName()] = string(text)
	}
	return all, nil
}

// savedName is the name of a saved configuration.
var savedName = regexp.MustCompile(`^(startup-config(\.[0-9]{1,2})?|running-config|factory-config)$`)

// saved sends a saved configuration.
func saved(q *page.Request) error {
	name := q.Path("name")
	if !savedName.MatchString(name) {
		return q.Fail(http.StatusNotFound, "firmware.noconfig")
	}
	return attach(q, "copy "+name+" console:", name+".cfg")
}

// support sends what support asks for.
func support(q *page.Request) error {
	return attach(q, "show tech-support", "support-"+time.Now().In(q.Zone()).Format("2006-01-02-1504")+".txt")
}

// mostRecords is how many calls the table of a day has at most: as many as the command gives.
const mostRecords = 10_000

// records sends the calls of one day as a table.
func records(q *page.Request) error {
	day, err := time.ParseInLocation(time.DateOnly, q.Query("day"), q.Zone())
	if err != nil {
		return q.Fail(http.StatusBadRequest, "firmware.noday")
	}
	const minute = "2006-01-02T15:04"
	line := fmt.Sprintf("show calls history %d since %s until %s csv", mostRecords, day.Format(minute), day.AddDate(0, 0, 1).Format(minute))
	return attach(q, line, "calls-"+day.Format(time.DateOnly)+".csv")
}

// attach sends the answer to a command as a file, as it comes. Where the box refuses before there is any of it, its words become a page.
func attach(q *page.Request, line, name string) error {
	w := http.NewResponseController(q.Raw())
	began := false
	var said page.Outcome
	err := q.Client().Exec(q.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, User: q.User, TTY: q.TTY}, func(a wire.Answer) error {
		switch {
		case a.Text == "":
			return nil
		case !began && strings.HasPrefix(a.Text, "%"):
			said.Text += a.Text
			return nil
		case !began:
			began = true
			attached(q, name)
		}
		w.SetWriteDeadline(time.Now().Add(page.AnswerTime))
		_, err := io.WriteString(q.Raw(), a.Text)
		return err
	})
	switch {
	case began && err != nil:
		panic(http.ErrAbortHandler) // so that the browser sees that the file is not whole
	case began:
		return nil
	case err != nil:
		return err
	}
	return answer(q, said)
}
