package certificates

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// maxPart is how large a field or a file of a form may be: a chain and a key have some kilobytes.
const maxPart = 256 << 10

// addView is the form of an import.
type addView struct {
	view
	Wanted []string // names that the configuration has, and that are not imported
	Pick   string   // the name to begin with
}

func addPage(q *page.Request) error {
	v, err := adding(q)
	if err != nil {
		return err
	}
	v.Pick = q.Query("name")
	return q.Render("add.html", v)
}

func adding(q *page.Request) (addView, error) {
	v := addView{view: newView(q, "add")}
	var profiles []status.TLSProfile
	if err := q.Status("tls-profiles", nil, &profiles); err != nil {
		return v, err
	}
	for _, p := range profiles {
		v.Wanted = append(v.Wanted, p.Missing...)
	}
	return v, nil
}

// uploaded is a form with files.
type uploaded struct {
	values map[string]string
	file   []byte
}

// received reads a form with files; each part has a bound.
func received(q *page.Request) (uploaded, error) {
	u := uploaded{values: map[string]string{}}
	if q.Parts == nil {
		for _, name := range []string{"name", "text", "pass"} {
			u.values[name] = q.Form(name)
		}
		return u, nil
	}
	for range 8 {
		part, err := q.Parts.NextPart()
		if errors.Is(err, io.EOF) {
			return u, nil
		}
		if err != nil {
			return u, &page.Problem{Status: 400, Text: q.T("certificates.cut")}
		}
		text, err := io.ReadAll(io.LimitReader(part, maxPart+1))
		switch {
		case err != nil:
			return u, &page.Problem{Status: 400, Text: q.T("certificates.cut")}
		case len(text) > maxPart:
			return u, &page.Problem{Status: 413, Text: q.T("certificates.large")}
		case part.FormName() == "file":
			u.file = text
		default:
			u.values[part.FormName()] = string(text)
		}
	}
	return u, nil
}

// importFile takes what was pasted or chosen: certificates, a private key, both, or a file of PKCS#12.
func importFile(q *page.Request) error {
	u, err := received(q)
	if err != nil {
		return err
	}
	name, pass := plain(u.values["name"]), u.values["pass"]
	refuse := func(field, text string, words bool) error {
		r := page.Refusal{Field: field, Text: text, Words: words}
		return q.Refuse(r, func() error {
			v, err := adding(q)
			if err != nil {
				return err
			}
			if !v.May { // there is no form to say it at
				return &page.Problem{Status: page.RefusedStatus, Text: text}
			}
			v.Refused, v.Pick = r, name
			if text := u.values["text"]; !strings.Contains(text, "PRIVATE KEY") { // a key is never sent back
				v.Typed["text"] = text
			}
			return q.RenderStatus(page.RefusedStatus, q.T("certificates.title"), "add.html", v)
		})
	}
	text := u.values["text"]
	if len(u.file) > 0 {
		text = string(u.file)
	}
	switch {
	case name == "":
		return refuse("name", q.T("certificates.name.missing"), false)
	case strings.TrimSpace(text) == "":
		return refuse("file", q.T("certificates.nothing"), false)
	case strings.ContainsAny(pass, "\r\n"):
		return refuse("pass", q.T("certificates.pass.lines"), false)
	}
	i := importing{q: q, name: name, pass: pass}
	if strings.Contains(text, "-----BEGIN") && !strings.Contains(text, "PKCS12") {
		err = i.pem(text)
	} else {
		err = i.pkcs12(text, len(u.file) > 0)
	}
	if err != nil {
		return err
	}
	if i.why != "" {
		field := "text"
		if len(u.file) > 0 {
			field = "file"
		}
		if strings.Contains(i.why, "pass phrase") {
			field = "pass"
		}
		return refuse(field, strings.TrimSpace(strings.Join(append(i.done, i.why), "\n")), true)
	}
	kind := "ok"
	if strings.Contains(strings.Join(i.done, "\n"), "% warning") {
		kind = "warning"
	}
	q.Toast(kind, strings.Join(i.done, "\n"))
	return q.Redirect("/certificates")
}

// importing is an import under way.
type importing struct {
	q          *page.Request
	name, pass string
	done       []string // what the box has said of what it has stored
	why        string   // why it has not stored the rest
}

// run imports one thing with the blocks that the box asks for, the pass phrase among them.
func (i *importing) run(what, block string, pass bool) error {
	body := strings.TrimRight(block, "\r\n \t") + "\n"
	if pass && i.pass != "" {
		body += i.pass + "\n"
	}
	out, err := i.q.Enabled(line("import", what), body, false)
	switch {
	case err != nil:
		return err
	case out.Collect != nil:
		i.why = i.q.T("certificates.pass.missing")
	case !out.OK:
		i.why = why(out)
	default:
		i.done = append(i.done, strings.TrimSpace(out.Text))
	}
	return nil
}

// pem imports what is in a PEM text. A key comes first: with a wrong pass phrase nothing must have changed. One that does not belong to the certificate
// that is in use comes after its own.
func (i *importing) pem(text string) error {
	certificates, key := split(text)
	if key != "" {
		if err := i.run("pki:private-key/"+i.name, key, true); err != nil {
			return err
		}
		if i.why != "" && (certificates == "" || !strings.Contains(i.why, "does not belong to")) {
			return nil
		}
	}
	again := i.why != ""
	i.why = ""
	if certificates == "" && key != "" {
		return nil
	}
	if certificates == "" {
		certificates = text // the box says what it is
	}
	if err := i.run("pki:certificate/"+i.name, certificates, false); err != nil || i.why != "" || !again {
		return err
	}
	return i.run("pki:private-key/"+i.name, key, true)
}

// split takes the private key out of a PEM text.
func split(text string) (certificates, key string) {
	var in *string
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		if strings.Contains(line, "-----BEGIN") {
			in = &certificates
			if strings.Contains(line, "PRIVATE KEY") {
				in = &key
			}
		}
		if in != nil && strings.TrimSpace(line) != "" { // an empty line would end the block
			*in += line
		} else if in == &key && in != nil {
			*in += line // one that is encrypted in the old way has an empty line behind its headers
		}
		if strings.Contains(line, "-----END") {
			in = nil
		}
	}
	return certificates, key
}

// pkcs12 imports a file of PKCS#12, or its base64.
func (i *importing) pkcs12(text string, file bool) error {
	if file && (text[0] == 0x30 || !strings.HasPrefix(strings.TrimSpace(text), "MI")) {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return i.run("pki:pkcs12/"+i.name, wrapped(text), true)
}

// wrapped breaks a long line of base64, as the box takes it.
func wrapped(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		for len(line) > 76 {
			b.WriteString(line[:76] + "\n")
			line = line[76:]
		}
		if line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// requestView is a key and the request for its certificate.
type requestView struct {
	view
	Keys  []string // private keys that there are
	Names string   // proposed
	Name  string
	PEM   string // the request
}

func requestPage(q *page.Request) error {
	v, err := requesting(q)
	if err != nil {
		return err
	}
	v.Name = q.Query("name")
	return q.Render("request.html", v)
}

func requesting(q *page.Request) (requestView, error) {
	v := requestView{view: newView(q, "request")}
	var all []status.Key
	if err := q.Status("keys", nil, &all); err != nil {
		return v, err
	}
	for _, k := range all {
		if k.Kind == status.KeyPrivate && k.Name != "internal-ca" {
			v.Keys = append(v.Keys, k.Name)
		}
		if k.Kind == status.KeyCertificate && v.Names == "" && len(k.Names) > 0 && len(k.UsedBy) > 0 {
			v.Names = strings.Join(k.Names, ",")
		}
	}
	var profiles []status.TLSProfile
	if err := q.Status("tls-profiles", nil, &profiles); err != nil {
		return v, err
	}
	for _, p := range profiles {
		if p.Teams && len(p.Names) > 0 {
			v.Names = strings.Join(p.Names, ",") // those that Microsoft asks for
		}
	}
	return v, nil
}

// request makes a key if that is wanted, and the request.
func request(q *page.Request) error {
	name, key, names := plain(q.Form("name")), plain(q.Form("key")), strings.Join(strings.FieldsFunc(plain(q.Form("names")), func(r rune) bool { return r == ' ' || r == ',' || r == '?' }), ",")
	refuse := func(field, text string, words bool) error {
		r := page.Refusal{Field: field, Text: text, Words: words}
		return q.Refuse(r, func() error {
			v, err := requesting(q)
			if err != nil {
				return err
			}
			if !v.May {
				return &page.Problem{Status: page.RefusedStatus, Text: text}
			}
			v.Refused, v.Name, v.Names = r, name, names
			return q.RenderStatus(page.RefusedStatus, q.T("certificates.title"), "request.html", v)
		})
	}
	if name == "" {
		return refuse("name", q.T("certificates.name.missing"), false)
	}
	if key == "" { // a new one, of the same name
		key = name
		out, err := q.Enabled(line("generate", "pki:private-key/"+name, "rsa", plain(q.Form("bits"))), "", false)
		if err != nil {
			return err
		}
		if !out.OK {
			return refuse("name", why(out), true)
		}
	}
	words := []string{"generate", "pki:certificate-request/" + name, "private-key", "pki:private-key/" + key}
	if names != "" {
		words = append(words, "names", names)
	}
	out, err := q.Enabled(line(words...), "", false)
	if err != nil {
		return err
	}
	at := strings.Index(out.Text, "-----BEGIN")
	if !out.OK || at < 0 {
		return refuse("names", why(out), true)
	}
	v := requestView{view: newView(q, "request"), Name: name, Names: names, PEM: out.Text[at:]}
	return q.Render("csr.html", v)
}
