package system

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// Records that a box has not got rid of before it restarts go to the web server with the next start, by the roots of the key store. The
// file of the position names where to begin.
func TestRecordsArePostedAfterARestart(t *testing.T) {
	got := make(chan string, 10)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Header.Get("Authorization") + " " + string(body)
	}))
	defer server.Close()
	dir := t.TempDir()
	day := time.Now().UTC().Format(time.DateOnly) + ".jsonl"
	sent, waits := `{"id":"1","started":"2026-11-29T10:00:00Z"}`+"\n", `{"id":"2","started":"2026-11-29T11:00:00Z","calling":"+49301234567"}`+"\n"
	for name, text := range map[string]string{
		"startup-config": "cli version 3.20\nsystem hostname sbc01\ncall-records\n  keep 3\n  post " + server.URL + "/sbc token secret masked\n",
		"cdr/" + day:     sent + waits,
		"cdr/posted":     `{"file":"` + day + `","offset":44}`,
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := boxOf(t, named(t, "sim"), dir, "")
	if _, err := s.ImportCertificate("web", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if body := <-got; !strings.HasPrefix(body, `Bearer secret {"batch":"`) || !strings.HasSuffix(body, `"box":"sbc01","records":[{"id":"20261129T110000.000-2","record":{"version":1,"id":"2","call_id":"","started":"2026-11-29T11:00:00Z","from":"","calling":"+49301234xxx","called":"","by":"","code":0}}]}`) {
		t.Errorf("posted: %s", body)
	}
	await(t, "the end of waiting", func() bool { st := s.CallArchive(); return st.Days == 3 && st.Post != nil && st.Post.Waiting == 0 })
	if n, err := s.EraseCallRecords(0); n != 1 || err != nil {
		t.Errorf("%d files erased, %v", n, err)
	}
	if list, err := s.CallRecords(10); len(list) != 0 || err != nil {
		t.Errorf("records %v, %v", list, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A STARFACE comes with a certificate of its own making, for another name than that by which it is reached.
func TestAStarfaceWithACertificateOfItsOwn(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	server.Listener.Close()
	var err error
	if server.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil { // which the certificate does not have
		t.Fatal(err)
	}
	server.StartTLS()
	defer server.Close()
	text := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	access := config.StarfaceAccess{URL: server.URL, CA: "pki:trusted-certificate/STARFACE"}
	if _, _, err := s.dialStarface(access); err == nil || !strings.Contains(err.Error(), "STARFACE cannot be used") {
		t.Errorf("without its certificate: %v", err)
	}
	if _, err := s.ImportCertificate("STARFACE", text(pki.Public()[0])); err != nil {
		t.Fatal(err)
	}
	way, _, err := s.dialStarface(access)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: way}
	defer client.CloseIdleConnections()
	if r, err := client.Get(access.URL); err == nil {
		r.Body.Close()
		t.Error("whoever answers is taken for the STARFACE")
	}
	if _, err := s.ImportCertificate("STARFACE", text(server.Certificate())); err != nil {
		t.Fatal(err)
	}
	if r, err := client.Get(access.URL); err != nil {
		t.Errorf("with what has been imported since: %v", err)
	} else {
		r.Body.Close()
	}
}
