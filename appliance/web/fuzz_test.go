package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// addresses are those of all pages, with a value for each wildcard.
func (r *rig) addresses() (list []string) {
	list = []string{"/", "/live", "/logout", "/login", "/language", "/assets/x/js/live.js", "/nothing", "/.well-known/x"}
	for _, p := range pages {
		for pattern := range p.Routes {
			_, path, _ := strings.Cut(pattern, " ")
			for strings.Contains(path, "{") {
				before, rest, _ := strings.Cut(path, "{")
				_, after, _ := strings.Cut(rest, "}")
				path = before + "1" + after
			}
			list = append(list, path)
		}
	}
	return list
}

// Whatever a browser sends, with a session or without, no page breaks, and without a session there is nothing but the login.
func FuzzEndpoints(f *testing.F) {
	r := newRig(f)
	cookie, token := r.in("admin")
	all := r.addresses()
	for i := range all {
		f.Add(uint8(i), "GET", "", "", "", true)
		f.Add(uint8(i), "POST", "", "a=b", "application/x-www-form-urlencoded", true)
		f.Add(uint8(i), "POST", "t=who.now&x=%zz", "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n", "multipart/form-data; boundary=b", false)
	}
	f.Fuzz(func(t *testing.T, which uint8, method, query, body, kind string, known bool) {
		path := all[int(which)%len(all)]
		if path == "/live" && known || path == "/logout" || path == "/login" && method == "POST" {
			return // a stream, the end of the session, and a wait for each wrong password
		}
		q, err := http.NewRequest(method, "https://"+r.host+path, strings.NewReader(body))
		if err != nil {
			return
		}
		q.URL.RawQuery, q.RequestURI, q.RemoteAddr = query, path, "192.0.2.7:1"
		q.Header.Set("Content-Type", kind)
		q.Header.Set("Origin", "https://"+r.host)
		q.Header.Set("Accept", "text/html")
		if known {
			q.AddCookie(cookie)
			q.Header.Set("X-CSRF-Token", token)
		}
		w := r.do(q)
		switch {
		case w.Code >= 500 && w.Code != http.StatusServiceUnavailable:
			t.Errorf("%s %s?%s: %d %.300s", method, path, query, w.Code, w.Body)
		case !known && w.Code == http.StatusOK && path != "/login":
			t.Errorf("%s %s?%s is answered without a session", method, path, query)
		}
		if u, err := url.Parse(w.Header().Get("Location")); err != nil || u.Host != "" {
			t.Errorf("%s %s?%s leads to %s", method, path, query, w.Header().Get("Location"))
		}
	})
}
