package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
)

// in runs a program at a neighbour of the box.
func (r *running) in(n *Namespace, name string, args ...string) (out string, err error) {
	r.t.Helper()
	cmd := exec.CommandContext(r.ctx, name, args...)
	dir := r.t.TempDir()
	cmd.Env = append(os.Environ(), "SNMPCONFPATH="+dir, "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	err = n.Do(func() error {
		text, err := cmd.CombinedOutput()
		out = string(text)
		return err
	})
	return out, err
}

// A station on the LAN sees a call, with v2c and v3. One on the WAN sees nothing, and neither does anybody before it is configured.
func TestStationsSeeACall(t *testing.T) {
	r := runBox(t, Setup{})
	const calls, pbx = ".1.3.6.1.3.9999.1.2.4.0", ".1.3.6.1.3.9999.1.4.1.0"
	lan, wan := BoxLAN.String(), BoxWAN.String()
	v2c := []string{"-On", "-v2c", "-c", "n0c-reads", "-t0.3", "-r0"}
	if out, err := r.in(r.LAN, "snmpget", append(v2c, lan, calls)...); err == nil {
		t.Fatalf("before it is configured: %s", out)
	}
	if out, err := r.box.Paste(r.ctx, "enable\nconfigure\nsnmp-server\ncommunity n0c-reads\nuser noc authentication correct-horse privacy battery-staple\nend\n"); err != nil {
		t.Fatal(err, out)
	}
	out, in := r.fromPBX(Ring{})
	v3 := []string{"-On", "-v3", "-u", "noc", "-l", "authPriv", "-a", "SHA-256", "-A", "correct-horse", "-x", "AES", "-X", "battery-staple"}
	for _, how := range [][]string{append(v2c[:4:4], "-t5"), v3} {
		said := ""
		r.wait("the call", func() bool {
			said, _ = r.in(r.LAN, "snmpget", append(how, lan, calls, pbx)...)
			return strings.Contains(said, calls+" = Gauge32: 1") && strings.Contains(said, pbx+" = Gauge32: 3")
		})
		said, err := r.in(r.LAN, "snmpbulkwalk", append(how, lan, ".1")...)
		for _, want := range []string{".1.3.6.1.2.1.31.1.1.1.1.1 = STRING: \"eth00\"", ".1.3.6.1.2.1.31.1.1.1.1.2 = STRING: \"eth01\"", ".1.3.6.1.2.1.25.2.3.1.3.1 = STRING: \"memory\"", "= STRING: \"sip-sessions\""} {
			if err != nil || !strings.Contains(said, want) {
				t.Errorf("%v: %q is not said:\n%s", err, want, said)
			}
		}
	}
	for name, at := range map[string]string{"its own address": wan, "the address of the LAN": lan} {
		if said, err := r.in(r.WAN, "snmpget", append(v2c, at, calls)...); err == nil {
			t.Errorf("a station on the WAN, at %s: %s", name, said)
		}
	}
	if said, err := r.in(r.LAN, "snmpget", append(v2c, wan, calls)...); err == nil {
		t.Errorf("at the address of the WAN: %s", said)
	}
	if said, err := r.box.Exec(r.ctx, "show snmp"); err != nil || !strings.Contains(said, "Listens on: "+lan+":161") || strings.Contains(said, wan) {
		t.Errorf("%v\n%s", err, said)
	}
	r.end(out, in)
}

// promtool has nothing to say about the metrics of a box that talks, and they tell of the call once it is over.
func TestMetricsOfACall(t *testing.T) {
	r := runBox(t, Setup{})
	read := func() string {
		answer, err := r.box.client.Get("http://box" + wire.PathMetrics)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(r.ctx, "promtool", "check", "metrics")
		cmd.Stdin = bytes.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v\n%s\n%s", err, out, text)
		}
		return string(text)
	}
	out, in := r.fromPBX(Ring{})
	r.wait("the call and the registrations", func() bool { // the peers know of them a moment before the box
		text := read()
		return strings.Contains(text, "\nviaduct_calls{state=\"connected\"} 1\n") && strings.Contains(text, "\nviaduct_registrations{state=\"registered\"} 3\n")
	})
	r.end(out, in)
	r.wait("the call to be counted", func() bool {
		text := read()
		return strings.Contains(text, "\nviaduct_calls_ended_total{answered=\"yes\"} 1\n") && strings.Contains(text, "\nviaduct_call_setup_seconds_count 1\n")
	})
}

// A collector on the LAN reads them over HTTPS, and trusts the internal CA. On the WAN nothing answers.
func TestACollectorReadsTheMetrics(t *testing.T) {
	r := runBox(t, Setup{})
	document, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(document), "    generate pki:internal-ca\n")
	example, _, _ = strings.Cut("generate pki:internal-ca\n"+example, "\n\n")
	if out, err := r.box.Paste(r.ctx, "enable\n"+example+"\nend\n"); err != nil {
		t.Fatal(err, out)
	}
	root, err := r.box.ExecIn(r.ctx, []string{"enable"}, "export pki:certificate/internal-ca")
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM([]byte(root)) {
		t.Fatalf("%v\n%s", err, root)
	}
	from := func(n *Namespace, at netip.Addr, token string) (int, string) {
		limit := hangs
		if n == r.WAN { // nobody answers there
			limit = time.Second
		}
		c := &http.Client{Timeout: hangs, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			return n.Dial(ctx, network, "", address)
		}}}
		q, _ := http.NewRequestWithContext(r.ctx, "GET", "https://"+at.String()+":9443/metrics", nil)
		q.Header.Set("Authorization", "Bearer "+token)
		a, err := c.Do(q)
		if err != nil {
			return 0, err.Error()
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		return a.StatusCode, string(text)
	}
	const token = "9f2b6c1d-prometheus-reads"
	r.wait("the metrics", func() bool {
		code, text := from(r.LAN, BoxLAN, token)
		return code == 200 && strings.Contains(text, "\nviaduct_registrations{")
	})
	if code, text := from(r.LAN, BoxLAN, "wrong"); code != 401 || strings.Contains(text, "viaduct_") {
		t.Errorf("a wrong token: %d %s", code, text)
	}
	for _, at := range []netip.Addr{BoxLAN, BoxWAN} {
		if code, text := from(r.WAN, at, token); code != 0 {
			t.Errorf("from the WAN at %s: %d %s", at, code, text)
		}
	}
}
