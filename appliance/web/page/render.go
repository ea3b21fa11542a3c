package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"sync"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/web/assets"
)

//go:embed templates/*.html
var shared embed.FS

// templates are those of the pages, each parsed when it is first shown: nobody pays for pages that nobody opens. The nil page has what belongs to
// the frame alone.
type templates struct {
	functions func(lang string) template.FuncMap
	mutex     sync.Mutex
	shared    map[string]*template.Template // by language; never executed, so that they can be cloned
	sets      map[setOf]*template.Template
}

// setOf is a page in a language.
type setOf struct {
	page *Page
	lang string
}

// of are the templates of a page, with those that all pages share.
func (t *templates) of(p *Page, lang string) (*template.Template, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if set := t.sets[setOf{p, lang}]; set != nil {
		return set, nil
	}
	all := t.shared[lang]
	if all == nil {
		var err error
		if all, err = template.New("").Funcs(t.functions(lang)).Option("missingkey=error").ParseFS(shared, "templates/*.html"); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		t.shared[lang] = all
	}
	set, err := all.Clone()
	if err == nil && p != nil && p.Templates != nil {
		set, err = set.ParseFS(p.Templates, "*.html")
	}
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	t.sets[setOf{p, lang}] = set
	return set, nil
}

// functions are those that templates may call.
func (s *Site) functions(lang string) template.FuncMap {
	return template.FuncMap{
		"t":      func(key string, args ...any) string { return s.words.text(lang, key, args...) },
		"n":      func(key string, count int, args ...any) string { return s.words.number(lang, key, count, args...) },
		"time":   func(t time.Time) template.HTML { return s.timeElement(t, lang, clock) },
		"date":   func(t time.Time) template.HTML { return s.timeElement(t, lang, dateOnly) },
		"ago":    func(t time.Time) template.HTML { return s.ago(t, lang) },
		"dur":    func(d time.Duration) string { return Duration(d) },
		"peer":   printable.Text,
		"lines":  printable.Lines,
		"icon":   assets.Icon,
		"asset":  assets.Path,
		"script": script,
		"badge":  badge,
		"en": func(sentence string) template.HTML {
			return template.HTML(`<span lang="en">` + template.HTMLEscapeString(printable.Lines(sentence)) + `</span>`)
		},
		"csrf": func() template.HTML { return template.HTML(`<input type="hidden" name="csrf" value="` + s.mark + `">`) },
		"list": func(values ...any) []any { return values },
		"dict": dict,
		"base": path.Base,
	}
}

// dict makes a map of names and values, for templates that take several.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// script is the element for a module of ours.
func script(name string) template.HTML {
	return template.HTML(`<script type="module" src="` + template.HTMLEscapeString(assets.Path(name)) + `"></script>`)
}

// badge is a state: a mark and a word. The mark differs in shape, too.
func badge(kind, text string) template.HTML {
	switch kind {
	case "ok", "warning", "error", "info":
	default:
		kind = "off"
	}
	return template.HTML(`<span class="badge `+kind+`">`) + assets.Icon("state-"+kind) + template.HTML(template.HTMLEscapeString(printable.Text(text))+`</span>`)
}

// Layouts of times.
const (
	clock    = "2006-01-02 15:04:05"
	dateOnly = "2006-01-02"
)

// timeElement shows a time in the box's zone, which its title names.
func (s *Site) timeElement(t time.Time, lang, layout string) template.HTML {
	if t.IsZero() {
		return template.HTML(`<span class="none">` + template.HTMLEscapeString(s.words.text(lang, "frame.never")) + `</span>`)
	}
	at := t.In(s.zone())
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		at.Format(time.RFC3339), template.HTMLEscapeString(at.Format(clock+" MST")), at.Format(layout)))
}

// ago shows how long a time is past, or how far it is ahead.
func (s *Site) ago(t time.Time, lang string) template.HTML {
	if t.IsZero() {
		return s.timeElement(t, lang, clock)
	}
	at, key, d := t.In(s.zone()), "frame.ago", time.Since(t)
	if d < 0 {
		key, d = "frame.in", -d
	}
	text := s.words.text(lang, key, Duration(d))
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		at.Format(time.RFC3339), template.HTMLEscapeString(at.Format(clock+" MST")), template.HTMLEscapeString(text)))
}

// Duration is a duration in two units at most, the same in all languages: 3 d 4 h, 12 min 5 s.
func Duration(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, seconds)
	}
	return fmt.Sprintf("%d s", seconds)
}

// layout is what the frame around each page shows.
type layout struct {
	Title, Box, ZoneName string
	Lang                 string
	Visitor              Visitor
	Pages                []*Page
	Here                 *Page // nil: outside the navigation
	Toasts               []Toast
	Content              template.HTML // rendered, and escaped, by a template
	Plain                bool          // without a session: no navigation
	Path                 string
}

// Render answers with a template of the page, in the frame that all pages have.
func (q *Request) Render(name string, data any) error {
	return q.render(http.StatusOK, q.T(q.page.Title), name, data)
}

// RenderStatus is Render with another status of HTTP and another title, for a form that is not taken.
func (q *Request) RenderStatus(status int, title, name string, data any) error {
	return q.render(status, title, name, data)
}

// RenderTitled is Render with a title of its own, for a page about one thing.
func (q *Request) RenderTitled(title, name string, data any) error {
	return q.render(http.StatusOK, title, name, data)
}

// Fragment answers with a template alone, for a script.
func (q *Request) Fragment(name string, data any) error {
	text, err := q.execute(name, data)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = q.w.Write(text)
	return gone(err)
}

// execute runs a template of the page.
func (q *Request) execute(name string, data any) ([]byte, error) {
	set, err := q.site.templates.of(q.page, q.Lang)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := set.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return q.site.tokens(b.Bytes(), q.Token), nil
}

// tokens puts a visitor's token where templates have the mark.
func (s *Site) tokens(text []byte, token string) []byte {
	return bytes.ReplaceAll(text, []byte(s.mark), []byte(token))
}

// render answers with a template in the frame.
func (q *Request) render(status int, title, name string, data any) error {
	content, err := q.execute(name, data)
	if err != nil {
		return err
	}
	l := layout{
		Title: title, Box: q.site.box.Load().Name, ZoneName: time.Now().In(q.site.zone()).Format("MST"), Lang: q.Lang, Visitor: q.Visitor, Pages: q.site.visible(q.Class), Here: q.page,
		Content: template.HTML(content), Plain: q.User == "", Path: q.HTTP.URL.RequestURI(),
	}
	if q.Told != nil {
		l.Toasts = q.Told()
	}
	text, err := q.execute("layout.html", l)
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	_, err = q.w.Write(text)
	return gone(err)
}

// say answers with a problem: a page, or JSON for a script.
func (q *Request) say(p *Problem) {
	if q.Scripted() {
		q.w.Header().Set("Content-Type", "application/json")
		q.w.WriteHeader(p.Status)
		q.JSON(map[string]string{"error": printable.Lines(p.Text)})
		return
	}
	if err := q.render(p.Status, q.T("frame.problem"), "problem.html", p); err != nil {
		q.site.log.Error("web page failed", "path", q.HTTP.URL.Path, "err", err)
	}
}
