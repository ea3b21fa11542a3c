package lang

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"viaduct/appliance/config"
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

// A password that an account has chosen for itself outlives a change that goes back: its owner knows no other, and the old one is not valid
// again. All else of the account goes back.
func TestAChosenPasswordStays(t *testing.T) {
	const good = "a good one"
	l := New()
	c := configuringConsole(l)
	c.types("superuser root password secret12", `operator anna password "good night"`, "operator otto password secret14", "end")
	c.s.User, c.s.TTY = "root", "serial"
	c.box.files[command.StartupConfig] = l.Print(c.box.cfg, false)
	c.types("configure confirm 5", "administrator anna password start change", "operator new password start change", "system hostname after", "end")
	choose := func(name, password string, mayBeSaved bool) {
		t.Helper()
		saved, err := l.ChoosePassword(c.box, c.box.cfg.Account(name), "ssh", "start", password)
		if err != nil || saved != mayBeSaved {
			t.Errorf("%s: saved %v, %v", name, saved, err)
		}
	}
	choose("anna", good, true)
	choose("new", good, false)
	anna := *c.box.cfg.Account("anna")
	if saved := string(c.box.files[command.StartupConfig]); !strings.Contains(saved, "operator anna password "+string(anna.Password)) || strings.Contains(saved, "after") {
		t.Errorf("saved: %s", saved)
	}
	c.types("configure", "operator otto password another1", "end")
	c.types("no confirm")
	cfg := c.box.cfg
	if a := cfg.Account("anna"); cfg.Hostname == "after" || a.Password != anna.Password || a.Change || a.Class != config.Operator {
		t.Errorf("%s, %+v", cfg.Hostname, a)
	}
	if cfg.Account("new") != nil {
		t.Error("an account on trial stays")
	}
	if bcrypt.CompareHashAndPassword([]byte(cfg.Account("otto").Password), []byte("secret14")) != nil {
		t.Error("what another one has set stays")
	}
	if told := strings.Join(c.box.told, "\n"); !strings.Contains(told, "has gone back: taken back by root (serial); what new (ssh) changed meanwhile has gone back as well; new passwords stay: of anna") ||
		strings.Contains(told, "anna (ssh) changes") {
		t.Errorf("told %q", told)
	}
}

// In a configuration whose door was open the first password stays, and shuts it. One of an account that the change made goes: the box
// would be shut with nobody who can manage it.
func TestAChosenPasswordShutsTheDoorForGoodOnlyAsTheFirst(t *testing.T) {
	l := New()
	for _, line := range []string{"", "superuser root password secret12"} {
		c := configuringConsole(l)
		c.types("operator anna password \"\"", "end", "configure confirm 5", "system hostname after")
		a := &config.Account{Class: config.Superuser, Name: "first"} // as the set-up code makes it
		if line != "" {
			c.types(line)
			a = c.box.cfg.Account("anna")
		}
		if _, err := l.ChoosePassword(c.box, a, "web", "", "a good one"); err != nil {
			t.Fatal(err)
		}
		c.types("no confirm")
		if open := c.box.cfg.OpenDoor(); c.box.cfg.Hostname == "after" || open != (line != "") {
			t.Errorf("after %q: open %v", line, open)
		}
	}
}

// Without a startup-config an account on trial is not saved with its password: it would be there for good after a restart.
func TestAnAccountOnTrialIsNotSaved(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.box.files[command.FactoryConfig] = []byte("system hostname factory\n")
	c.types("superuser root password secret12", "end", "configure confirm 5", "superuser eve password start change")
	choose := func() bool {
		saved, err := l.ChoosePassword(c.box, c.box.cfg.Account("eve"), "ssh", "start", "a good one")
		if err != nil {
			t.Fatal(err)
		}
		return saved
	}
	if choose() || c.box.files[command.StartupConfig] != nil {
		t.Error("saved on trial")
	}
	if c.types("confirm"); !choose() {
		t.Error("not saved")
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
