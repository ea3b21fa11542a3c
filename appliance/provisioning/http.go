package provisioning

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of requests. Phones send short ones, without a body.
const (
	headerTime = 10 * time.Second
	answerTime = 5 * time.Minute // for files of others, which are long
	idleTime   = 30 * time.Second
	maxHeader  = 8 << 10
	maxPath    = 1 << 10
)

// server is the HTTP server of a socket.
func (s *Server) server(k socket) *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(k, w, r) }),
		ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, // OPTIONS * is no exception
		ErrorLog:                     slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
		TLSNextProto:                 map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
}

// answer answers a request for a file.
func (s *Server) answer(k socket, w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.ContentLength != 0 {
		w.Header().Set("Allow", "GET, HEAD")
		w.Header().Set("Connection", "close")
		http.Error(w, "files are read here", http.StatusMethodNotAllowed)
		return
	}
	name, rooted := strings.CutPrefix(r.URL.Path, "/")
	if err != nil || !rooted || len(name) > maxPath {
		s.refuse(w, r, began)
		return
	}
	q := ask{from: at.Addr().Unmap().WithZone(""), file: name, protocol: "http", userAgent: r.UserAgent()}
	if host, path, deeper := strings.Cut(name, "/"); deeper {
		u := s.upstreamOf(k, host)
		if u == "" {
			s.refuse(w, r, began)
			return
		}
		s.upstream.pass(w, r, strings.ToLower(u), path, q)
		return
	}
	c, err := s.file(k, q)
	if err != nil {
		s.refuse(w, r, began)
		return
	}
	w.Header().Set("Content-Type", c.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(c.text)))
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet {
		w.Write(c.text)
	}
}

// upstreamOf is the configured host that is meant by a name, whose files a service passes on; "": there is none. The name that was asked for is not
// used: there are many for one host, as letters that are the same when case is folded, and each would be kept as another one.
func (s *Server) upstreamOf(k socket, name string) string {
	for _, p := range s.o.Config().Provisioning {
		if i := slices.IndexFunc(p.Upstreams, func(u string) bool { return strings.EqualFold(u, name) }); i >= 0 && p.Name == k.service {
			return p.Upstreams[i]
		}
	}
	return ""
}

// refuse is the one answer to whatever is not served.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, began time.Time) {
	wait(r.Context(), began)
	http.Error(w, "no such file", http.StatusNotFound)
}
