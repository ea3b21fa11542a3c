package lang

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// shutting is a box that counts wrong passwords.
type shutting struct {
	*box
	wrong, right []string
	left         time.Duration
}

func (b *shutting) Banned(netip.Addr) time.Duration { return b.left }
func (b *shutting) WrongPassword(a netip.Addr, account string) time.Duration {
	b.wrong = append(b.wrong, a.String()+" "+account)
	return 0
}
func (b *shutting) RightPassword(a netip.Addr, account string) {
	b.right = append(b.right, a.String()+" "+account)
}

func TestTheLastAccountThatManagesAccountsStays(t *testing.T) {
	for _, c := range []struct{ accounts, user, line, refused string }{
		{"superuser anna password x12345678\n", "anna", "no superuser anna", "anna is the last account"},
		{"superuser anna password x12345678\n", "anna", "operator anna password x12345678", "anna is the last account"},
		{"superuser anna password x12345678\n", "anna", `superuser anna password ""`, "anna is the last account"},
		{"superuser anna password x12345678\nsuperuser eve password \"\"\n", "anna", "no superuser anna", "anna is the last account"},
		{"superuser anna password x12345678\nsuperuser eve password x12345678\n", "anna", "no superuser anna", ""},
		{"superuser anna password x12345678\nadministrator eve password x12345678\n", "anna", "no superuser anna", "anna is the last account"}, // eve would manage them then
		{"administrator anna password x12345678\nadministrator eve password x12345678\n", "anna", "no administrator anna", ""},
		{"administrator anna password x12345678\n", "anna", "no administrator anna", "anna is the last account"},
		{"administrator anna password x12345678\n", "anna", `superuser eve password ""`, "anna is the last account"},
		{"superuser anna password x12345678\n", "", "no superuser anna", ""}, // at the box, without an account
	} {
		l := New()
		b := boxWith(t, l, c.accounts)
		s := &Session{Mode: []string{"enable", "configure"}, User: c.user, Class: config.Superuser}
		before := b.cfg
		_, err := l.Exec(t.Context(), b, s, c.line, nil, &bytes.Buffer{})
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%q after %q: %v", c.line, c.accounts, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused) || b.cfg != before):
			t.Errorf("%q after %q: %v", c.line, c.accounts, err)
		}
	}
}

func TestAnAccountChangesItsPassword(t *testing.T) {
	l := New()
	b := &shutting{box: boxWith(t, l, "superuser eve password x12345678\noperator anna password \"good night\"\n")}
	change := func(body string) (*string, error) {
		s := &Session{User: "anna", Class: config.Operator, TTY: "https 192.0.2.7:4711"}
		var text []byte
		if body != "" {
			text = []byte(body)
		}
		r, err := l.Exec(t.Context(), b, s, "change password", text, &bytes.Buffer{})
		if r.Collect != nil {
			return &r.Collect.Kind, err
		}
		return nil, err
	}
	if kind, err := change(""); err != nil || kind == nil || *kind != "secret" {
		t.Fatalf("%v %v", kind, err)
	}
	if _, err := change("good day\n"); err == nil || !strings.Contains(err.Error(), "not the present password") || len(b.wrong) != 1 || b.wrong[0] != "192.0.2.7 anna" {
		t.Errorf("%v %v", err, b.wrong)
	}
	b.wrong = nil
	for _, tty := range []string{"web 192.0.2.7", "web 192.0.2.7/2", "web 2001:db8::7/11", "ssh [2001:db8::7]:50022", "serial"} {
		l.Exec(t.Context(), b, &Session{User: "anna", Class: config.Operator, TTY: tty}, "change password", []byte("good day\n"), &bytes.Buffer{})
	}
	if strings.Join(b.wrong, ", ") != "192.0.2.7 anna, 192.0.2.7 anna, 2001:db8::7 anna, 2001:db8::7 anna" {
		t.Errorf("%v", b.wrong)
	}
	if kind, err := change("good night\n"); err != nil || kind == nil || *kind != "new-secret" || len(b.right) != 1 {
		t.Fatalf("%v %v %v", kind, err, b.right)
	}
	before := b.cfg.Account("anna").Password
	if _, err := change("good night\nshort\n"); err == nil || !strings.Contains(err.Error(), "too short") || b.cfg.Account("anna").Password != before {
		t.Errorf("%v", err)
	}
	if _, err := change("good night\nhave a good day\n"); err != nil || b.cfg.Account("anna").Password == before || b.cfg.Account("anna").Class != config.Operator {
		t.Errorf("%v", err)
	}
	b.left = time.Minute
	if _, err := change("have a good day\nand a good night\n"); err == nil || !strings.Contains(err.Error(), "too many wrong passwords") {
		t.Errorf("%v", err)
	}
	if _, err := l.Exec(t.Context(), b, &Session{Class: config.Superuser}, "change password", nil, &bytes.Buffer{}); err == nil {
		t.Error("a session without an account changed a password")
	}
}

// boxWith is a box with a configuration.
func boxWith(t *testing.T, l *Language, text string) *box {
	t.Helper()
	b := newBox()
	cfg, problems := l.Parse([]byte(text))
	for _, p := range problems {
		t.Fatal(p)
	}
	b.cfg = cfg
	return b
}
