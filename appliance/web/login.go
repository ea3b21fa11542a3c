package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/web/page"
	"viaduct/appliance/web/setup"
)

const (
	badPassword = time.Second // a wrong password is answered after this
	ticketTime  = 5 * time.Minute
	maxTickets  = 32
)

// form is what the login shows.
type form struct {
	Step    string // "login", "choose" or "code"
	User    string
	Next    string
	Ticket  string
	Box     string
	Banner  string
	Kind    string // of Say
	Say     string
	English bool // Say is a sentence of the box
	Path    string
	Lang    string
}

// ticket is a password or a set-up code that was right, while its owner chooses a new password.
type ticket struct {
	request wire.LoginRequest
	until   time.Time
}

// tickets are those that are open.
type tickets struct {
	mu sync.Mutex
	of map[string]ticket
}

// add keeps a request, and returns its number. The oldest gives way when there are too many.
func (t *tickets) add(q wire.LoginRequest) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]ticket{}
	}
	now, oldest := time.Now(), ""
	for name, k := range t.of {
		if now.After(k.until) {
			delete(t.of, name)
		} else if oldest == "" || k.until.Before(t.of[oldest].until) {
			oldest = name
		}
	}
	if len(t.of) >= maxTickets {
		delete(t.of, oldest)
	}
	name := rand.Text()
	t.of[name] = ticket{q, now.Add(ticketTime)}
	return name
}

// take returns the request of a number; false: there is none, or not any more.
func (t *tickets) take(name string) (wire.LoginRequest, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.of[name]
	delete(t.of, name)
	return k.request, ok && time.Now().Before(k.until)
}

// remote is the address that a request comes from.
func remote(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap()
}

// local makes an address of ours of one that a browser has sent.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// from makes a login request of one of HTTP.
func from(r *http.Request, q wire.LoginRequest) wire.LoginRequest {
	a := remote(r)
	q.TTY, q.Remote, q.Source = "web "+a.String(), true, a.String()
	return q
}

// loginPage is the empty form.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	f := form{Step: "login", Next: local(r.URL.Query().Get("next"))}
	lang := page.Language(r)
	switch r.URL.Query().Get("why") {
	case "out":
		f.Kind, f.Say = "ok", s.site.Text(lang, "frame.login.out")
	case "ended":
		f.Kind, f.Say = "warning", s.site.Text(lang, "frame.login.ended")
	}
	s.form(w, r, http.StatusOK, f)
}

// form shows the login. What it asks for depends on the box: as long as no account has a password, it is the set-up code.
func (s *Server) form(w http.ResponseWriter, r *http.Request, status int, f form) {
	lang := page.Language(r)
	if f.Step == "login" || f.Step == "code" {
		in, err := s.Client.Login(r.Context(), from(r, wire.LoginRequest{}))
		switch {
		case err != nil:
			status, f.Kind, f.Say, f.English = http.StatusServiceUnavailable, "error", s.site.Text(lang, "frame.down"), false
		case in.Banned > 0:
			status, f.Kind, f.Say = http.StatusTooManyRequests, "error", s.banned(lang, in.Banned)
		}
		if f.Step = "login"; in.Setup {
			f.Step = "code"
		}
		f.Banner = in.Banner
	}
	if now := s.now.Load(); now != nil {
		f.Box = now.Name
	}
	s.site.Show(w, r, page.Visitor{Lang: lang}, status, "frame.login.title", "login.html", f)
}

// banned tells a banned browser how long that lasts.
func (s *Server) banned(lang string, left time.Duration) string {
	return s.site.Number(lang, "frame.login.banned", int((left+time.Minute-1)/time.Minute))
}

// login takes the form.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	lang := page.Language(r)
	if err := r.ParseForm(); err != nil {
		s.site.Say(w, r, page.Visitor{Lang: lang}, http.StatusBadRequest, "frame.malformed")
		return
	}
	end, ok := s.logins.begin(r.Context(), remote(r))
	if !ok {
		s.site.Say(w, r, page.Visitor{Lang: lang}, http.StatusServiceUnavailable, "frame.busy")
		return
	}
	defer end()
	f := form{Step: "login", Next: local(r.PostForm.Get("next")), User: cut(r.PostForm.Get("user"))}
	var q wire.LoginRequest
	switch r.PostForm.Get("step") {
	case "choose":
		var ok bool
		if q, ok = s.tickets.take(r.PostForm.Get("ticket")); !ok {
			f.Kind, f.Say = "warning", s.site.Text(lang, "frame.login.late")
			s.form(w, r, http.StatusForbidden, f)
			return
		}
		f.User = q.User
		if q.NewPassword = r.PostForm.Get("new"); q.NewPassword != r.PostForm.Get("again") || q.NewPassword == "" {
			q.NewPassword = ""
			f.Step, f.Kind, f.Say, f.Ticket = "choose", "error", s.site.Text(lang, "frame.choose.differ"), s.tickets.add(q)
			s.form(w, r, http.StatusUnprocessableEntity, f)
			return
		}
	case "code":
		q = wire.LoginRequest{User: f.User, SetupCode: strings.TrimSpace(r.PostForm.Get("code"))}
	default:
		q = wire.LoginRequest{User: f.User, Password: r.PostForm.Get("password")}
	}
	if q.User == "" || q.Password == "" && q.SetupCode == "" {
		s.form(w, r, http.StatusUnprocessableEntity, f)
		return
	}
	in, err := s.Client.Login(r.Context(), from(r, q))
	switch {
	case err != nil:
		s.form(w, r, http.StatusServiceUnavailable, f) // which says so
	case in.OK && q.SetupCode != "" && f.Next == "/": // the first account: the box is empty
		s.enter(w, r, in, setup.Page.Path)
	case in.OK:
		s.enter(w, r, in, f.Next)
	case in.Change:
		f.Step, f.Ticket = "choose", s.tickets.add(wire.LoginRequest{User: q.User, Password: q.Password, SetupCode: q.SetupCode})
		if q.NewPassword != "" {
			f.Kind, f.Say, f.English = "error", in.Banner, true
		}
		s.form(w, r, http.StatusOK, f)
	default:
		if in.Banned > 0 {
			end() // no password was looked at: the place is for others
		}
		pause(r.Context(), badPassword)
		f.Kind, f.Say = "error", s.site.Text(lang, "frame.login.wrong")
		if q.SetupCode != "" {
			f.Say = s.site.Text(lang, "frame.code.wrong")
			if in.Banner != "" {
				f.Say, f.English = in.Banner, true
			}
		}
		status := http.StatusForbidden
		if in.Banned > 0 {
			status, f.Say, f.English = http.StatusTooManyRequests, s.banned(lang, in.Banned), false
		}
		s.form(w, r, status, f)
	}
}

// cut bounds the name that a browser sends.
func cut(name string) string { return strings.ToValidUTF8(name[:min(len(name), 256)], "") }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// enter begins a session.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, in wire.LoginReply, next string) {
	if old := s.session(r); old != nil {
		old.end()
	}
	x, secret := s.sessions.begin(in.User, page.Class(in.Class), remote(r), in.Idle)
	x.stampWith(in.Stamp)
	s.Log.Info("web login", "peer", r.RemoteAddr, "name", in.User)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: secret, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	if in.Banner != "" {
		x.tell(page.Toast{Kind: "info", Text: in.Banner})
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// logout ends a session.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if x := s.session(r); x != nil {
		x.end()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/login?why=out", http.StatusSeeOther)
}

// language keeps the language that somebody has chosen. It needs no session, for the login has it too.
func (s *Server) language(w http.ResponseWriter, r *http.Request) {
	for _, l := range page.Languages {
		if r.PostFormValue("language") == l {
			http.SetCookie(w, &http.Cookie{
				Name: page.LanguageCookie, Value: l, Path: "/", MaxAge: 365 * 24 * 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
			})
		}
	}
	http.Redirect(w, r, local(r.PostFormValue("back")), http.StatusSeeOther)
}
