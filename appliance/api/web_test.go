package api

import (
	"crypto"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/status"
	"viaduct/appliance/webserver"
)

// doored is a box with a web server.
type doored struct {
	choosing
	wrong map[string]int
	right []string
	left  time.Duration // of a ban
}

const code = "01234567"

func newDoored(text string) (*doored, Backend) {
	l := lang.New()
	cfg, _ := l.Parse([]byte(text))
	d := &doored{choosing: choosing{accounts: accounts{cfg: cfg}}, wrong: map[string]int{}}
	return d, NewBackend(l, d)
}

func (d *doored) Web() status.Web {
	return status.Web{Port: 443, Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.1")}, SHA256: strings.Repeat("A0", 32)}
}

func (d *doored) SetupCode() string {
	if d.cfg.OpenDoor() {
		return code
	}
	return ""
}

func (d *doored) SetUp(given string, open func() error) error {
	switch {
	case !d.cfg.OpenDoor():
		return webserver.ErrNoSetup
	case given != code:
		return webserver.ErrWrongCode
	}
	return open()
}

func (d *doored) WebOffer() *webserver.Offer {
	return &webserver.Offer{Port: 443, Redirect: true, Addresses: d.Web().Addresses, Hosts: []string{"sbc01"}, Chain: [][]byte{{1}}, Name: "sbc01", Own: true}
}

func (d *doored) SignWeb(leaf, message []byte, hash crypto.Hash, pss bool) ([]byte, error) {
	if len(leaf) == 0 {
		return nil, webserver.ErrOtherCertificate
	}
	return append([]byte(hash.String()), message...), nil
}

func (d *doored) Banned(netip.Addr) time.Duration { return d.left }
func (d *doored) WrongPassword(_ netip.Addr, account string) time.Duration {
	d.wrong[account]++
	return 0
}
func (d *doored) RightPassword(_ netip.Addr, account string) { d.right = append(d.right, account) }

// Who has a session of the web page is asked again by the stamp of its login. That is no login: nothing is counted.
func TestAStampIsThatOfClassAndPassword(t *testing.T) {
	const anna = `operator anna password "$2a$04$mIjRgdHbxm2qPJpDyjkz9eZ9cVYHiYZ0vkPxnrXSbVPuqRDT6lWfC"`
	d, b := newDoored(anna + "\n")
	first := stamp(d.cfg.Account("anna"))
	if in := b.Login(t.Context(), wire.LoginRequest{User: "anna", Stamp: first, Remote: true, Source: "192.0.2.7"}); !in.OK || in.Stamp != first || in.Class != "operator" {
		t.Errorf("the same account: %+v", in)
	}
	for name, text := range map[string]string{
		"another class":    strings.Replace(anna, "operator", "administrator", 1),
		"another password": strings.Replace(anna, "mIj", "mIk", 1),
		"no account":       "system hostname sbc01",
	} {
		d.cfg, _ = lang.New().Parse([]byte(text + "\n"))
		if in := b.Login(t.Context(), wire.LoginRequest{User: "anna", Stamp: first, Remote: true, Source: "192.0.2.7"}); in.OK || in.Stamp == first {
			t.Errorf("%s: %+v", name, in)
		}
	}
	if len(d.wrong)+len(d.right) > 0 {
		t.Errorf("counted: %v %v", d.wrong, d.right)
	}
}

// The set-up code opens the choice of the first account, and nothing else does over the network.
func TestTheFirstAccountIsMadeWithTheSetUpCode(t *testing.T) {
	d, b := newDoored("system hostname sbc01\n")
	d.startup = "system hostname sbc01\n"
	ask := func(r wire.LoginRequest) wire.LoginReply {
		r.Remote, r.Source, r.TTY = true, "192.0.2.7", "web 192.0.2.7"
		return b.Login(t.Context(), r)
	}
	if r := ask(wire.LoginRequest{}); !r.Setup || r.OK || strings.Contains(r.Banner, code) {
		t.Errorf("the question: %+v", r)
	}
	if r := b.Login(t.Context(), wire.LoginRequest{TTY: "serial"}); !r.OK || !strings.Contains(r.Banner, "https://192.168.1.1/\nSet-up code for it: "+code+"\nSHA-256 of its certificate:\n  A0A0") {
		t.Errorf("at the box: %+v", r)
	}
	for _, r := range []wire.LoginRequest{{SetupCode: "11111111"}, {SetupCode: "11111111", User: "anna", NewPassword: "a good one"}} {
		if r := ask(r); r.OK || r.Change || !r.Setup || r.Banner == "" {
			t.Errorf("a wrong code: %+v", r)
		}
	}
	if d.wrong[countedCode] != 2 || len(d.cfg.Accounts) > 0 {
		t.Errorf("%v, %v", d.wrong, d.cfg.Accounts)
	}
	if r := ask(wire.LoginRequest{SetupCode: code, User: "anna"}); r.OK || !r.Change {
		t.Errorf("the code: %+v", r)
	}
	for _, name := range []string{"", " ", "two words", "anna\n", "an\u200bna"} {
		for _, password := range []string{"", "a good one"} {
			if r := ask(wire.LoginRequest{SetupCode: code, User: name, NewPassword: password}); r.OK || r.Change || !r.Setup || r.Banner == "" {
				t.Errorf("%q: %+v", name, r)
			}
		}
	}
	if r := ask(wire.LoginRequest{SetupCode: code, User: "anna", NewPassword: "short"}); r.OK || !r.Change || r.Banner == "" {
		t.Errorf("a short password: %+v", r)
	}
	if len(d.cfg.Accounts) > 0 {
		t.Fatal(d.cfg.Accounts[0])
	}
	r := ask(wire.LoginRequest{SetupCode: code, User: "anna", NewPassword: `a "good" one`})
	if !r.OK || r.User != "anna" || r.Class != string(config.Superuser) || r.Banner != command.PasswordChanged(true) || r.Idle == 0 {
		t.Errorf("%+v", r)
	}
	if !strings.HasPrefix(d.startup, "system hostname sbc01\nsuperuser anna password $2a$") || !strings.HasSuffix(d.startup, " encrypted\n") {
		t.Errorf("startup-config:\n%s", d.startup)
	}
	if r := ask(wire.LoginRequest{User: "anna", Password: `a "good" one`}); !r.OK {
		t.Errorf("with the password: %+v", r)
	}
	if r := ask(wire.LoginRequest{SetupCode: code, User: "eve", NewPassword: "a good one"}); r.OK || r.Change || r.Setup || len(d.cfg.Accounts) != 1 {
		t.Errorf("once more: %+v", r)
	}
	if r := ask(wire.LoginRequest{}); r.Setup {
		t.Errorf("%+v", r)
	}
	if r := b.Login(t.Context(), wire.LoginRequest{TTY: "serial"}); r.OK || strings.Contains(r.Banner, "Set-up code") || !strings.Contains(r.Banner, "A0A0") {
		t.Errorf("at the box afterwards: %+v", r)
	}
	var said []string
	for _, e := range d.trail {
		if e.What == status.AuditLogin || e.What == status.AuditRefused {
			said = append(said, string(e.What)+" "+e.Account+": "+e.Line)
		}
		if strings.Contains(e.Line, code) {
			t.Errorf("the trail has the code: %+v", e)
		}
	}
	if got := strings.Join(said, "; "); !strings.Contains(got, "wrong set-up code") || !strings.Contains(got, string(status.AuditLogin)+" anna: ") {
		t.Errorf("trail: %s", got)
	}
	d.left = time.Minute
	if r := ask(wire.LoginRequest{SetupCode: code, User: "eve"}); r.Banned != time.Minute {
		t.Errorf("while banned: %+v", r)
	}
}

func TestATokenIsOfAnAccount(t *testing.T) {
	const token = "4uH7-tQx2_bNf9Rk0sWz"
	d, b := newDoored("operator w password pass-word\nwebserver token nms account w read " + token + "\n")
	ask := func(token, source string) wire.TokenReply {
		return b.Token(t.Context(), wire.TokenRequest{Token: token, Source: source})
	}
	if r := ask(token, "192.0.2.7"); !r.OK || r.User != "w" || r.Name != "nms" || r.Scope != string(config.TokenReads) {
		t.Errorf("%+v", r)
	}
	for _, wrong := range []string{"", "x", token + "x", string(d.cfg.Web.Tokens[0].Token)} {
		if r := ask(wrong, "192.0.2.7"); r.OK || r.User != "" {
			t.Errorf("%q: %+v", wrong, r)
		}
	}
	if r := ask(token, ""); r.OK {
		t.Error("from nowhere")
	}
	if d.wrong[countedToken] != 4 || len(d.right) != 1 || len(d.trail) != 4 || d.trail[0].What != status.AuditRefused || d.trail[0].From != "api 192.0.2.7" {
		t.Errorf("%v %v %+v", d.wrong, d.right, d.trail)
	}
	d.left = time.Minute
	if r := ask(token, "192.0.2.7"); r.OK || r.Banned != time.Minute {
		t.Errorf("while banned: %+v", r)
	}
	d.left, d.cfg.Accounts = 0, nil
	if r := ask(token, "192.0.2.7"); r.OK {
		t.Errorf("without the account: %+v", r)
	}
}

func TestConsoledIsToldAndHelped(t *testing.T) {
	_, b := newDoored("clock local zone Europe/Berlin\n")
	w := b.Settings().Web
	if w == nil || w.Port != 443 || w.Redirect != 80 || len(w.Addresses) != 1 || w.Hosts[0] != "sbc01" || len(w.Chain) != 1 || w.Name != "sbc01" || w.Zone != "Europe/Berlin" || !w.OwnCertificate {
		t.Errorf("%+v", w)
	}
	if r, err := b.Sign(wire.SignRequest{Leaf: []byte{1}, Message: []byte("m"), Hash: "SHA-384"}); err != nil || string(r.Signature) != "SHA-384m" {
		t.Errorf("%s, %v", r.Signature, err)
	}
	if _, err := b.Sign(wire.SignRequest{Leaf: []byte{1}, Message: []byte("m"), Hash: "MD5"}); !errors.Is(err, webserver.ErrNoHandshake) {
		t.Errorf("MD5: %v", err)
	}
	if _, err := b.Sign(wire.SignRequest{Message: []byte("m"), Hash: "SHA-256"}); !errors.Is(err, webserver.ErrOtherCertificate) {
		t.Errorf("%v", err)
	}
}
