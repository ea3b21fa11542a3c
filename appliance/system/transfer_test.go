package system

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAServerDoesNotLeadAwayFromHTTPS(t *testing.T) {
	var got []string
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = append(got, string(text))
		io.WriteString(w, "system hostname forged")
	}))
	defer plain.Close()
	private := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" {
			io.WriteString(w, "system hostname right")
			return
		}
		to := map[string]string{"/away": plain.URL, "/on": "/here"}[r.URL.Path]
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	defer private.Close()
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	if _, err := s.ImportCertificate("web", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: private.Certificate().Raw})); err != nil {
		t.Fatal(err)
	}
	if text, err := s.Fetch(t.Context(), private.URL+"/on"); err != nil || string(text) != "system hostname right" {
		t.Errorf("to the same server: %q, %v", text, err)
	}
	if text, err := s.Fetch(t.Context(), private.URL+"/away"); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("fetched %q, %v", text, err)
	}
	if err := s.Send(t.Context(), private.URL+"/away", []byte("password")); err == nil || len(got) > 0 {
		t.Errorf("sent %q, %v", got, err)
	}
}
