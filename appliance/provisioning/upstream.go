package provisioning

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/places"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Bounds of what is passed on.
const (
	maxPassed         = 64 << 20 // octets of one file: firmware
	maxPasses         = 8        // at once
	maxPassesOfSource = 2        // a phone fetches one after the other
	maxRedirects      = 3
)

// upstream passes on files of configured hosts, whose certificates it verifies for phones that cannot.
type upstream struct {
	o       Options
	passing places.Book // files under way

	mu    sync.Mutex
	hosts map[string]*status.ProvisioningForeign
}

func newUpstream(o Options) *upstream {
	return &upstream{o: o, passing: places.Book{All: maxPasses, OfSource: maxPassesOfSource}, hosts: map[string]*status.ProvisioningForeign{}}
}

var (
	errElsewhere = errors.New("it redirects to another host")
	errTooLong   = fmt.Errorf("its file is longer than %d MiB", maxPassed>>20)
)

// stay follows redirects to the same host by HTTPS only: whoever can redirect phones to another host can give them any settings.
func stay(q *http.Request, via []*http.Request) error {
	switch {
	case q.URL.Scheme != "https" || !strings.EqualFold(q.URL.Host, via[0].URL.Host):
		return errElsewhere
	case len(via) > maxRedirects:
		return errors.New("it redirects too often")
	}
	return nil
}

// forward and back are the fields that pass, in each direction. A phone's account at its provider is between the two.
var (
	forward = []string{"User-Agent", "Authorization", "If-Modified-Since", "If-None-Match", "Accept"}
	back    = []string{"Content-Type", "Content-Length", "Last-Modified", "Etag", "Www-Authenticate"}
)

// pass answers a request with a file of a host.
func (u *upstream) pass(w http.ResponseWriter, r *http.Request, host, path string, q ask) {
	leave := u.passing.Take(q.from)
	if leave == nil {
		http.Error(w, "too many files are on their way", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	from := url.URL{Scheme: "https", Host: host, Path: "/" + path, RawQuery: r.URL.RawQuery}
	n, code, err := u.copy(ctx, w, r, from)
	u.note(host, err)
	attrs := []any{"peer", q.from, "server", host, "file", printable.Text(path), "code", code, "size", n}
	if errors.Is(err, errTooLong) {
		defer panic(http.ErrAbortHandler) // the phone must not take a part for all of it
	}
	if err != nil {
		u.o.Log.Warn("file of a host not passed on", append(attrs, "err", printable.Text(err.Error()))...)
		return
	}
	u.o.Log.Info("file of a host passed on", attrs...)
}

// copy fetches and answers.
func (u *upstream) copy(ctx context.Context, w http.ResponseWriter, r *http.Request, from url.URL) (n int64, code int, err error) {
	client := http.Client{Transport: u.o.Transport(), CheckRedirect: stay}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, r.Method, from.String(), nil)
	if err != nil {
		http.Error(w, "no such file", http.StatusNotFound)
		return 0, http.StatusNotFound, err
	}
	for _, name := range forward {
		if v := r.Header.Get(name); v != "" || name == "User-Agent" {
			req.Header.Set(name, v)
		}
	}
	req.Header.Set("Accept-Encoding", "identity") // lengths stay those that the phone is told
	res, err := client.Do(req)
	if err != nil {
		http.Error(w, "the host is not reached", http.StatusBadGateway)
		return 0, http.StatusBadGateway, fmt.Errorf("fetch: %w", reason(err))
	}
	defer res.Body.Close()
	if res.ContentLength > maxPassed {
		return 0, http.StatusBadGateway, errTooLong
	}
	for _, name := range back {
		if v := res.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(res.StatusCode)
	n, err = io.Copy(w, io.LimitReader(res.Body, maxPassed))
	if err != nil {
		return n, res.StatusCode, fmt.Errorf("fetch: %w", err)
	}
	if more, _ := res.Body.Read(make([]byte, 1)); more > 0 {
		return n, res.StatusCode, errTooLong
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return n, res.StatusCode, fmt.Errorf("it answers %d", res.StatusCode)
	}
	return n, res.StatusCode, nil
}

// reason leaves out the URL, which may hold what is secret between a phone and its provider.
func reason(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// note keeps what became of an attempt. An alarm lasts until the next one that goes well.
func (u *upstream) note(host string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := u.hosts[host]
	if h == nil {
		h = &status.ProvisioningForeign{Host: host}
		u.hosts[host] = h
	}
	h.Last = time.Now()
	switch {
	case err == nil:
		h.Passed++
		h.Error = ""
		u.o.Health.Clear(health.ProvisioningUpstream, host)
	case errors.Is(err, context.Canceled): // the phone has gone
	default:
		h.Failed++
		h.Error = printable.Text(err.Error())
		u.o.Health.Set(health.ProvisioningUpstream, health.Args{"host": host, "why": h.Error})
	}
}

// forget drops hosts that are configured no more.
func (u *upstream) forget(cfg *config.Config) {
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.hosts, func(host string, _ *status.ProvisioningForeign) bool {
		is := slices.ContainsFunc(cfg.Provisioning, func(p *config.ProvisioningService) bool {
			return slices.ContainsFunc(p.Upstreams, func(x string) bool { return strings.EqualFold(x, host) })
		})
		if !is {
			u.o.Health.Clear(health.ProvisioningUpstream, host)
		}
		return !is
	})
}

func (u *upstream) status() (list []status.ProvisioningForeign) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, h := range u.hosts {
		list = append(list, *h)
	}
	return list
}
