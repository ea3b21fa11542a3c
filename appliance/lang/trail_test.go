package lang

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/status"
)

// written is the trail of a box, a line for each entry.
func written(b *box) string {
	var out strings.Builder
	for _, e := range b.trail {
		fmt.Fprintf(&out, "%s %s %s [%s] %s (%s)\n", e.What, e.Account, e.From, e.Mode, e.Line, e.Error)
	}
	return out.String()
}

func TestWhatIsDoneLeavesATrail(t *testing.T) {
	c := newConsole(New())
	c.s.User, c.s.TTY = "anna", "ssh 192.0.2.7:50022"
	c.types("show running-config", "enable", "configure", "system hostname sbc01", "system hostname sbc01", "frobnicate", "superuser otto password \"good night\"",
		"authentication-service A", "username u password t0psecret", "username u password t0psecret2", "no username u", "exit",
		"console telnet 23", "no console telnet", "port ethernet 0 0", "shutdown", "no shutdown", "no bind interface", "end",
		"copy running-config startup-config")
	const by = "anna ssh 192.0.2.7:50022"
	want := "configuration " + by + " [] system hostname sbc01 ()\n" +
		"configuration " + by + " [] superuser otto password *** encrypted ()\n" +
		"configuration " + by + " [] authentication-service A ()\n" +
		"configuration " + by + " [authentication-service A] username u password *** ()\n" +
		"configuration " + by + " [authentication-service A] username u password *** ()\n" +
		"configuration " + by + " [authentication-service A] no username u password *** ()\n" +
		"configuration " + by + " [] console telnet 23 ()\n" +
		"configuration " + by + " [] no console telnet 23 ()\n" +
		"configuration " + by + " [] port ethernet 0 0 ()\n" +
		"configuration " + by + " [port ethernet 0 0] no shutdown ()\n" +
		"command " + by + " [] copy running-config startup-config ()\n"
	got := written(c.box)
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for line, want := range map[string]string{
		" copy https://anna:s3cret@h.example/x?token=t0psecret startup-config": "copy https://***@h.example/x?*** startup-config",
		"copy startup-config http://a@b@h/x":                                   "copy startup-config http://***@h/x",
		`copy: Get "https://h.example/x?token=t0psecret": dial tcp: timeout`:   `copy: Get "https://h.example/x?***": dial tcp: timeout`,
		"clear calls 17": "clear calls 17",
	} {
		if got := withoutSecrets("", line); got != want {
			t.Errorf("%q", got)
		}
	}
}

// leakyBox fails as net/http does, with the URL.
type leakyBox struct{ *box }

func (leakyBox) InstallLicense(string) (string, error) { return "", nil }
func (leakyBox) EraseLicense(string) (string, error)   { return "", nil }

func (leakyBox) Fetch(_ context.Context, text string) ([]byte, error) {
	return nil, &url.Error{Op: "Get", URL: text, Err: io.ErrUnexpectedEOF}
}

func (leakyBox) Send(_ context.Context, text string, _ []byte) error {
	return &url.Error{Op: "Put", URL: text, Err: io.ErrUnexpectedEOF}
}

// What may be secret in a command is hidden, however its words are written, and in what is said of its failure.
func TestTheTrailHasNoSecretsOfCommands(t *testing.T) {
	b := leakyBox{newBox()}
	s := &Session{Class: config.Superuser, Mode: []string{"enable"}}
	for _, line := range []string{"install license AQEAFAAAabcdefgh", "inst lic AQEAFAAAabcdefgh", "erase  lic  AQEAFAAAabcdefgh",
		"copy https://anna:s3cret@h.example/x?token=t0psecret startup-config", "copy running-config https://h.example/x?token=t0psecret"} {
		New().Exec(t.Context(), b, s, line, nil, io.Discard)
	}
	got := written(b.box)
	if strings.Count(got, "\n") != 5 {
		t.Errorf("%s", got)
	}
	for _, secret := range []string{"abcdefgh", "s3cret", "t0psecret"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s stands in\n%s", secret, got)
		}
	}
}

// A paste is one change of the configuration, and each of its lines is an entry all the same.
func TestAPasteLeavesATrail(t *testing.T) {
	l, b := New(), newBox()
	s := &Session{Mode: []string{"enable", "configure"}, Class: config.Superuser, User: "anna", TTY: "serial"}
	lines := []string{"context cs S", "routing-table called-e164 T", "route 1 dest-table T", "route 2 dest-table T", "no route 1", "route 3 dest-nothing"}
	if ran, err := l.ExecBatch(t.Context(), b, s, lines); err != nil || len(ran) != len(lines) {
		t.Fatalf("%d lines, %v", len(ran), err)
	}
	const in = "configuration anna serial [context cs S / routing-table called-e164 T] "
	want := "configuration anna serial [] context cs S ()\nconfiguration anna serial [context cs S] routing-table called-e164 T ()\n" +
		in + "route 1 dest-table T ()\n" + in + "route 2 dest-table T ()\n" + in + "no route 1 dest-table T ()\n"
	if got := written(b); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestCommandsThatLookLeaveNoTrail(t *testing.T) {
	noted := map[string]bool{}
	for _, x := range command.Admin() {
		noted[x.Line] = !command.Looks(x.Line)
	}
	for line, want := range map[string]bool{"show version": false, "who": false, "configure [confirm <minutes:1..1440>]": false, "confirm [save]": true, "no confirm": true, "no reload": true, "export backup": true, "register now [<identity:registered>]": true, "clear calls [<id:call>]": true} {
		if got, there := noted[line]; got != want || !there {
			t.Errorf("%s: noted %v, there is one %v", line, got, there)
		}
	}
}

func TestShowAudit(t *testing.T) {
	b := busyBox{newBox()}
	b.box.trail = []status.Audit{
		{Time: noon.AddDate(0, 0, -3), What: status.AuditLogin, Account: "otto", From: "serial"},
		{Time: noon.AddDate(0, 0, -1), What: status.AuditRefused, From: "ssh 192.0.2.9", Line: "there is no such account"},
		{Time: noon, What: status.AuditConfiguration, Account: "anna", From: "serial", Mode: "context cs S", Line: "no shutdown"},
		{Time: noon, What: status.AuditCommand, Account: "anna", From: "serial", Line: "copy https://a.example/a-file-with-a-long-name startup-config", Error: "get: no such host"},
	}
	first := noon.AddDate(0, 0, -3).Format("2006-01-02 15:04:05") + "  otto at serial: login\n"
	second := noon.AddDate(0, 0, -1).Format("2006-01-02 15:04:05") + "  - at ssh 192.0.2.9: refused: there is no such account\n"
	third := noon.Format("2006-01-02 15:04:05") + "  anna at serial: configuration [context cs S]: no shutdown\n"
	fourth := noon.Format("2006-01-02 15:04:05") + "  anna at serial: command: copy\n                     https://a.example/a-file-with-a-long-name startup-config;\n                     it failed: get: no such host\n"
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
	for line, want := range map[string]string{
		"show audit":                first + second + third + fourth,
		"show audit last 1":         fourth,
		"show audit account otto":   first,
		"show audit account nobody": "% nothing of this kind is in the trail\n",
		"show audit since " + noon.AddDate(0, 0, -2).Format("2006-01-02"):     second + third + fourth,
		"show audit account anna since " + noon.Format("2006-01-02T15:04:05"): third + fourth,
		"show audit since tomorrow":                                           "% \"tomorrow\" is no time: 08:00, 2006-01-31, 2006-01-31T08:00, 2h or 3d\n",
	} {
		var out strings.Builder
		New().Exec(t.Context(), b, s, line, nil, &out)
		if out.String() != want {
			t.Errorf("%s:\n%swant\n%s", line, out.String(), want)
		}
	}
	for class, mode := range map[config.AccountClass][]string{config.Operator: {"enable"}, config.Administrator: nil} {
		var out strings.Builder
		if _, err := New().Exec(t.Context(), b, &Session{Class: class, Mode: mode, User: "olga"}, "show audit", nil, &out); err == nil || strings.Contains(out.String(), "otto") {
			t.Errorf("%s reads the trail: %s", class, out.String())
		}
	}
}
