package setup

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
	"viaduct/appliance/wizard"
)

// keyed is the step with certificate and licenses.
type keyed struct {
	ACME        bool
	Names       []string // of what the configuration wants
	Missing     []string
	Certificate *status.Key
	Order       string // what `show acme` says
	Licenses    status.Licenses
}

func keys(q *page.Request, d *draft) (k keyed, err error) {
	x := d.Answers.Certificate
	k.ACME = x.From == wizard.ACME
	var all []status.Key
	if err := q.Status("keys", nil, &all); err != nil {
		return k, err
	}
	for _, name := range wizard.Store(d.Answers) {
		i := slices.IndexFunc(all, func(s status.Key) bool { return fmt.Sprintf("pki:%s/%s", s.Kind, s.Name) == name })
		if i < 0 {
			k.Missing = append(k.Missing, name)
			continue
		}
		if name == "pki:certificate/"+x.Name {
			k.Certificate = &all[i]
		}
	}
	if k.ACME {
		out, err := q.Enabled("show acme", "", false)
		if err != nil {
			return k, err
		}
		k.Order = out.Text
	}
	return k, q.Status("licenses", nil, &k.Licenses)
}

// importKeys takes a pasted certificate with its chain, and its key.
func importKeys(q *page.Request) error {
	d, err := drafted(q)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range []struct{ line, text string }{
		{"import pki:private-key/" + wizard.KeyName(d.Answers), q.Form("key")},
		{"import pki:certificate/" + d.Answers.Certificate.Name, q.Form("chain")},
		{"import pki:certificate/" + wizard.PBXRoot, q.Form("pbx")},
	} {
		if strings.TrimSpace(x.text) == "" {
			continue
		}
		out, err := q.Enabled(x.line, strings.TrimSpace(x.text)+"\n", true)
		if err != nil {
			return err
		}
		kind := "ok"
		if !out.OK {
			kind = "error"
		}
		q.Toast(kind, out.Text)
	}
	return q.Redirect("/setup/keys")
}

// license installs pasted licenses.
func license(q *page.Request) error {
	var lines []string
	for line := range strings.Lines(q.Form("licenses")) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "install license "))
		if line != "" && line[0] != '#' && len(lines) < 100 {
			lines = append(lines, "install license "+line)
		}
	}
	for _, line := range lines {
		out, err := q.Enabled(line, "", true)
		if err != nil {
			return err
		}
		if !out.OK {
			q.Toast("error", out.Text)
			return q.Redirect("/setup/keys")
		}
	}
	if len(lines) > 0 {
		q.Toast("ok", q.N("setup.licensed", len(lines)))
	}
	return q.Redirect("/setup/keys")
}

// tenant is the step with what others have to do.
type tenant struct {
	Complete bool
	a        wizard.Answers
}

// Lines are those of PowerShell.
func (t tenant) Lines() string { return wizard.Tenant(t.a) }

// Records are those of name servers.
func (t tenant) Records() []wizard.Record { return wizard.Records(t.a) }

// Rules are those of the firewall in front.
func (t tenant) Rules() []wizard.Rule { return wizard.Rules(t.a) }

// check runs `check all`, and sends on what it says while it says it.
func check(q *page.Request) error {
	w := q.Raw()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	control := http.NewResponseController(w)
	r := wire.ExecRequest{Mode: []string{wire.Enabled}, Line: "check all", User: q.User, TTY: q.TTY}
	began := false
	err := q.Client().Exec(q.Context(), r, func(a wire.Answer) error {
		control.SetWriteDeadline(time.Now().Add(page.AnswerTime))
		began = true
		if _, err := io.WriteString(w, printable.Lines(a.Text)); err != nil {
			return err
		}
		return control.Flush()
	})
	if err != nil && began {
		panic(http.ErrAbortHandler) // so that the browser sees that it is not whole
	}
	return err
}

// calls are those that the last step shows.
type calls struct {
	Now  []status.Call
	Last *status.Record
}

// firstCall is the call that has come, while it lasts and afterwards.
func firstCall(q *page.Request) (string, any, error) {
	var c calls
	if err := q.Status("calls", nil, &c.Now); err != nil {
		return "", nil, err
	}
	var ended []status.Record
	if err := q.Status("records", map[string][]string{"last": {"1"}}, &ended); err != nil {
		return "", nil, err
	}
	if len(ended) > 0 {
		c.Last = &ended[len(ended)-1]
	}
	return "call.html", c, nil
}
