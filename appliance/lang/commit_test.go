package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/lang/command"
	"viaduct/appliance/status"
)

// What is typed after `configure confirm` goes back as a whole, whoever typed it, and is not saved before.
func TestTypedChangesGoBack(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.s.User, c.s.TTY = "anna", "serial"
	c.types("system hostname before", "end")
	if out := c.types("configure confirm 5"); !strings.Contains(out, "goes back in 5 minutes, unless you type `confirm`") || c.last.Prompt != "before(cfg)#" {
		t.Errorf("%q %q", out, c.last.Prompt)
	}
	c.types("system hostname after", "sntp-client")
	if st := c.box.Commit(); st.State != status.Pending || st.By.Account != "anna" {
		t.Errorf("%+v", st)
	}
	if out := c.types("copy running-config startup-config"); !strings.Contains(out, "waits for its confirmation") || c.box.files[command.StartupConfig] != nil {
		t.Errorf("saved: %q", out)
	}
	if out := c.types("no confirm"); !strings.Contains(out, "what it was before") || c.box.cfg.Hostname != "before" || !c.last.Changed || c.last.Prompt != "before(cfg)#" {
		t.Errorf("%q: %s", out, c.box.cfg.Hostname)
	}
	c.types("configure confirm 5", "system hostname after")
	if out := c.types("confirm save"); !strings.Contains(out, "running-config copied to startup-config") || !strings.Contains(string(c.box.files[command.StartupConfig]), "hostname after") {
		t.Errorf("%q", out)
	}
	for _, line := range []string{"confirm", "no confirm"} {
		if out := c.types(line); !strings.Contains(out, "no change waits for a confirmation") {
			t.Errorf("%s: %q", line, out)
		}
	}
	// conf is what people type for configure
	if c.types("end", "conf"); c.err != nil || c.last.Prompt != "after(cfg)#" {
		t.Errorf("conf: %v", c.err)
	}
}

func TestACopyThatGoesBack(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.s.User = "anna"
	c.types("system hostname before", "end")
	run := func(line, body string) string {
		var out strings.Builder
		l.Exec(t.Context(), c.box, &c.s, line, []byte(body), &out)
		return out.String()
	}
	if out := run("copy console: startup-config confirm 5", "system hostname x\n"); !strings.Contains(out, "confirm is for the running-config") {
		t.Error(out)
	}
	if out := run("copy console: running-config replace force confirm 5", "system hostname one\n"); !strings.Contains(out, "goes back in 5 minutes") || c.box.cfg.Hostname != "one" {
		t.Error(out)
	}
	c.s.User = "bert"
	if out := run("copy console: running-config replace force confirm 5", "system hostname two\n"); !strings.Contains(out, "a change of anna waits until") || c.box.cfg.Hostname != "one" {
		t.Errorf("bert: %s %s", out, c.box.cfg.Hostname)
	}
	if out := run("copy console: running-config", "sntp-client\n"); !strings.Contains(out, "merged") || !strings.Contains(strings.Join(c.box.told, "\n"), "bert changes the configuration while the change of anna waits") {
		t.Errorf("%s, told %q", out, c.box.told)
	}
	if run("no confirm", ""); c.box.cfg.Hostname != "before" || strings.Contains(string(l.Print(c.box.cfg, false)), "sntp-client") {
		t.Errorf("%s", l.Print(c.box.cfg, false))
	}
	if got := written(c.box); !strings.Contains(got, "configuration anna  [] system hostname one ()\n") || !strings.Contains(got, "configuration anna  [] no system hostname before ()\n") {
		t.Errorf("the trail has not got the lines that came and went: %s", got)
	}
	if out := run("copy console: running-config confirm 5", "nonsense\n"); !strings.Contains(out, "no line of console: is understood") || c.box.Commit().State != status.NoCommit {
		t.Errorf("%s %v", out, c.box.Commit())
	}
}

// A configuration that was shown to an operator has *** for each secret: pasted back it must not become the password.
func TestHiddenSecretsAreNotTaken(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.types("superuser anna password secret12", "authentication-service A", "username u password pw")
	before := string(l.Print(c.box.cfg, false))
	if out := c.types("superuser anna password ***", "authentication-service A", "username u password ***", "exit"); strings.Count(out, "*** stands for a secret") != 2 {
		t.Error(out)
	}
	if now := string(l.Print(c.box.cfg, false)); now != before {
		t.Errorf("%s\nwas\n%s", now, before)
	}
	if _, problems := l.Parse([]byte(l.Print(c.box.cfg, true))); len(problems) != 2 {
		t.Errorf("%v", problems)
	}
	if c.types("authentication-service A", "no username u password ***"); c.err != nil {
		t.Error(c.err)
	}
}
