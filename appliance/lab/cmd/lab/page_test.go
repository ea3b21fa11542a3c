package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"viaduct/appliance/lab"
)

// A newcomer's browser reaches the page of the lab's box from this machine, and the account that is printed opens it.
func TestNewcomerOpensThePage(t *testing.T) {
	programs := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", programs, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput(); err != nil {
		t.Fatalf("build: %v %s", err, out)
	}
	state := t.TempDir()
	if err := emptyState(state); err != nil {
		t.Fatal(err)
	}
	world, err := lab.New(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	r := &runner{n: newNarrator(io.Discard, false), state: state, world: world,
		programs: lab.Programs{SBCD: filepath.Join(programs, "sbcd"), Consoled: filepath.Join(programs, "consoled"), State: filepath.Join(state, "box"), Log: io.Discard}}
	if r.box, err = world.StartBox(t.Context(), r.programs); err != nil {
		t.Fatal(err)
	}
	if err := r.paste(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.registrations(t.Context()); err != nil { // its addresses are there
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	page, err := r.showPage(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.box.ExecIn(t.Context(), []string{"enable"}, "show running-config")
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`superuser ` + pageAccount + ` password (\S+)`).FindStringSubmatch(text)
	if hash == nil {
		t.Fatalf("the account is not there:\n%s", text)
	}
	if cost, err := bcrypt.Cost([]byte(hash[1])); cost != bcrypt.DefaultCost { // programs under the race detector take less
		t.Errorf("a password costs %d, want %d: %v", cost, bcrypt.DefaultCost, err)
	}
	browser := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	q, err := http.NewRequest("POST", page.address()+"/login", strings.NewReader(url.Values{"user": {pageAccount}, "password": {page.password}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Origin", page.address())
	a, err := browser.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if text, _ := io.ReadAll(a.Body); a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 1 {
		t.Errorf("%s %s", a.Status, text)
	}
	if err := page.close(); err != nil {
		t.Error(err)
	}
}
