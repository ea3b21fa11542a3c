package lab

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/bans"
	"viaduct/appliance/web/machine/machinetest"
)

// serve starts consoled beside the box, whose web page it serves.
func (r *running) serve() {
	r.t.Helper()
	cmd := exec.Command(r.box.programs.Consoled, "-socket", r.box.Socket, "-state", r.t.TempDir(), "-ssh", "127.0.0.1:2222")
	cmd.Stdout, cmd.Stderr = r.log, r.log
	process, err := r.Box.Start(cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := process.Stop(5 * time.Second); err != nil {
			r.t.Errorf("consoled: %v", err)
		}
	})
}

// pasted pastes lines of configuration.
func (r *running) pasted(lines string) {
	r.t.Helper()
	if out, err := r.box.Paste(r.ctx, "enable\nconfigure\n"+lines+"end\n"); err != nil {
		r.t.Fatal(err, out)
	}
}

const (
	readingToken     = "r34ds-only-9f2b6c1d-x"
	configuringToken = "c0nf1gures-7Hq2-LpZ0-x"
	forLAN           = "https://192.168.1.1"
)

// curl asks from a side of the box, and returns the status and the body.
func (r *running) curl(n *Namespace, url string, args ...string) (code, body string) {
	r.t.Helper()
	out, err := r.in(n, "curl", append([]string{"-sk", "--connect-timeout", "5", "--max-time", "60", "-w", "\n%{http_code}", url}, args...)...)
	i := strings.LastIndexByte(out, '\n')
	if err != nil || i < 0 {
		return "", fmt.Sprint(err, out)
	}
	return out[i+1:], out[:i]
}

func bearer(token string) []string { return []string{"-H", "Authorization: Bearer " + token} }

// firstAccount makes the first account with the set-up code, as a browser on the LAN does.
func (r *running) firstAccount(name, password string) {
	r.t.Helper()
	if said, err := r.box.Exec(r.ctx, "show webserver"); err != nil || !strings.Contains(said, "Set-up code: shown at the box alone") {
		r.t.Errorf("on a terminal that is not at the box: %v\n%s", err, said)
	}
	said, err := r.box.Paste(r.ctx, "show webserver\n")
	code := regexp.MustCompile(`(?m)^Set-up code: (\d{8}) `).FindStringSubmatch(said)
	if err != nil || code == nil {
		r.t.Fatal(err, said)
	}
	login := func(fields ...string) (status, body string) {
		args := []string{"-H", "Origin: " + forLAN}
		for _, f := range fields {
			args = append(args, "--data-urlencode", f)
		}
		return r.curl(r.LAN, forLAN+"/login", args...)
	}
	other := "00000000"
	if code[1] == other {
		other = "00000001"
	}
	if status, body := login("step=code", "user="+name, "code="+other); status != "403" {
		r.t.Errorf("a wrong code: %s %s", status, body)
	}
	status, body := login("step=code", "user="+name, "code="+code[1])
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(body)
	if status != "200" || ticket == nil {
		r.t.Fatalf("the code: %s %s", status, body)
	}
	if status, body := login("step=choose", "ticket="+ticket[1], "new="+password, "again="+password); status != "303" {
		r.t.Fatalf("the password: %s %s", status, body)
	}
	if status, body := login("step=code", "user=eve", "code="+code[1]); status != "403" {
		r.t.Errorf("the code again: %s %s", status, body)
	}
	if saved, err := r.box.Exec(r.ctx, "show startup-config"); err != nil || !strings.Contains(saved, "superuser "+name+" password $2a$") {
		r.t.Errorf("saved: %v\n%s", err, saved)
	}
	if strings.Contains(r.log.String(), code[1]) {
		r.t.Error("the log has the code")
	}
}

// shown is the SHA-256 of the certificate that openssl gets to see.
func (r *running) shown() string {
	r.t.Helper()
	out, err := r.in(r.LAN, "sh", "-c", "openssl s_client -connect 192.168.1.1:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256")
	_, sum, _ := strings.Cut(strings.TrimSpace(out), "=")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(sum, ":", "")
}

// Machines on the LAN read and change the box with tokens, as the account of each may. On the WAN nothing answers. The certificate is the one that the box
// says, and another one takes its place while connections go on.
func TestMachinesOverHTTPS(t *testing.T) {
	r := runBox(t, Setup{})
	r.pasted("webserver https\n")
	r.serve()
	r.wait("the web server", func() bool {
		code, _ := r.curl(r.LAN, forLAN+"/v1/status")
		return code == "401"
	})
	r.firstAccount("root", "pass-word")
	r.pasted("operator watcher password pass-word\n" +
		"webserver token monitoring account watcher read " + readingToken + "\nwebserver token deploy account root configure " + configuringToken + "\n")

	// Who gets there.
	if code, body := r.curl(r.LAN, "http://192.168.1.1/x", "-o", "/dev/null", "-w", "\n%{redirect_url} %{http_code}"); !strings.HasSuffix(code, "https://192.168.1.1/x 308") {
		t.Errorf("without HTTPS: %s %s", code, body)
	}
	for _, at := range []string{BoxWAN.String(), BoxLAN.String()} {
		for _, port := range []string{"443", "80"} {
			ctx, cancel := context.WithTimeout(r.ctx, 500*time.Millisecond)
			if c, err := r.WAN.Dial(ctx, "tcp", "", net.JoinHostPort(at, port)); err == nil {
				c.Close()
				t.Errorf("from the WAN %s answers at port %s", at, port)
			}
			cancel()
		}
	}
	if code, _ := r.curl(r.LAN, forLAN+"/v1/status", append(bearer(readingToken), "-H", "Host: evil.example.com")...); code != "421" {
		t.Errorf("under a foreign name: %s", code)
	}

	// What machines may.
	for _, c := range []struct {
		path, want string
		args       []string
	}{
		{"/v1/status", "401", nil}, {"/metrics", "401", nil}, {"/v1/health", "401", nil}, {"/v1/nothing", "401", nil}, {"/v1/exec", "401", []string{"-X", "POST"}},
		{"/v1/status", "401", []string{"-H", "Authorization: Basic cm9vdDpwYXNzLXdvcmQ="}},
		{"/v1/status", "401", []string{"-H", "Authorization: Bearer "}},
		{"/v1/nothing", "404", bearer(readingToken)}, {"/v1/login", "404", bearer(configuringToken)}, {"/v1/exec", "404", append(bearer(configuringToken), "-X", "POST", "-d", "{}")}, {"/v1/settings", "404", bearer(configuringToken)},
		{"/v1/status/nothing", "404", bearer(readingToken)}, {"/v1/status/..%2fsettings", "404", bearer(readingToken)}, {"/v1/status/clock", "405", append(bearer(configuringToken), "-X", "DELETE")},
		{"/v1/status/clock?user=root", "400", bearer(readingToken)}, {"/v1/status/clock?tty=serial", "400", bearer(readingToken)},
		{"/v1/status/audit", "403", bearer(readingToken)}, {"/v1/status/audit", "200", bearer(configuringToken)}, {"/v1/status/clock", "200", bearer(readingToken)},
		{"/v1/health", "200", bearer(readingToken)}, {"/metrics", "200", bearer(readingToken)},
	} {
		code, body := r.curl(r.LAN, forLAN+c.path, c.args...)
		if code != c.want {
			t.Errorf("%s %v: %s, want %s: %s", c.path, c.args, code, c.want, body)
		}
		if code[0] == '4' && !regexp.MustCompile(`^\{"error":"([^"\\]|\\.)+"\}\n$`).MatchString(body) {
			t.Errorf("%s: an error %q", c.path, body)
		}
	}

	// The answers are those that docs/openapi.json describes.
	description, err := machinetest.Read("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.LAN.Dial(ctx, network, "", address)
		}}}
	ask := func(path, token string) (status int, kind string, body []byte, shown [sha256.Size]byte) {
		q, _ := http.NewRequestWithContext(r.ctx, "GET", forLAN+path, nil)
		q.Header.Set("Authorization", "Bearer "+token)
		a, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if body, err = io.ReadAll(a.Body); err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, a.Header.Get("Content-Type"), body, sha256.Sum256(a.TLS.PeerCertificates[0].Raw)
	}
	out, in := r.fromPBX(Ring{})
	for path := range description.Paths {
		if description.Paths[path]["get"].Responses == nil {
			continue
		}
		status, kind, body, _ := ask(path, configuringToken)
		if why := description.Answer("GET", path, status, kind, body); why != "" {
			t.Errorf("%s: %s: %s", path, why, body)
		}
		if status != 200 && !slices.Contains([]string{"/v1/status/explain", "/v1/status/ladder", "/v1/status/message", "/v1/status/images"}, path) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	r.end(out, in)

	// The configuration, as in docs/web.md.
	status, kind, body, _ := ask("/v1/config", configuringToken)
	if why := description.Answer("GET", "/v1/config", status, kind, body); why != "" || !strings.Contains(string(body), "webserver https\n") {
		t.Fatalf("%s\n%s", why, body)
	}
	put := func(token, query, match, text string) (int, string) {
		q, _ := http.NewRequestWithContext(r.ctx, "PUT", forLAN+"/v1/config"+query, strings.NewReader(text))
		q.Header.Set("Authorization", "Bearer "+token)
		if match != "" {
			q.Header.Set("If-Match", match)
		}
		a, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		said, _ := io.ReadAll(a.Body)
		if why := description.Answer("PUT", "/v1/config", a.StatusCode, a.Header.Get("Content-Type"), said); why != "" {
			t.Errorf("PUT %s: %s: %s", query, why, said)
		}
		return a.StatusCode, string(said)
	}
	changed := strings.Replace(string(body), "system hostname sbc01", "system hostname sbc02", 1)
	if changed == string(body) {
		t.Fatalf("no host name in\n%s", body)
	}
	if code, said := put(readingToken, "?dry-run", "", changed); code != 403 || !strings.Contains(said, "may read only") {
		t.Errorf("with a token that reads: %d %s", code, said)
	}
	if code, said := put(configuringToken, "?dry-run", "", changed); code != 200 || !strings.Contains(said, `"applied":false`) || !strings.Contains(said, "sbc02") {
		t.Errorf("a dry run: %d %s", code, said)
	}
	for match, want := range map[string]int{"": 428, `"old"`: 412} {
		if code, said := put(configuringToken, "", match, changed); code != want {
			t.Errorf("If-Match %s: %d %s", match, code, said)
		}
	}
	if code, said := put(configuringToken, "", "*", changed+"frobnicate\n"); code != 422 {
		t.Errorf("with a line that is not understood: %d %s", code, said)
	}
	if code, said := put(configuringToken, "", "*", strings.Repeat("# nothing\n", 500_000)); code != 413 {
		t.Errorf("five million octets: %d %s", code, said)
	}
	if code, said := put(configuringToken, "", "*", changed); code != 200 || !strings.Contains(said, `"applied":true`) {
		t.Errorf("%d %s", code, said)
	}
	if trail, err := r.box.Exec(r.ctx, "show audit account root"); err != nil || !strings.Contains(trail, "sbc02") || !strings.Contains(trail, "api 192.168.1.") {
		t.Errorf("%v\n%s", err, trail)
	}

	// The certificate.
	said, err := r.box.Exec(r.ctx, "show webserver")
	own := r.shown()
	if err != nil || len(own) != 64 || !strings.Contains(said, "SHA-256: "+own+"\n") || !strings.Contains(said, "Served at: https://192.168.1.1/\n") || strings.Contains(said, "Set-up code") {
		t.Errorf("openssl sees %s: %v\n%s", own, err, said)
	}
	if out, err := r.in(r.LAN, "sh", "-c", "openssl s_client -connect 192.168.1.1:443 </dev/null 2>/dev/null | openssl x509 | curl -s --cacert /dev/stdin -H 'Authorization: Bearer "+readingToken+"' "+forLAN+"/v1/health"); err != nil || out != "{}\n" {
		t.Errorf("by the certificate of its own: %v %s", err, out)
	}
	_, _, _, before := ask("/v1/status/clock", readingToken)
	if paste, err := r.box.Paste(r.ctx, "enable\ngenerate pki:internal-ca\ngenerate pki:certificate/page internal-ca names page.lan,192.168.1.1\n"+
		"configure\nprofile tls PAGE\nprivate-key pki:private-key/page\nown-certificate 1 pki:certificate/page\nexit\nwebserver use profile tls PAGE\nend\n"); err != nil {
		t.Fatal(err, paste)
	}
	other := ""
	r.wait("another certificate", func() bool { other = r.shown(); return other != own && other != "" })
	if status, _, _, now := ask("/v1/status/clock", readingToken); status != 200 || now != before {
		t.Errorf("on the connection of before: %d, %x then %x", status, before, now)
	}
	client.CloseIdleConnections()
	if _, _, _, now := ask("/v1/status/clock", readingToken); fmt.Sprintf("%X", now) != other {
		t.Errorf("on a new connection: %X, not %s", now, other)
	}
	if out, err := r.box.Exec(r.ctx, "erase pki:private-key/page force"); err != nil {
		t.Fatal(err, out)
	}
	r.wait("the own certificate again", func() bool { return r.shown() == own })
	if alarms, err := r.box.Exec(r.ctx, "show alarms"); err != nil || !strings.Contains(alarms, "webserver-certificate") {
		t.Errorf("%v\n%s", err, alarms)
	}

	// Tokens end with their accounts, and guesses with a ban.
	r.pasted("no operator watcher\n")
	if code, body := r.curl(r.LAN, forLAN+"/v1/status/clock", bearer(readingToken)...); code != "401" {
		t.Errorf("after the account is gone: %s %s", code, body)
	}
	var all sync.WaitGroup
	for range bans.Tries { // each waits a second
		all.Go(func() { r.curl(r.LAN, forLAN+"/v1/status", bearer("wr0ng-"+readingToken)...) })
	}
	all.Wait()
	if code, _ := r.curl(r.LAN, forLAN+"/v1/status", bearer(configuringToken)...); code != "429" {
		t.Errorf("a right one after them: %s", code)
	}
	r.pasted("no webserver https\n")
	r.wait("the end of the web server", func() bool {
		code, _ := r.curl(r.LAN, forLAN+"/v1/status")
		return code == ""
	})
	for _, secret := range []string{readingToken, configuringToken} {
		if strings.Contains(r.log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}
