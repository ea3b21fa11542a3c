package lang

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
)

const presenceTeams = `location-service LS
  domain 1 10.108.2.100
  identity user.01
    presence subscribe dialog
  identity user.02
presence-service TEAMS
  tenant Contoso.onmicrosoft.com
  application 11111111-2222-3333-4444-55555555555A
  certificate pki:certificate/GRAPH
  secret wK48Q~l3xgtFbTqZ9 ends 2027-06-30
  http-proxy 10.108.2.9 3128 username box password "pass word" ca pki:certificate/PROXYCA
  poll-interval 20
  users all
  match phone
  map-status do-not-disturb refuse 480 publish starface-dnd
  map-status presenting none
  map-status away
  user Anna@Contoso.com identity user.01 extension 21
  user berta@contoso.com
  exclude Boss@contoso.com
  report calls
  report calls preferred
  publish interface IF_PBX
  starface https://10.108.2.100 username presence password ""
`

func TestPresenceService(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(presenceTeams))
	if len(problems) > 0 || len(cfg.Presence) != 1 {
		t.Fatal(problems, cfg.Presence)
	}
	p := cfg.Presence[0]
	if !p.Enabled || !p.All() || p.Cloud != config.CloudGlobal || p.PollInterval != 20*time.Second || p.PrivateKey() != "pki:private-key/GRAPH" || !p.Complete() ||
		p.Tenant != "contoso.onmicrosoft.com" || p.Application != "11111111-2222-3333-4444-55555555555a" ||
		p.Secret != (config.ApplicationSecret{Value: "wK48Q~l3xgtFbTqZ9", Ends: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC)}) ||
		p.Proxy != (config.HTTPProxy{Host: "10.108.2.9", Port: 3128, User: "box", Password: "pass word", CA: "pki:certificate/PROXYCA"}) ||
		!slices.Equal(p.Users, []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.01", Extension: "21"}, {Name: "berta@contoso.com"}}) || !slices.Equal(p.Exclude, []string{"boss@contoso.com"}) {
		t.Errorf("%+v", p)
	}
	for state, want := range map[config.PresenceState]config.PresenceMap{
		config.DoNotDisturb: {State: config.DoNotDisturb, Refuse: 480, Publish: true, StarfaceDND: true},
		config.Presenting:   {State: config.Presenting, None: true},
		config.Away:         {State: config.Away, None: true},
		config.InACall:      {State: config.InACall, Publish: true},
		config.Available:    {State: config.Available},
	} {
		if got := p.Follows(state); got != want {
			t.Errorf("%s: %+v, want %+v", state, got, want)
		}
	}
	one, _ := cfg.Location[0].Settings("user.01")
	if two, _ := cfg.Location[0].Settings("user.02"); !one.SubscribeDialog || two.SubscribeDialog {
		t.Errorf("%+v %+v", one, two)
	}
	readsBack(t, l, cfg)
	masked := string(l.Print(cfg, true))
	for _, secret := range []string{"wK48Q", "pass word", `password ""`} {
		if strings.Contains(masked, secret) {
			t.Errorf("an operator sees %s in\n%s", secret, masked)
		}
	}
}

// Secrets of a presence-service are kept as all others.
func TestSecretsOfAPresenceServiceAreSealed(t *testing.T) {
	l := NewSealing(hexSealer{})
	cfg, problems := l.Parse([]byte("password-encryption\n" + presenceTeams))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := string(l.Print(cfg, false))
	if strings.Contains(text, "wK48Q") || strings.Contains(text, "pass word") || !strings.Contains(text, " ends 2027-06-30") || strings.Count(text, check.SealedPrefix) != 3 {
		t.Errorf("stored:\n%s", text)
	}
	again, problems := l.Parse([]byte(text))
	if len(problems) > 0 {
		t.Errorf("read back: %v", problems)
	}
	same(t, cfg, again)
	other, _ := l.Parse([]byte(strings.ReplaceAll(text, check.SealedPrefix, check.SealedPrefix+"zz")))
	n := 0
	for _, p := range l.Check(other, check.Env{}) {
		if p.Text == check.Unopened {
			n += 1 + len(p.Also)
		}
	}
	if n != 3 {
		t.Errorf("%d secrets of another box are named", n)
	}
}

// What a line cannot mean is refused where it is typed, and changes nothing.
func TestLinesOfAPresenceServiceThatAreRefused(t *testing.T) {
	c := configuringConsole(New())
	c.types("presence-service TEAMS")
	for line, want := range map[string]string{
		"cloud moon":                            "expected global, gcc, gcc-high",
		"tenant contoso":                        "neither the ID of a tenant nor one of its domains",
		"application contoso.com":               "is not an ID such as",
		"application 1111-2222":                 "is not an ID such as",
		"certificate GRAPH":                     "must be pki:certificate/NAME",
		"secret x ends 30.06.2027":              "is not a day such as 2027-06-30",
		"secret x ends 2027-02-30":              "is not a day such as 2027-06-30",
		"http-proxy 10.1.1.1":                   "incomplete",
		"poll-interval 4":                       "5 to 300",
		"map-status busy none refuse 486":       "nothing may follow",
		"map-status busy refuse 404":            "486",
		"map-status sleeping none":              "expected do-not-disturb",
		"user anna":                             "is not a user principal name",
		"user a@b@c":                            "is not a user principal name",
		"starface http://10.1.1.1 u password b": "",
		"exclude boss":                          "is not a user principal name",
	} {
		if out := c.types(line); !strings.Contains(out, "% ") || !strings.Contains(out, want) {
			t.Errorf("%s: said %q, want %q", line, out, want)
		}
	}
	p := config.PresenceService{Name: "TEAMS"}
	p.SetDefaults()
	if got := c.box.cfg.Presence[0]; got.Tenant+got.Application+got.Starface.URL != "" || len(got.Map)+len(got.Users)+len(got.Exclude) > 0 || got.Cloud != p.Cloud || got.PollInterval != p.PollInterval {
		t.Errorf("taken: %+v", got)
	}
}

// GCC has the servers of the global cloud: as an abbreviation the word would send the box to those of GCC High.
func TestGCCIsNotGCCHigh(t *testing.T) {
	c := configuringConsole(New())
	for word, want := range map[string]config.PresenceCloud{"gcc": config.CloudGCC, "gcc-high": config.CloudGCCHigh, "gcc-h": config.CloudGCCHigh, "dod": config.CloudDoD, "global": config.CloudGlobal} {
		if out := c.types("presence-service TEAMS", "cloud "+word); c.box.cfg.Presence[0].Cloud != want {
			t.Errorf("cloud %s: %s %s", word, c.box.cfg.Presence[0].Cloud, out)
		}
	}
}

func TestDefaultsOfMapStatusComeBack(t *testing.T) {
	c := configuringConsole(New())
	if out := c.types("presence-service TEAMS", "no map-status presenting"); !strings.Contains(out, "map-status STATE none") {
		t.Errorf("nothing to take back: %q", out)
	}
	c.types("map-status presenting none", "no map-status presenting")
	if m := c.box.cfg.Presence[0].Follows(config.Presenting); m.Refuse != 486 {
		t.Errorf("%+v", m)
	}
}

// presenceSlips has a slip of each kind that the configuration alone shows.
const presenceSlips = `
location-service LS_SLIPS
  identity user.77
    presence subscribe dialog
presence-service EMPTY
presence-service SLIPS
  tenant contoso.com
  application 11111111-2222-3333-4444-555555555555
  certificate pki:certificate/GRAPH
  secret s ends 2026-01-31
  map-status busy starface-dnd
  user a@contoso.com identity user.01 extension 21
  user b@contoso.com identity user.01 extension 22
  user c@contoso.com identity user.022 extension 21
  user d@contoso.com
  exclude d@contoso.com
  report calls preferred
presence-service OTHER
  tenant fabrikam.com
  application 11111111-2222-3333-4444-555555555556
  secret s
  user y@fabrikam.com
  user z@fabrikam.com identity user.01
presence-service CHINA
  tenant contoso.cn
  application 11111111-2222-3333-4444-555555555557
  secret s
  cloud china
  user y@contoso.cn
presence-service OFF
  shutdown
`

func TestProblemsOfPresenceServices(t *testing.T) {
	text := string(reference(t, "starface-teams.cfg")) + presenceSlips
	var list []check.Problem
	for _, p := range New().CheckFile("presence.cfg", []byte(text), check.Env{}) {
		if slices.ContainsFunc(append(p.Path, p.Source), func(s string) bool { return strings.HasPrefix(s, "presence-service") }) {
			p.Line -= strings.Count(text, "\n") - strings.Count(presenceSlips, "\n")
			for n := range p.Also {
				p.Also[n].Line -= strings.Count(text, "\n") - strings.Count(presenceSlips, "\n")
			}
			list = append(list, p)
		}
	}
	golden(t, "testdata/presence.problems", problemLines(list))
	without := strings.ReplaceAll(text, "dns-client", "# dns-client")
	if said := problemLines(New().CheckFile("presence.cfg", []byte(without), check.Env{})); !strings.Contains(said, "Microsoft's servers cannot be found; also") || !strings.Contains(said, "fix: dns-client server ADDRESS") {
		t.Errorf("without name servers:\n%s", said)
	}
	if said := problemLines(New().CheckFile("presence.cfg", []byte(strings.ReplaceAll(without, "  secret s\n", "  secret s\n  http-proxy 10.1.1.1 3128\n")), check.Env{})); strings.Contains(said, "presence-service OTHER: ") {
		t.Errorf("the proxy looks up names itself:\n%s", said)
	}
}

// Calls are reported when something tells of them; Teams does not.
func TestWhoTellsOfCalls(t *testing.T) {
	const service, unheard, nobodys = "presence-service TEAMS\n  report calls\n", "nothing tells who is on the phone", "nobody learns who is on the phone"
	const asked = "location-service L\n  identity a\n    presence subscribe dialog\n"
	for text, want := range map[string]string{
		service: unheard,
		service + "  user a@contoso.com extension 21\n" + asked:                                                             nobodys + " at extension 21",
		service + "  user a@contoso.com identity a extension 21\n" + asked:                                                  "",
		service + "  user a@contoso.com extension a\n" + asked:                                                              "",
		service + "location-service L\n  identity a\n    presence subscribe dialog\n":                                       "",
		service + "location-service L\n  identity-group G\n    presence subscribe dialog\n  identity a inherits G\n":        "",
		service + "context cs S\n  interface sip PBX\n    use presence-service TEAMS\n":                                     "",
		service + "presence-service OTHER\ncontext cs S\n  interface sip PBX\n    use presence-service OTHER\n":             unheard,
		service + "context cs S\n  interface sip T\n    remote sip.pstnhub.microsoft.com\n    use presence-service TEAMS\n": "Teams subscribes to nothing here",
	} {
		var said string
		for _, p := range New().CheckFile("f", []byte(text), check.Env{}) {
			if strings.Contains(p.Text, nobodys) || strings.Contains(p.Text, unheard) || strings.Contains(p.Text, "Teams subscribes") {
				said += p.String() + "\n"
			}
		}
		if (want == "") != (said == "") || !strings.Contains(said, want) {
			t.Errorf("%s: said %q, want %q", text, said, want)
		}
		if strings.HasPrefix(want, "Teams") && !strings.Contains(said, "fix: no use presence-service TEAMS") {
			t.Errorf("no fix: %s", said)
		}
	}
}

// store is a key store with these things.
type store struct {
	chain []*x509.Certificate
	key   crypto.Signer
}

func (s store) Certificates(name string) ([]*x509.Certificate, error) {
	if name != "GRAPH" || s.chain == nil {
		return nil, fs.ErrNotExist
	}
	return s.chain, nil
}

func (s store) PrivateKey(string) (crypto.Signer, error) {
	if s.key == nil {
		return nil, fs.ErrNotExist
	}
	return s.key, nil
}

func TestCertificateOfAPresenceServiceIsLookedAt(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	certificate, err := pki.SelfSigned([]string{"box"}, key, now)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := New().Parse([]byte(presenceTeams))
	for want, x := range map[string]struct {
		store
		now time.Time
	}{
		"certificate pki:certificate/GRAPH: warning: pki:certificate/GRAPH is not in the key store yet; fix: generate presence-certificate GRAPH": {store{}, now},
		"pki:private-key/GRAPH is not in the key store yet; fix: import pki:private-key/GRAPH":                                                    {store{chain: []*x509.Certificate{certificate}}, now},
		"Entra takes RSA keys only":                           {store{[]*x509.Certificate{certificate}, key}, now},
		"pki:certificate/GRAPH expired on 20":                 {store{[]*x509.Certificate{certificate}, key}, now.AddDate(30, 0, 0)},
		"pki:certificate/PROXYCA is not in the key store yet": {store{}, now},
	} {
		var said strings.Builder
		for _, p := range New().Check(cfg, check.Env{PKI: x.store, Now: x.now}) {
			said.WriteString(p.Source + ": " + p.String() + "\n")
		}
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not said:\n%s", want, said.String())
		}
	}
	cfg.Presence[0].Certificate = ""
	var said strings.Builder
	for _, p := range New().Check(cfg, check.Env{Now: time.Date(2027, 7, 1, 1, 0, 0, 0, time.UTC)}) {
		said.WriteString(p.String() + "\n")
	}
	if !strings.Contains(said.String(), "the secret has expired") {
		t.Errorf("a day after its last one:\n%s", said.String())
	}
}

// importing is a box with a configuration, and an administrator there.
func importing(t *testing.T, cfg string) (*Language, busyBox, *Session) {
	t.Helper()
	l, b := New(), busyBox{newBox()}
	b.cfg, _ = l.Parse([]byte(cfg))
	return l, b, &Session{Class: config.Administrator, Mode: []string{"enable"}}
}

func TestImportOfPresenceUsers(t *testing.T) {
	l, b, s := importing(t, presenceTeams)
	var out strings.Builder
	r, err := l.Exec(t.Context(), b, s, "import presence-users TEAMS", nil, &out)
	if err != nil || r.Collect == nil || r.Collect.Kind != "text" {
		t.Fatalf("it asks for %+v, %v, %s", r.Collect, err, out.String())
	}
	unchanged := b.cfg
	_, err = l.Exec(t.Context(), b, s, "import presence-users TEAMS check", []byte("berta@contoso.com;USER.02\nrubbish\n"), &out)
	for _, want := range []string{"user berta@contoso.com identity user.02\n", "% line 2 (rubbish)", "1 user would be taken, 1 left out\n"} {
		if !strings.Contains(out.String(), want) || err == nil || b.cfg != unchanged {
			t.Errorf("%q is not said, or something was changed (%v):\n%s", want, err, out.String())
		}
	}
	r, err = l.Exec(t.Context(), b, s, "import presence-users TEAMS", []byte("Entra;UCServer\nBerta@Contoso.com;USER.02\nnobody@contoso.com;user.77\nrubbish\nanna@contoso.com;user.01;21\nanna@contoso.com;user.01;21\n"), &out)
	if err == nil || !r.Changed {
		t.Errorf("changed %v, %v", r.Changed, err)
	}
	for _, want := range []string{"line 3 (nobody@contoso.com;user.77)", "line 4 (rubbish)", "2 users taken into presence-service TEAMS, 2 left out, 1 said twice"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out.String())
		}
	}
	if got := b.cfg.Presence[0].Users; !slices.Equal(got, []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.01", Extension: "21"}, {Name: "berta@contoso.com", Identity: "user.02"}}) {
		t.Errorf("users: %+v", got)
	}
	if len(b.trail) == 0 {
		t.Error("the trail knows nothing of it")
	}
	before := b.cfg
	for line, body := range map[string]string{"import presence-users TEAMS": "no table at all\n", "import presence-users NONE": "berta@contoso.com;user.02\n"} {
		if _, err := l.Exec(t.Context(), b, s, line, []byte(body), &out); err == nil || b.cfg != before {
			t.Errorf("%s: %v, changed: %v", line, err, b.cfg != before)
		}
	}
	s.Class, s.Mode = config.Operator, nil
	if _, err := l.Exec(t.Context(), b, s, "import presence-users TEAMS", []byte("berta@contoso.com;user.02\n"), &out); err == nil {
		t.Error("an operator may import")
	}
}

// What is not tested must not read as if all were well.
func TestPresenceThatIsShutDownIsNotTested(t *testing.T) {
	l, b, s := importing(t, presenceTeams+"presence-service TEAMS\n  shutdown\n")
	var out strings.Builder
	if _, err := l.Exec(t.Context(), b, s, "presence test", nil, &out); err == nil || !strings.Contains(out.String(), "presence-service TEAMS is shut down") || strings.Contains(out.String(), "steps ok") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestPresenceIsTestedAndGetsACertificate(t *testing.T) {
	l, b, s := importing(t, presenceTeams)
	for line, want := range map[string]string{
		"presence test":                       "ok       TLS with graph.microsoft.com: TLS 1.3\nFAILED   Sign-in to Microsoft Entra: the secret has expired\\x0a> reload",
		"presence test TEAMS jsonl":           "\"title\":\"Sign-in to Microsoft Entra\"",
		"presence test json":                  `"steps":[{`,
		"presence test NONE":                  "% there is no presence-service NONE",
		"generate presence-certificate TEAMS": "% generate presence-certificate TEAMS: there is one",
		"generate presence-certificate TEAMS replace bits 3072 years 5": "certificate TEAMS: 3072 bits, 5 years\n-----BEGIN CERTIFICATE-----\n",
		"generate presence-certificate NEW":                             "certificate NEW: 2048 bits, 2 years\n",
		"generate presence-certificate ../x":                            "% ",
		"generate presence-certificate NEW bits 1024":                   "% ",
		"generate presence-certificate NEW years 11":                    "% ",
	} {
		var out strings.Builder
		if l.Exec(t.Context(), b, s, line, nil, &out); !strings.Contains(out.String(), want) {
			t.Errorf("%s says\n%s\nwant %s", line, out.String(), want)
		}
	}
	for line, want := range map[string]string{"show presence ": "anna@contoso.com", "presence test ": "TEAMS", "import presence-users ": "TEAMS", "generate presence-certificate ": "TEAMS"} {
		if h := l.Help(b, s, line, len(line)); !slices.ContainsFunc(h.Choices, func(c Choice) bool { return c.Word == want }) {
			t.Errorf("%s is completed with %+v, without %s", line, h.Choices, want)
		}
	}
}

// The user of a proxy was lost in the saved configuration when its password was empty.
func TestAnEmptyPasswordKeepsItsUser(t *testing.T) {
	l := New()
	cfg, _ := l.Parse([]byte("presence-service A\n  http-proxy 10.108.2.9 3128 username anna password \"\"\n"))
	if printed := string(l.Print(cfg, false)); !strings.Contains(printed, `username anna password ""`) {
		t.Errorf("printed:\n%s", printed)
	}
	readsBack(t, l, cfg)
}
