package lab

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/pki"
)

// pebbleName is where the box finds Let's Encrypt's test server, Pebble.
const pebbleName = "pebble.meinefirma.de"

var buildPebble = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(scratch, "pebble")
	out, err := exec.Command("go", "build", "-o", path, "github.com/letsencrypt/pebble/v2/cmd/pebble").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build pebble: %w\n%s", err, out)
	}
	return path, nil
})

// pebble is a running Pebble on the WAN, and the name server that it asks.
type pebble struct {
	r    *running
	dns  *DNS
	key  crypto.Signer
	log  safeBuffer
	root *x509.Certificate

	process *Process
}

// startPebble starts one whose certificates live for ten minutes and have two intermediates. A MAC key is wanted when there is one.
func startPebble(r *running, macKey string, environment ...string) *pebble {
	r.t.Helper()
	p := &pebble{r: r}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		r.t.Fatal(err)
	}
	if p.dns, err = newDNS(r.ctx, r.WAN, netip.AddrPortFrom(GatewayAddr, 53), 1); err != nil {
		r.t.Fatal(err)
	}
	r.closers = append(r.closers, p.dns.close)
	p.dns.Set(SBCName, BoxWAN)
	r.DNS.Set(pebbleName, GatewayAddr)
	p.start(macKey, environment...)
	r.t.Cleanup(func() {
		if err := p.process.Stop(5 * time.Second); err != nil {
			r.t.Error(err)
		}
		if r.t.Failed() {
			r.t.Logf("Pebble's log:\n%s", &p.log)
		}
	})
	return p
}

func (p *pebble) start(macKey string, environment ...string) {
	r := p.r
	r.t.Helper()
	program, err := buildPebble()
	if err != nil {
		r.t.Fatal(err)
	}
	web, err := r.PKI.IssueBox(p.key, pebbleName)
	if err != nil {
		r.t.Fatal(err)
	}
	keyText, err := KeyPEM(p.key)
	if err != nil {
		r.t.Fatal(err)
	}
	dir := r.t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			r.t.Fatal(err)
		}
		return path
	}
	macKeys := map[string]string{}
	if macKey != "" {
		macKeys["kid-1"] = macKey
	}
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": GatewayAddr.String() + ":14000", "managementListenAddress": GatewayAddr.String() + ":15000",
		"certificate": file("web.pem", CertificatePEM(web.Certificate...)), "privateKey": file("web.key", keyText),
		"httpPort": 80, "tlsPort": 443, "externalAccountBindingRequired": macKey != "", "externalAccountMACKeys": macKeys,
		"caaIdentities": []string{"pebble.example"}, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"classic": map[string]any{"description": "ten minutes", "promoteCommonName": true, "validityPeriod": 600}},
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(program, "-config", file("pebble.json", conf), "-dnsserver", netip.AddrPortFrom(GatewayAddr, 53).String(), "-strict")
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.Env = append(os.Environ(), append([]string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0", "PEBBLE_CHAIN_LENGTH=2"}, environment...)...)
	if p.process, err = r.WAN.Start(cmd); err != nil {
		r.t.Fatal(err)
	}
	r.wait("Pebble answers", func() bool {
		p.root, err = p.readRoot()
		return err == nil
	})
}

// readRoot asks Pebble for its root, which is another one at each start.
func (p *pebble) readRoot() (*x509.Certificate, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return p.r.WAN.Dial(ctx, network, GatewayAddr.String(), address)
		}}}
	res, err := client.Get("https://" + GatewayAddr.String() + ":15000/roots/0")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	list, err := pki.ParseCertificates(text)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// trust is what is pasted so that the box knows Pebble's web server and its root.
func (p *pebble) trust(name string) string {
	return fmt.Sprintf("enable\nimport pki:certificate/PEBBLEWEB\n%s\nimport pki:certificate/%s\n%s\n", CertificatePEM(p.r.PKI.BoxRoot.Raw), name, CertificatePEM(p.root.Raw))
}

// proxy is an HTTP proxy on the WAN that knows CONNECT only. It counts its connections.
func proxy(t *testing.T, r *running, at netip.AddrPort) (count func() int) {
	t.Helper()
	l, err := r.WAN.Listen(r.ctx, "tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		_, port, _ := net.SplitHostPort(q.Host)
		to, err := r.WAN.Dial(r.ctx, "tcp4", at.Addr().String(), netip.MustParseAddrPort(GatewayAddr.String()+":"+port).String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		mu.Lock()
		n++
		mu.Unlock()
		w.WriteHeader(http.StatusOK)
		from, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		var copies sync.WaitGroup
		copies.Go(func() { _, _ = io.Copy(to, buffered); to.Close() })
		_, _ = io.Copy(from, to)
		from.Close()
		copies.Wait()
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return func() int { mu.Lock(); defer mu.Unlock(); return n }
}
