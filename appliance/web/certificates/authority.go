package certificates

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// internalView is the internal CA.
type internalView struct {
	view
	CA status.InternalCA
}

func internalPage(q *page.Request) error {
	v := internalView{view: newView(q, "internal")}
	if err := q.Status("internal-ca", nil, &v.CA); err != nil {
		return err
	}
	return q.Render("internal.html", v)
}

// root sends the root of the internal CA, for phones and browsers.
func root(q *page.Request) error {
	var ca status.InternalCA
	if err := q.Status("internal-ca", nil, &ca); err != nil {
		return err
	}
	if ca.PEM == "" {
		return q.Fail(http.StatusNotFound, "certificates.internal.none")
	}
	return attach(q, "root.pem", "application/x-pem-file", ca.PEM)
}

// refuseInternal shows the internal CA again, with why a form was not taken.
func refuseInternal(q *page.Request, r page.Refusal) error {
	return q.Refuse(r, func() error {
		v := internalView{view: newView(q, "internal")}
		if !v.May {
			return &page.Problem{Status: page.RefusedStatus, Text: r.Text}
		}
		v.Refused = r
		if err := q.Status("internal-ca", nil, &v.CA); err != nil {
			return err
		}
		return q.RenderStatus(page.RefusedStatus, q.T("certificates.title"), "internal.html", v)
	})
}

func create(q *page.Request) error {
	words := []string{"generate", "pki:internal-ca"}
	if name := plain(q.Form("ca")); name != "" {
		words = append(words, "name", name)
	}
	return made(q, words, "ca")
}

func issue(q *page.Request) error {
	words := []string{"generate", "pki:certificate/" + plain(q.Form("name")), "internal-ca"}
	if names := plain(q.Form("names")); names != "" {
		words = append(words, "names", names)
	}
	if q.Form("replace") != "" {
		words = append(words, "replace")
	}
	return made(q, words, "name")
}

// made runs a command that makes something of the internal CA. What the box refuses is about a field.
func made(q *page.Request, words []string, field string) error {
	out, err := q.Enabled(line(words...), "", false)
	if err != nil {
		return err
	}
	if !out.OK {
		return refuseInternal(q, page.Refusal{Field: field, Text: why(out), Words: true})
	}
	q.Toast("ok", strings.TrimSpace(out.Text))
	return q.Redirect("/certificates/internal")
}

// acmeView are the certificates that the box obtains by itself.
type acmeView struct {
	view
	Profiles []status.ACME
}

func acmePage(q *page.Request) error {
	_, v, err := acmeNow(q)
	if err != nil {
		return err
	}
	return q.Render("acme.html", v)
}

// acmeNow is how far they are.
func acmeNow(q *page.Request) (string, any, error) {
	v := acmeView{view: newView(q, "acme")}
	err := q.Status("acme", nil, &v.Profiles)
	return "acme-now.html", v, err
}

func renew(q *page.Request) error {
	out, err := q.Enabled(line("acme", "renew", q.Form("name")), "", false)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	q.Toast("ok", strings.TrimSpace(out.Text))
	return q.Redirect("/certificates/acme")
}

// testedView is what came of a test.
type testedView struct {
	view
	Name, Text string
	OK         bool
}

// test goes through the steps of an order: line by line for a script, and all at once without.
func test(q *page.Request) error {
	name := plain(q.Form("name"))
	if !q.Scripted() {
		out, err := q.Enabled(line("acme", "test", name), "", false)
		if err != nil {
			return err
		}
		return q.Render("tested.html", testedView{newView(q, "acme"), name, out.Text, out.OK})
	}
	w := q.Raw()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	control := http.NewResponseController(w)
	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	r := wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line("acme", "test", name), User: q.User, TTY: q.TTY}
	return q.Client().Exec(ctx, r, func(a wire.Answer) error {
		control.SetWriteDeadline(time.Now().Add(page.AnswerTime))
		if a.Text == "" {
			return nil
		}
		if _, err := io.WriteString(w, printable.Lines(a.Text)); err != nil {
			return err
		}
		return control.Flush()
	})
}

// trustView is whom peers are trusted by.
type trustView struct {
	view
	Roots    []certificate
	Trusted  []trusted
	Unknown  []status.UnknownIssuer
	Profiles []status.TLSProfile
}

// trusted is an imported certificate that a profile trusts.
type trusted struct {
	certificate
	SHA256 string
}

func trustPage(q *page.Request) error {
	v := trustView{view: newView(q, "trust")}
	var all []status.Key
	if err := q.Status("keys", nil, &all); err != nil {
		return err
	}
	if err := q.Status("tls-profiles", nil, &v.Profiles); err != nil {
		return err
	}
	if err := q.Status("unknown-issuers", nil, &v.Unknown); err != nil {
		return err
	}
	named := map[string]bool{}
	for _, p := range v.Profiles {
		for _, name := range p.Trusted {
			named[name] = true
		}
	}
	for _, k := range all {
		switch {
		case k.Kind == status.KeyTrusted:
			v.Roots = append(v.Roots, lasting(k, time.Now()))
		case k.Kind == status.KeyCertificate && named["pki:certificate/"+k.Name] && len(k.Links) > 0:
			v.Trusted = append(v.Trusted, trusted{lasting(k, time.Now()), k.Links[0].SHA256})
		}
	}
	return q.Render("trust.html", v)
}

// trust has the box show the chain and the fingerprint, and ask.
func trust(q *page.Request) error {
	sum := plain(q.Form("sha256"))
	return confirmed(q, line("pki", "trust", "add", sum), page.Question{
		Title: q.T("certificates.trust.ask"), Action: "/certificates/trust/add", Fields: map[string]string{"sha256": sum},
		Yes: q.T("certificates.trust.add"), Back: "/certificates/trust",
	}, "/certificates/trust")
}

// untrust asks, and takes the trust in an imported certificate back.
func untrust(q *page.Request) error {
	sum := plain(q.Form("sha256"))
	if q.Form("answer") == "" {
		return q.Ask(page.Question{
			Title: q.T("certificates.untrust"), Text: q.T("certificates.untrust.ask", plain(q.Form("name")), sum), Action: "/certificates/trust/remove",
			Fields: map[string]string{"sha256": sum}, Answer: "yes", Yes: q.T("certificates.untrust"), Back: "/certificates/trust",
		})
	}
	return confirmed(q, line("no", "pki", "trust", sum), page.Question{Title: q.T("certificates.untrust"), Action: "/certificates/trust/remove", Back: "/certificates/trust"}, "/certificates/trust")
}

// peersView are the chains that peers have shown.
type peersView struct {
	view
	status.PeerChains
}

func peersPage(q *page.Request) error {
	v := peersView{view: newView(q, "peers")}
	if err := q.Status("peer-chains", nil, &v.PeerChains); err != nil {
		return err
	}
	return q.Render("peers.html", v)
}

// calendarView is what is announced.
type calendarView struct {
	view
	status.Calendar
	Coming, Past []status.CalendarEntry // of the others
}

func calendarPage(q *page.Request) error {
	v := calendarView{view: newView(q, "calendar")}
	if err := q.Status("calendar", nil, &v.Calendar); err != nil {
		return err
	}
	for _, e := range v.Others {
		if e.Date.After(time.Now()) {
			v.Coming = append(v.Coming, e)
		} else {
			v.Past = append(v.Past, e)
		}
	}
	return q.Render("calendar.html", v)
}
