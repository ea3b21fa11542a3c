package page

import (
	"context"
	"crypto/rand"
	"fmt"
	"html/template"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/console/client"
)

// Site is all pages together.
type Site struct {
	pages     []*Page
	client    *client.Client
	log       *slog.Logger
	words     catalogue
	topics    map[string]*Page
	templates templates
	mark      string // stands for the token in templates
	box       atomic.Pointer[Box]
	at        atomic.Pointer[time.Location]
}

// Options make a Site.
type Options struct {
	Pages  []*Page
	Client *client.Client
	Log    *slog.Logger
}

// New makes a site. Its error is a mistake in a page's declaration, or in the words.
func New(o Options) (*Site, error) {
	words, err := readWords(wordFiles)
	if err != nil {
		return nil, err
	}
	s := &Site{
		pages: o.Pages, client: o.Client, log: o.Log, words: words, topics: map[string]*Page{},
		templates: templates{shared: map[string]*template.Template{}, sets: map[setOf]*template.Template{}}, mark: "csrf-" + rand.Text(),
	}
	s.templates.functions = s.functions
	s.SetBox(Box{})
	for _, p := range s.pages {
		for pattern := range p.Routes {
			if _, path, _ := strings.Cut(pattern, " "); path != p.Path && !strings.HasPrefix(path, p.Path+"/") {
				return nil, fmt.Errorf("page %s: %s is not below it", p.Path, pattern)
			}
		}
		for name := range p.Topics {
			if s.topics[name] != nil {
				return nil, fmt.Errorf("page %s: there is a topic %s already", p.Path, name)
			}
			s.topics[name] = p
		}
	}
	return s, nil
}

// SetBox tells what all pages show of the box.
func (s *Site) SetBox(b Box) {
	at, err := config.Zone(b.Zone)
	if err != nil {
		at = time.UTC
	}
	s.box.Store(&b)
	s.at.Store(at)
}

func (s *Site) zone() *time.Location { return s.at.Load() }

// arrival is what package web has found out about a request.
type arrival struct {
	visitor Visitor
	parts   *multipart.Reader
}

type arrivalKey struct{}

// Come adds to a request who asks, and the parts of a form with files behind its token.
func Come(r *http.Request, v Visitor, parts *multipart.Reader) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), arrivalKey{}, arrival{v, parts}))
}

// Came is who asks.
func Came(r *http.Request) Visitor {
	came, _ := r.Context().Value(arrivalKey{}).(arrival) // nobody may nothing
	return came.visitor
}

// Sees reports whether there is a topic that a visitor may follow.
func (s *Site) Sees(v Visitor, topic string) bool {
	p := s.topics[topic]
	return p != nil && v.Class.May(p.For)
}

// Number is a text of the catalogue with a number.
func (s *Site) Number(lang, key string, count int, args ...any) string {
	return s.words.number(lang, key, count, args...)
}

// Register adds the pages' routes. Requests have passed Come.
func (s *Site) Register(mux *http.ServeMux) {
	for _, p := range s.pages {
		for pattern, handle := range p.Routes {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				s.serve(w, r, p, handle)
			})
		}
	}
}

// First is the page that a visitor sees after the login.
func (s *Site) First(c Class) string {
	if all := s.visible(c); len(all) > 0 {
		return all[0].Path
	}
	return "/"
}

// serve answers a request with a handler, or its error with a page in words.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, p *Page, handle Handler) {
	came, _ := r.Context().Value(arrivalKey{}).(arrival) // nobody may nothing
	v := came.visitor
	q := &Request{Visitor: v, HTTP: r, Parts: came.parts, site: s, page: p, w: w, ctx: r.Context(), query: r.URL.Query()}
	if !v.Class.May(p.For) {
		q.say(&Problem{http.StatusForbidden, q.T("frame.forbidden")})
		return
	}
	if err := handle(q); err != nil {
		s.failed(q, err)
	}
}

// failed answers with what an error says.
func (s *Site) failed(q *Request, err error) {
	if q.ctx.Err() != nil {
		return
	}
	said := q.problem(err)
	if said == nil {
		s.log.Error("web page failed", "path", q.HTTP.URL.Path, "err", err)
		said = &Problem{http.StatusInternalServerError, q.T("frame.failed")}
	}
	q.say(said)
}

// Say answers with a problem in words, whoever asks.
func (s *Site) Say(w http.ResponseWriter, r *http.Request, v Visitor, status int, key string, args ...any) {
	q := &Request{Visitor: v, HTTP: r, site: s, w: w, ctx: r.Context(), query: r.URL.Query()}
	q.say(&Problem{status, q.T(key, args...)})
}

// Show renders a template of the frame, as the login, which is outside the navigation.
func (s *Site) Show(w http.ResponseWriter, r *http.Request, v Visitor, status int, title, template string, data any) {
	q := &Request{Visitor: v, HTTP: r, site: s, w: w, ctx: r.Context(), query: r.URL.Query()}
	if err := q.render(status, q.T(title), template, data); err != nil {
		s.log.Error("web page failed", "path", r.URL.Path, "err", err)
	}
}

// Text is a text of the catalogue.
func (s *Site) Text(lang, key string, args ...any) string { return s.words.text(lang, key, args...) }

// fragmentRequest is the request of a topic.
func (s *Site) fragmentRequest(ctx context.Context, v Visitor, p *Page, query string) *Request {
	values, _ := url.ParseQuery(query) // what is wrong in it is left out
	return &Request{Visitor: v, site: s, page: p, ctx: ctx, query: values}
}

// Language is that of a request: the cookie's, or what the browser likes best.
func Language(r *http.Request) string {
	if c, err := r.Cookie(LanguageCookie); err == nil && slices.Contains(Languages, c.Value) {
		return c.Value
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
		if slices.Contains(Languages, tag) {
			return tag
		}
	}
	return Languages[0]
}

// LanguageCookie keeps the language that a user has chosen.
const LanguageCookie = "viaduct-language"
