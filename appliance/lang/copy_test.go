package lang

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/command"
)

// webBox is a box with a web server behind one URL.
type webBox struct {
	*box
	page []byte
}

const pageURL = "https://192.0.2.1/sbc.cfg"

func (b *webBox) Fetch(_ context.Context, url string) ([]byte, error) {
	if url != pageURL || b.page == nil {
		return nil, errors.New("404 Not Found")
	}
	return b.page, nil
}

func (b *webBox) Send(_ context.Context, url string, text []byte) error {
	b.page = text
	return nil
}

func TestCopiesAndDifferences(t *testing.T) {
	l := New()
	b := &webBox{box: newBox()}
	s := &Session{Mode: []string{"enable"}, Class: "superuser"}
	run := func(line, body string) string {
		var out strings.Builder
		var block []byte
		if body != "" {
			block = []byte(body)
		}
		r, _ := l.Exec(t.Context(), b, s, line, block, &out)
		s.Mode = r.Mode
		return out.String()
	}
	for _, x := range []struct{ line, body, want string }{
		{"copy startup-config running-config", "", "there is no startup-config yet"},
		{"copy running-config running-config", "", "source and destination are the same"},
		{"copy running-config ftp://x", "", `"ftp://x" is not a place for a configuration`},
		{"copy https://192.0.2.1/gone.cfg startup-config", "", "fetch https://192.0.2.1/gone.cfg: 404 Not Found"},
		{"copy console: running-config", "system hostname a\n\nsntp-client\n", "console: merged into the running-config: 2 lines taken, 0 refused\n"},
		{"copy running-config " + pageURL, "", "running-config copied to " + pageURL + ": 2 lines\n"},
		{"copy console: startup-config", "<html>\nsystem hostname b\n", "1 line not understood: nothing was copied"},
		{"copy console: startup-config", "# nothing\n\n", "nothing was copied"},
		{"copy " + pageURL + " startup-config", "", "logins over the network will not be possible after the next reload\n" + pageURL + " copied to startup-config: 2 lines\n"},
		{"show config diff", "", "startup-config and running-config are the same.\n"},
		{"copy console: running-config", "context cs S\nmapping-table e164 to e164 T\nmap 1 to 2\nno sntp-client\n", "4 lines taken"},
		{"show config diff", "", "- only in startup-config\n+ only in running-config\n- sntp-client\n+ context cs S\ncontext cs S\n+ mapping-table e164 to e164 T\n" +
			"context cs S / mapping-table e164 to e164 T\n+ map 1 to 2\n"},
		{"show call-router", "", "mapping-table  S/T   1      -"},
		{"show call-router T", "", "mapping-table e164 to e164 T\n  map 1 to 2\n"},
		{"show call-router U", "", "no such table, function or service: U"},
		{"copy running-config console:", "", "  mapping-table e164 to e164 T\n"},
	} {
		if out := run(x.line, x.body); !strings.Contains(out, x.want) {
			t.Errorf("%s: %q, want %q", x.line, out, x.want)
		}
	}
	if r, _ := l.Exec(t.Context(), b, s, "copy console: startup-config", nil, io.Discard); r.Collect == nil || r.Collect.Kind != "text" {
		t.Errorf("no text is asked for: %+v", r)
	}
}

// Who may not write a line of an account does not get one in as part of a whole configuration either.
func TestAdministratorsKeepTheAccounts(t *testing.T) {
	b := &webBox{box: newBox()}
	s := &Session{Mode: []string{"enable"}, Class: config.Superuser}
	run := func(line, body string) string {
		var out strings.Builder
		New().Exec(t.Context(), b, s, line, []byte(body), &out)
		return out.String()
	}
	if out := run("copy console: running-config", "superuser anna password secret1\nadministrator adam password secret2\n"); !strings.Contains(out, "2 lines taken, 0 refused") {
		t.Fatal(out)
	}
	run("copy running-config "+pageURL, "")
	s.User, s.Class = "adam", config.Administrator
	for _, line := range []string{"copy console: running-config", "copy console: running-config replace force", "copy console: startup-config"} {
		if out := run(line, "superuser adam password mine\n"); !strings.Contains(out, "only a superuser can manage accounts") {
			t.Errorf("%s: %q", line, out)
		}
	}
	b.page = append(b.page, "system hostname other\n"...)
	if out := run("copy "+pageURL+" running-config", ""); strings.Contains(out, "%") || b.cfg.Hostname != "other" {
		t.Errorf("the same accounts: %q", out)
	}
	for _, line := range []string{"export backup", "check backup", "import backup"} {
		if out := run(line, "phrase"); !strings.Contains(out, "only a superuser") {
			t.Errorf("%s: %q", line, out)
		}
	}
	if out := run("copy factory-config startup-config", ""); strings.Contains(out, "superuser") {
		t.Errorf("the way to the factory settings: %q", out)
	}
}

func TestATornBackupIsRefusedBeforeThePassPhrase(t *testing.T) {
	c := newConsole(New())
	c.types("enable", "import backup")
	const begin, end = "-----BEGIN VIADUCT BACKUP-----\nBox: \n\nAAAA\n", "-----END VIADUCT BACKUP-----\n"
	for body, asks := range map[string]bool{begin: false, begin + end: true, "hello\n": false} {
		r, err := c.lang.Exec(t.Context(), c.box, &c.s, "import backup", []byte(body), io.Discard)
		if (r.Collect != nil) != asks || (err == nil) != asks {
			t.Errorf("%q: asks for %+v (%v)", body, r.Collect, err)
		}
	}
}

func TestAFileWithoutAnEndOfLine(t *testing.T) {
	c := newConsole(New())
	c.types("enable")
	for text, want := range map[string]string{"": "", "dns-client\n": "dns-client\n", "dns-client": "dns-client\n"} {
		c.box.files[command.StartupConfig] = []byte(text)
		if got := c.types("show startup-config"); got != want {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}
