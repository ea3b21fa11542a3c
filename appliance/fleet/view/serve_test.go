package view

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/pki/pkitest"
)

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestWhereThePageMayBe(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080": "", "localhost:8080": "", "[::1]:8080": "",
		"0.0.0.0:8080": "needs a certificate", ":8080": "needs a certificate", "192.0.2.1:8080": "needs a certificate", "hub.example.com:443": "needs a certificate", "127.0.0.1": "no address",
	} {
		_, err := newDoor(PageOptions{Address: address})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := newDoor(PageOptions{Address: "127.0.0.1:1", Passwords: "x"}); err == nil {
		t.Error("passwords without TLS")
	}
}

func TestPasswordsOfThePage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "passwords")
	for text, want := range map[string]string{
		"# who\nanna  0123456789abcdef\nbert fedcba9876543210 \n\n": "",
		"":                           "lets nobody in",
		"anna short\n":               "needs 16",
		"anna\n":                     "needs 16",
		"Anna 0123456789abcdef\n":    "line 1",
		"0123456789abcdef\n":         "needs 16",
		"x y\nanna 0123456789abcdef": "line 1",
	} {
		_, err := readPasswords(write(t, name, text, 0o600))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readPasswords(name); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
}

func TestOnlyThoseWhoMayGetThePage(t *testing.T) {
	inside := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("inside")) })
	ask := func(d *door, method, host, password string) int {
		r := httptest.NewRequest(method, "/", nil)
		r.Host = host
		if password != "" {
			r.SetBasicAuth("anna", password)
		}
		w := httptest.NewRecorder()
		d.guard(inside).ServeHTTP(w, r)
		if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") {
			t.Errorf("policy %q", policy)
		}
		return w.Code
	}
	local := &door{o: PageOptions{Log: quiet()}}
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "LOCALHOST.": 200,
		"attacker.example": 421, "192.0.2.1:8080": 421, "localhost.attacker.example:8080": 421, "": 421, "127.0.0.1.attacker.example": 421,
	} {
		if got := ask(local, http.MethodGet, host, ""); got != want {
			t.Errorf("host %q: %d, want %d", host, got, want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodConnect, "X"} {
		if got := ask(local, method, "localhost", ""); got != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got)
		}
	}
	d, _ := secure(t)
	for host, want := range map[string]int{"hub.example.com": 200, "HUB.example.com:8443": 200, "other.example.com": 421, "192.0.2.1": 200} {
		if got := ask(d, http.MethodGet, host, "0123456789abcdef"); got != want {
			t.Errorf("host %q: %d, want %d", host, got, want)
		}
	}
	synctest.Test(t, func(*testing.T) {
		begin := time.Now()
		for _, password := range []string{"0123456789abcdeF", "x"} {
			if got := ask(d, http.MethodGet, "hub.example.com", password); got != http.StatusUnauthorized {
				t.Errorf("password %q: %d", password, got)
			}
		}
		if time.Since(begin) < 2*time.Second {
			t.Error("wrong passwords are answered at once")
		}
		if got := ask(d, http.MethodGet, "hub.example.com", ""); got != http.StatusUnauthorized {
			t.Errorf("no password: %d", got)
		}
	})
	// A file that is no more, or that others may read, lets nobody in.
	if err := os.Chmod(d.o.Passwords, 0o644); err != nil {
		t.Fatal(err)
	}
	d.passwords.changed, d.passwords.looked = nil, time.Time{}
	if got := ask(d, http.MethodGet, "hub.example.com", "0123456789abcdef"); got != http.StatusUnauthorized {
		t.Errorf("passwords that others may read: %d", got)
	}
}

// secure is a door with TLS and passwords, and its certificate.
func secure(t *testing.T) (*door, []byte) {
	t.Helper()
	dir := t.TempDir()
	cert, key := pkitest.SelfSigned(t, "hub.example.com")
	d, err := newDoor(PageOptions{
		Address: "192.0.2.1:443", Certificate: write(t, filepath.Join(dir, "cert.pem"), string(cert), 0o600), Key: write(t, filepath.Join(dir, "key.pem"), string(key), 0o600),
		Passwords: write(t, filepath.Join(dir, "passwords"), "anna 0123456789abcdef\n", 0o600), Log: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, cert
}

func TestThePageOverTLS(t *testing.T) {
	d, cert := secure(t)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.serveOn(ctx, socket, newPages(small(), "node-1", quiet())) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "hub.example.com"}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+socket.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("anna", "0123456789abcdef")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Errorf("%s, %s", answer.Status, answer.Proto)
	}
	if plain, err := http.Get("http://" + socket.Addr().String()); err == nil && plain.StatusCode == http.StatusOK {
		t.Error("the page comes without TLS")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
