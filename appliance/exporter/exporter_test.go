package exporter

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
)

// shelf is a key store.
type shelf struct{ pkitest.Shelf }

// put makes a certificate under a name, and returns it for a client.
func (s *shelf) put(t *testing.T, name, host string) tls.Certificate {
	t.Helper()
	cert, key := pkitest.SelfSigned(t, host)
	chain, err := pki.ParseCertificates(cert)
	if err != nil {
		t.Fatal(err)
	}
	k, err := pki.ParsePrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s.Put(name, chain, k)
	return tls.Certificate{Certificate: [][]byte{chain[0].Raw}, PrivateKey: k}
}

type rig struct {
	t        *testing.T
	shelf    *shelf
	settings atomic.Pointer[Settings]
	alarms   health.Tracker
	writes   atomic.Int32
	log      bytes.Buffer
	url      string
}

const token = "9f2b6c1d-prometheus-reads"

func start(t *testing.T) *rig {
	g := &rig{t: t, shelf: &shelf{}}
	g.shelf.put(t, "SERVER", "sbc.test")
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := probe.Addr().(*net.TCPAddr).AddrPort()
	probe.Close()
	g.url = "https://" + at.String() + "/metrics"
	g.set(func(s *Settings) { s.Port, s.Local, s.Token = at.Port(), []netip.Addr{at.Addr()}, token })
	e := New(Options{Log: slog.New(slog.NewTextHandler(&g.log, nil)), Health: &g.alarms, PKI: g.shelf, Settings: g.settings.Load, Write: func(w io.Writer) error {
		g.writes.Add(1)
		_, err := io.WriteString(w, "viaduct_up 1\n")
		return err
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g
}

// set changes the settings. What is in force is never changed in place.
func (g *rig) set(change func(*Settings)) {
	s := &Settings{Profile: &config.TLSProfile{Name: "LAN", V12: true, V13: true, PrivateKey: "pki:private-key/SERVER", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/SERVER"}}}}
	if old := g.settings.Load(); old != nil {
		s.Metrics, s.Local = old.Metrics, old.Local
	}
	change(s)
	g.settings.Store(s)
}

// get asks once.
func (g *rig) get(token string, client ...tls.Certificate) (code int, text, server string, err error) {
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: client}, DisableKeepAlives: true}}
	r, _ := http.NewRequestWithContext(g.t.Context(), "GET", g.url, nil)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	a, err := h.Do(r)
	if err != nil {
		return 0, "", "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a.StatusCode, string(b), a.TLS.PeerCertificates[0].Subject.CommonName, err
}

// until asks until the answer is as it should be.
func (g *rig) until(what string, holds func() bool) {
	g.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatal(what)
		}
	}
}

func TestACollectorNeedsTheToken(t *testing.T) {
	g := start(t)
	g.until("it does not listen", func() bool { code, _, _, _ := g.get("Bearer " + token); return code == 200 })
	for _, wrong := range []string{"", token, "Bearer ", "Bearer " + token + "x", "Basic " + token, "bearer" + token} {
		if code, text, _, err := g.get(wrong); err != nil || code != 401 || strings.Contains(text, "viaduct_up") {
			t.Errorf("%q: %d %q %v", wrong, code, text, err)
		}
	}
	if code, text, _, err := g.get("Bearer " + token); err != nil || code != 200 || text != "viaduct_up 1\n" {
		t.Errorf("%d %q %v", code, text, err)
	}
	// A certificate that is renewed is shown without a change of the configuration.
	g.shelf.put(t, "SERVER", "renewed.test")
	if _, _, name, err := g.get("Bearer " + token); err != nil || name != "renewed.test" {
		t.Errorf("%q %v", name, err)
	}
	g.set(func(s *Settings) { s.Token = "another-one-of-sixteen" })
	g.until("the old token is good", func() bool { code, _, _, _ := g.get("Bearer " + token); return code == 401 })
	g.settings.Store(nil)
	g.until("it listens although nothing is configured", func() bool { _, _, _, err := g.get("Bearer " + token); return err != nil })
	if !strings.Contains(g.log.String(), "metrics request refused") || strings.Contains(g.log.String(), token) || strings.Count(g.log.String(), "refused") != 1 {
		t.Errorf("the log says %s", g.log.String())
	}
}

func TestACollectorNeedsACertificate(t *testing.T) {
	g := start(t)
	right, wrong := g.shelf.put(t, "COLLECTOR", "prometheus"), g.shelf.put(t, "OTHER", "prometheus")
	demand := func(s *Settings) {
		s.Token = ""
		s.Profile.AuthIncoming, s.Profile.Trusted = true, []config.PKIName{"pki:certificate/COLLECTOR"}
	}
	g.set(demand)
	g.until("the certificate is not taken", func() bool { code, _, _, _ := g.get("", right); return code == 200 })
	if code, _, _, err := g.get("", wrong); err == nil {
		t.Errorf("another certificate: %d", code)
	}
	if code, _, _, err := g.get("Bearer " + token); err == nil {
		t.Errorf("no certificate: %d", code)
	}
	g.set(func(s *Settings) { demand(s); s.Token = token })
	g.until("both are not asked for", func() bool { code, _, _, _ := g.get("", right); return code == 401 })
	if code, _, _, err := g.get("Bearer "+token, right); err != nil || code != 200 {
		t.Errorf("both: %d %v", code, err)
	}
}

func TestTheEnginesAreAskedOnceASecond(t *testing.T) {
	g := start(t)
	g.until("it does not listen", func() bool { code, _, _, _ := g.get("Bearer " + token); return code == 200 })
	before, began := g.writes.Load(), time.Now()
	for range 10 {
		g.get("Bearer " + token)
	}
	if n, most := g.writes.Load()-before, int32(time.Since(began)/textLives)+1; n > most {
		t.Errorf("ten readers had the engines asked %d times", n)
	}
}

// A certificate that is missing is an alarm, and so is a port that is taken.
func TestWhatIsWrongIsAnAlarm(t *testing.T) {
	g := start(t)
	g.until("it does not listen", func() bool { code, _, _, _ := g.get("Bearer " + token); return code == 200 })
	if g.alarms.Active(health.MetricsRefused) {
		t.Errorf("%+v", g.alarms.Current())
	}
	g.set(func(s *Settings) { s.Profile.Own[0].Name = "pki:certificate/GONE" })
	g.until("no alarm", func() bool { return g.alarms.Active(health.MetricsRefused) })
	g.set(func(s *Settings) {})
	g.until("the alarm stays", func() bool { return !g.alarms.Active(health.MetricsRefused) })
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.set(func(s *Settings) { s.Port = taken.Addr().(*net.TCPAddr).AddrPort().Port() })
	g.until("no alarm", func() bool { return g.alarms.Active(health.MetricsRefused) })
	taken.Close()
	g.until("the alarm stays", func() bool { return !g.alarms.Active(health.MetricsRefused) })
}

// Whoever has no token keeps no connection, whatever he asks for.
func TestStrangersKeepNoPlace(t *testing.T) {
	g := start(t)
	g.until("it does not listen", func() bool { code, _, _, _ := g.get("Bearer " + token); return code == 200 })
	address := strings.TrimSuffix(strings.TrimPrefix(g.url, "https://"), "/metrics")
	for _, ask := range []string{"GET /metrics", "GET /", "POST /metrics", "OPTIONS *"} {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: sbc.test\r\n\r\n", ask)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if text, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 401 ") { // up to the end of the connection
			t.Errorf("%s: %q, %v", ask, text, err)
		}
		c.Close()
	}
}

// The example of the document is one that Prometheus takes.
func TestTheExampleForPrometheus(t *testing.T) {
	document, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(document), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(example, "scrape_configs") {
		t.Fatal("there is no example")
	}
	dir := t.TempDir()
	for _, name := range []string{"sbc-ca.pem", "sbc-token", "collector.pem", "collector.key"} {
		example = strings.ReplaceAll(example, "/etc/prometheus/"+name, filepath.Join(dir, name))
	}
	cert, key := pkitest.SelfSigned(t, "prometheus")
	for name, text := range map[string][]byte{"sbc-ca.pem": cert, "sbc-token": []byte(token), "collector.pem": cert, "collector.key": key, "prometheus.yml": []byte(example)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
