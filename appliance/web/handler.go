package web

import (
	"context"
	"crypto/subtle"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/web/assets"
	"viaduct/appliance/web/machine"
	"viaduct/appliance/web/page"
)

const (
	cookieName = "__Host-viaduct" // the prefix has browsers take it from this host over TLS only
	bodyTime   = 30 * time.Second // for a form
	maxForm    = 4 << 20
	maxToken   = 64 // bytes of a token in a form with files
)

// routes are all addresses.
func (s *Server) routes() http.Handler {
	inside := http.NewServeMux() // with a session
	s.site.Register(inside)
	inside.HandleFunc("GET /live", s.live)
	inside.HandleFunc("POST /logout", s.logout)
	inside.HandleFunc("POST /language", s.language)
	inside.HandleFunc("GET "+assets.Prefix, assets.Serve)
	inside.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		v := page.Came(r)
		http.Redirect(w, r, s.site.First(v.Class), http.StatusSeeOther)
	})
	inside.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.site.Say(w, r, page.Came(r), http.StatusNotFound, "frame.missing")
	})
	outside := http.NewServeMux() // without
	outside.HandleFunc("GET /login", s.loginPage)
	outside.HandleFunc("POST /login", s.login)
	outside.HandleFunc("POST /language", s.language)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := s.now.Load()
		headers(w.Header(), now != nil && !now.OwnCertificate)
		r = inTime(w, r)
		lang := page.Language(r)
		stranger := page.Visitor{Lang: lang}
		switch {
		case now == nil || !now.knows(r.Host):
			plain(w, http.StatusMisdirectedRequest, "This box is not asked for by this name.")
			return
		case machine.Is(r):
			s.machine.ServeHTTP(w, r)
			return
		case len(r.URL.RequestURI()) > maxHeader/2:
			s.site.Say(w, r, stranger, http.StatusRequestURITooLong, "frame.large")
			return
		}
		x := s.session(r)
		if !safe(r.Method) && !sameOrigin(r) {
			s.site.Say(w, r, stranger, http.StatusForbidden, "frame.forged")
			return
		}
		if x != nil {
			if s.lookAgain(x); x.ctx.Err() != nil {
				x = nil
			}
		}
		if x != nil {
			s.places.inside(r)
		}
		if _, pattern := outside.Handler(r); pattern != "" && (x == nil || r.URL.Path == "/login") {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			outside.ServeHTTP(w, page.Come(r, stranger, nil))
			return
		}
		if x == nil {
			s.stranger(w, r)
			return
		}
		v := x.visitor(lang, s.lookFor, s.renew)
		parts, ok := s.admit(w, r, v)
		if !ok {
			return
		}
		if r.URL.Path != "/live" {
			x.touch()
		}
		r, cancel := until(r, x)
		defer cancel()
		inside.ServeHTTP(w, page.Come(r, v, parts))
	})
}

// inTime is a request whose body and whose answer have their time. It is a copy: net/http asks the body of its own request, by its type, whether it was closed
// before its end. With another body there it took what nobody had read for the next request of the connection.
func inTime(w http.ResponseWriter, r *http.Request) *http.Request {
	r = r.WithContext(r.Context())
	controller := http.NewResponseController(w)
	if r.ContentLength != 0 {
		controller.SetReadDeadline(time.Now().Add(bodyTime))
		r.Body = &coming{r.Body, controller}
	}
	controller.SetWriteDeadline(time.Now().Add(page.AnswerTime))
	return r
}

// until ends a request with its session.
func until(r *http.Request, x *session) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(x.ctx, cancel)
	return r.WithContext(ctx), func() { stop(); cancel() }
}

// headers are those of every answer.
func headers(h http.Header, trusted bool) {
	assets.Guard(h)
	if trusted { // nobody may insist on a certificate that his browser does not trust
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// plain is an answer to those who get no page.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}

// knows reports whether a host is one of the box's: a foreign name that leads here is that of an attacker's page.
func (n *serving) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return a.IsLoopback() || slices.Contains(n.Addresses, a.Unmap()) // loopback: through a tunnel; no attacker's page has that name
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || slices.ContainsFunc(n.Hosts, func(h string) bool {
		h = strings.ToLower(strings.TrimSuffix(h, "."))
		if domain, ok := strings.CutPrefix(h, "*."); ok { // a name of the certificate: the star stands for one label
			label, rest, _ := strings.Cut(name, ".")
			return label != "" && rest == domain
		}
		return h == name
	})
}

// redirect sends a browser from HTTP to HTTPS. Nothing else is there.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request) {
	now := s.now.Load()
	if now == nil || !now.knows(r.Host) {
		plain(w, http.StatusMisdirectedRequest, "This box is not asked for by this name.")
		return
	}
	if !safe(r.Method) {
		plain(w, http.StatusMethodNotAllowed, "This address only leads to HTTPS.")
		return
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if now.Port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(int(now.Port)))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	to := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
}

// safe reports whether a method changes nothing.
func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// sameOrigin reports whether a page of ours has sent the request. Browsers say so with each that may change something; whoever says nothing is none.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	return r.Header.Get("Origin") == "https://"+r.Host
}

// session is that of a request; nil: there is none.
func (s *Server) session(r *http.Request) *session {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	return s.sessions.find(c.Value)
}

// stranger answers whoever has no session: with the login, and a script with words.
func (s *Server) stranger(w http.ResponseWriter, r *http.Request) {
	v := page.Visitor{Lang: page.Language(r)}
	switch {
	case assets.Public(r) && safe(r.Method):
		assets.Serve(w, r)
	case r.Header.Get("Sec-Fetch-Mode") == "navigate" || safe(r.Method) && strings.Contains(r.Header.Get("Accept"), "text/html"):
		to := "/login"
		if safe(r.Method) && r.URL.Path != "/" {
			to += "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
		} else if !safe(r.Method) {
			to += "?why=ended"
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	default:
		s.site.Say(w, r, v, http.StatusUnauthorized, "frame.login.ended")
	}
}

// admit checks the token of a request that may change something. False: it has answered. Of a form with files it has read the token only.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, v page.Visitor) (*multipart.Reader, bool) {
	if safe(r.Method) {
		return nil, true
	}
	token := r.Header.Get("X-CSRF-Token")
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var parts *multipart.Reader
	switch kind {
	case "multipart/form-data":
		var err error
		r.Body = &patient{ReadCloser: r.Body, controller: http.NewResponseController(w)}
		if parts, err = r.MultipartReader(); err != nil {
			s.site.Say(w, r, v, http.StatusBadRequest, "frame.malformed")
			return nil, false
		}
		if first, err := parts.NextRawPart(); err == nil && first.FormName() == "csrf" {
			text, _ := io.ReadAll(io.LimitReader(first, maxToken))
			token = string(text)
		}
	case "application/octet-stream": // a file alone
		r.Body = &patient{ReadCloser: r.Body, controller: http.NewResponseController(w)}
	default:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if kind == "application/x-www-form-urlencoded" {
			if err := r.ParseForm(); err != nil {
				s.site.Say(w, r, v, http.StatusBadRequest, "frame.malformed")
				return nil, false
			}
			if token == "" {
				token = r.PostForm.Get("csrf")
			}
		}
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(v.Token)) != 1 {
		s.Log.Warn("web request refused", "path", r.URL.Path, "source", r.RemoteAddr, "err", "no token of this session")
		s.site.Say(w, r, v, http.StatusForbidden, "frame.forged")
		return nil, false
	}
	return parts, true
}

// patient is the body of an upload, which may take long as long as something comes.
type patient struct {
	io.ReadCloser
	controller *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	p.controller.SetReadDeadline(time.Now().Add(bodyTime))
	p.controller.SetWriteDeadline(time.Now().Add(bodyTime + page.AnswerTime))
	return p.ReadCloser.Read(b)
}

// coming is a body whose limit of time ends with it: over HTTP/1.1, the end of that time would be the end of an answer that takes longer.
type coming struct {
	io.ReadCloser
	controller *http.ResponseController
}

func (c *coming) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if err == io.EOF {
		c.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}
