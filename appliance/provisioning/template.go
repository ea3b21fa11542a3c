package provisioning

import (
	"bytes"
	"embed"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

//go:embed templates/*.tmpl
var builtIn embed.FS

// TemplateNames are the templates that an administrator may replace: those of phones' own files, and those of files for all phones of a maker.
var TemplateNames = []string{"yealink", "yealink-common", "snom", "snom-common", "gigaset"}

// templates are those in use.
type templates struct {
	o Options

	mu    sync.Mutex
	built map[string]*layout
	own   map[string]own
}

// own is an administrator's template.
type own struct {
	text   string
	parsed *layout
	fault  string // why it is not used
}

// newTemplates reads those that were kept. One that cannot be used is an alarm, and the built-in one takes its place.
func newTemplates(o Options) *templates {
	t := &templates{o: o, built: map[string]*layout{}, own: map[string]own{}}
	for _, name := range TemplateNames {
		text, err := o.LoadTemplate(name)
		if err == nil && text == nil {
			continue
		}
		x := own{text: string(text)}
		if err == nil {
			x.parsed, err = checked(name, x.text)
		}
		if err != nil {
			x.fault = err.Error()
		}
		t.own[name] = x
	}
	t.tell()
	return t
}

// builtIn is a built-in template, read when it is first used. The caller holds the lock.
func (t *templates) builtIn(name string) *layout {
	if t.built[name] == nil {
		l, err := parsed(name, builtInText(name))
		if err != nil {
			panic("provisioning: built-in template: " + err.Error()) // the tests use each
		}
		t.built[name] = l
	}
	return t.built[name]
}

func builtInText(name string) string {
	text, err := builtIn.ReadFile("templates/" + name + ".tmpl")
	if err != nil {
		panic("provisioning: no built-in template " + name)
	}
	return string(text)
}

// tell raises the alarms about templates that are not used. The caller holds the lock, or nobody else has t yet.
func (t *templates) tell() {
	var all []health.Args
	for _, name := range TemplateNames {
		if x := t.own[name]; x.fault != "" {
			all = append(all, health.Args{"template": name, "why": x.fault})
		}
	}
	t.o.Health.Replace(health.ProvisioningTemplate, all)
}

var errNoTemplate = errors.New("there is no such template: " + strings.Join(TemplateNames, ", "))

func (t *templates) get(name string) (status.ProvisioningTemplate, error) {
	if !slices.Contains(TemplateNames, name) {
		return status.ProvisioningTemplate{}, errNoTemplate
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if x, is := t.own[name]; is {
		return status.ProvisioningTemplate{ProvisioningUsed: status.ProvisioningUsed{Name: name, Own: true, Fault: x.fault}, Text: x.text}, nil
	}
	return status.ProvisioningTemplate{ProvisioningUsed: status.ProvisioningUsed{Name: name}, Text: builtInText(name)}, nil
}

// replace takes an administrator's template, if it can be used; text nil: the built-in one comes back.
func (t *templates) replace(name string, text []byte) error {
	if !slices.Contains(TemplateNames, name) {
		return errNoTemplate
	}
	if text == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.o.EraseTemplate(name); err != nil {
			return err
		}
		delete(t.own, name)
		t.tell()
		return nil
	}
	parsed, err := checked(name, string(text))
	if err != nil {
		return fmt.Errorf("%w: nothing was changed", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.o.SaveTemplate(name, text); err != nil {
		return err
	}
	t.own[name] = own{text: string(text), parsed: parsed}
	t.tell()
	return nil
}

// fill makes a file. An administrator's template that fails is not used any more until it is replaced.
func (t *templates) fill(name string, v Values) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.own[name]; x.parsed != nil && x.fault == "" {
		made, err := filled(x.parsed, name, v)
		if err == nil {
			return made, nil
		}
		x.fault = err.Error()
		t.own[name] = x
		t.tell()
	}
	return filled(t.builtIn(name), name, v)
}

// checked reads a template and tries it with phones of every kind.
func checked(name, text string) (*layout, error) {
	t, err := parsed(name, text)
	if err != nil {
		return nil, err
	}
	for _, v := range samples {
		if _, err := filled(t, name, v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// samples are phones that have everything, and as little as possible.
var samples = func() []Values {
	a := account{"1", "2", "00001", "21", "21", "secret-of-21", "Anna", "Anna", "+4972115104221", "10.108.2.1", server{"10.108.2.1", "5060"}, server{"10.108.2.2", "5060"}, true, "300", true}
	full := Values{
		"00156500aabb", "maker-model", "http://10.108.2.1:8080/", "http://10.108.2.1:8080/00156500AABB.xml", root{"http://10.108.2.1:8080/ca.pem", "http://10.108.2.1:8080/ca.der"}, "de", "10.108.2.1",
		zone{"Europe/Berlin", "+1", "3600", "GER+1", true, "3/5/7/2", "10/5/7/3", "60"}, "tls", "mandatory", "secret-of-pages", codecsOf(nil), []account{a}, []account{a},
	}
	a.Backup, a.Proxy, a.MessageWaiting = server{}, false, false
	little := Values{MAC: full.MAC, URL: full.URL, Language: "en", Zone: zone{Offset: "0", Seconds: "0"}, Transport: "udp", SRTP: "off", Codecs: full.Codecs, Accounts: []account{a}, Servers: []account{a}}
	none := little
	none.MAC, none.Accounts, none.Servers = "", nil, nil
	return []Values{full, little, none}
}()

// filled makes a file of a template.
func filled(t *layout, name string, v Values) ([]byte, error) {
	maker, _, _ := strings.Cut(name, "-")
	f := forms[maker]
	if err := secrets(f, v); err != nil {
		return nil, err
	}
	reflect.ValueOf(&v).Elem().Set(fit(reflect.ValueOf(v), f.escape))
	var made bytes.Buffer
	if err := t.execute(&limited{&made, maxMade}, v); err != nil {
		return nil, err
	}
	if err := f.check(made.Bytes()); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return made.Bytes(), nil
}

// form is how a maker's files are written.
type form struct {
	escape func(string) string // makes a text fit
	exact  func(string) bool   // a text arrives as it is
	check  func([]byte) error
	kind   string // of HTTP
}

var (
	lines = form{line, func(s string) bool { return line(s) == s }, checkLines, "text/plain; charset=utf-8"}
	tags  = form{tag, plain, checkTags, "application/xml; charset=utf-8"}
	forms = map[string]form{"yealink": lines, "snom": tags, "gigaset": tags}
)

// secrets reports a password that a form cannot carry. Other texts lose what cannot be carried; a password must not.
func secrets(f form, v Values) error {
	for _, a := range v.Accounts {
		if !f.exact(a.Password) {
			return fmt.Errorf("the password of %s has characters that the phone's file cannot carry", a.User)
		}
	}
	if !f.exact(v.Administrator) {
		return errors.New("the administrator-password has characters that the phone's file cannot carry")
	}
	return nil
}

// fit returns a copy of v in which every text is escaped.
func fit(v reflect.Value, escape func(string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(escape(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(fit(v.Field(i), escape))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(fit(v.Index(i), escape))
		}
	}
	return out
}

// line makes a text the value of one line: what ends a line becomes a space.
func line(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// tag makes a text one of XML, within a tag or between two.
func tag(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}

// plain reports whether a text comes back as it was from every reader of XML: some strip blanks.
func plain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0 && strings.TrimSpace(s) == s && !strings.ContainsRune(tag(s), '\uFFFD')
}

const yealinkHead = "#!version:1.0.0.1\n"

func checkLines(text []byte) error {
	if !bytes.HasPrefix(text, []byte(yealinkHead)) {
		return errors.New("the first line is not " + strings.TrimSpace(yealinkHead) + ", without which phones take nothing")
	}
	return nil
}

// checkTags reports whether a text is XML with one element at its top.
func checkTags(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	depth, tops := 0, 0
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				tops++
			}
		case xml.EndElement:
			depth--
		}
	}
	if tops != 1 {
		return errors.New("XML has one element at its top")
	}
	return nil
}

// limited fails when more is written than there may be.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("the file would be larger than %d KiB", maxMade>>10)
	}
	return l.to.Write(p)
}
