package api

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
)

func (*stated) Audit(int, func(status.Audit) bool) ([]status.Audit, error) { return nil, nil }
func (*stated) AlarmHistory(int) []health.Episode                          { return nil }

func (s *stated) Running() *config.Config {
	if s.cfg == nil {
		return config.New()
	}
	return s.cfg
}

// kept is a box with accounts, a key store and a trail.
type kept struct {
	accounts
	certs  map[string][]*x509.Certificate
	listed []status.Key
	asked  int // entries of the trail
}

func (k *kept) Certificates(name string) ([]*x509.Certificate, error) {
	if c, ok := k.certs[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("certificate %s: %w", name, fs.ErrNotExist)
}
func (k *kept) PrivateKey(name string) (crypto.Signer, error) {
	return nil, fmt.Errorf("private key %s: %w", name, fs.ErrNotExist)
}
func (k *kept) Env() check.Env    { return check.Env{PKI: k, Now: time.Now()} }
func (k *kept) PKI() []status.Key { return k.listed }
func (k *kept) Sessions() []status.Session {
	return []status.Session{{User: "anna", Since: begun.Add(time.Hour)}, {User: "anna", Since: begun}}
}
func (k *kept) Audit(n int, wanted func(status.Audit) bool) (list []status.Audit, err error) {
	k.asked = n
	for hour, who := range []string{"anna", "bob", "anna", "anna"} {
		if e := (status.Audit{Time: begun.Add(time.Duration(hour) * time.Hour), Account: who, What: status.AuditCommand, Line: fmt.Sprintf("line %d", hour)}); wanted(e) {
			list = append(list, e)
		}
	}
	return list, nil
}
func (k *kept) AlarmHistory(int) []health.Episode {
	return []health.Episode{{ID: "link-down", Raised: begun, Times: 3}}
}

func newKept(t *testing.T, text string) (*kept, func(path string) (int, string)) {
	t.Helper()
	l := lang.New()
	cfg, problems := l.Parse([]byte(text))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatal(p)
		}
	}
	box := &kept{accounts: accounts{cfg: cfg}}
	client, _, _ := start(t, NewBackend(l, box))
	return box, func(path string) (int, string) {
		r, err := client.Get("http://sbcd" + wire.PathStatus + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
}

const threeAccounts = `superuser anna password "good night"
administrator bob password "good night" change
operator carl password ""
public-key bob ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1hbnkgd29ya2VkIGFuZCBub25lIHdhcyB0aXJlZCEh bob@desk
`

func TestAccountsAreToldWithoutTheirHashes(t *testing.T) {
	_, get := newKept(t, threeAccounts)
	code, text := get("accounts?user=carl")
	var all []status.Account
	if err := json.Unmarshal([]byte(text), &all); err != nil || code != http.StatusOK || len(all) != 3 {
		t.Fatalf("%d %v %s", code, err, text)
	}
	if strings.Contains(text, "$2a$") {
		t.Errorf("a hash is told: %s", text)
	}
	anna, bob, carl := all[0], all[1], all[2]
	if anna.Class != "superuser" || !anna.Password || !anna.Sole || !anna.LoggedIn.Equal(begun) {
		t.Errorf("%+v", anna)
	}
	if !bob.Change || bob.Sole || len(bob.PublicKeys) != 1 || bob.PublicKeys[0].Comment != "bob@desk" || !strings.HasPrefix(bob.PublicKeys[0].SHA256, "SHA256:") || !bob.LoggedIn.IsZero() {
		t.Errorf("%+v", bob)
	}
	if carl.Password || carl.Sole {
		t.Errorf("%+v", carl)
	}
}

func TestTheTrailIsAskedForByAccountAndTime(t *testing.T) {
	box, get := newKept(t, threeAccounts)
	for path, want := range map[string]string{
		"audit":                 "0 1 2 3",
		"audit?account=anna":    "0 2 3",
		"audit?account=nobody":  "",
		"audit?what=command":    "0 1 2 3",
		"audit?what=refused":    "",
		"audit?since=" + at(1):  "1 2 3",
		"audit?before=" + at(2): "0 1",
		"audit?user=bob&account=anna&since=" + at(1) + "&before=" + at(3): "2",
	} {
		code, text := get(path)
		var all []status.Audit
		if err := json.Unmarshal([]byte(text), &all); err != nil || code != http.StatusOK || all == nil {
			t.Errorf("%s: %d %s", path, code, text)
		}
		var got []string
		for _, e := range all {
			got = append(got, strings.TrimPrefix(e.Line, "line "))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	if code, text := get("audit?what=nonsense"); code != http.StatusBadRequest || !strings.Contains(text, "session begins") {
		t.Errorf("%d %s", code, text)
	}
	if get("audit?last=7"); box.asked != 7 {
		t.Errorf("asked for %d entries", box.asked)
	}
	if code, text := get("audit?since=yesterday"); code != http.StatusBadRequest || !strings.Contains(text, "is not a time") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := get("audit?user=carl"); code != http.StatusForbidden {
		t.Errorf("an operator reads the trail: %d %s", code, text)
	}
	if code, text := get("alarms-history?user=carl"); code != http.StatusOK || !strings.Contains(text, `"times":3`) {
		t.Errorf("%d %s", code, text)
	}
}

func at(hour int) string { return begun.Add(time.Duration(hour) * time.Hour).Format(time.RFC3339) }

func TestKeysAreToldWithWhatUsesThemAndWhatIsWrong(t *testing.T) {
	box, get := newKept(t, `profile tls pf
 private-key pki:private-key/mine
 own-certificate 1 pki:certificate/mine
 own-certificate 2 pki:certificate/absent
context sip-gateway gw
 use profile tls pf
`)
	root := pkitest.Root(t, "Some CA", 20*24*time.Hour)
	box.certs = map[string][]*x509.Certificate{"mine": {root}, "spare": {root}}
	d := pki.Describe(root)
	item := func(name string) status.Key {
		return status.Key{Kind: status.KeyCertificate, Name: name, Subject: d.Subject, NotAfter: root.NotAfter}
	}
	box.listed = []status.Key{item("mine"), item("spare")}
	_, text := get("keys")
	var all []status.Key
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 2 {
		t.Fatalf("%v %s", err, text)
	}
	mine, spare := all[0], all[1]
	if mine.DaysLeft == nil || *mine.DaysLeft != 19 || len(mine.UsedBy) != 1 || mine.UsedBy[0] != "profile tls pf" {
		t.Errorf("%s", text)
	}
	if !strings.Contains(fmt.Sprint(mine.Problems), "is a certificate of an authority") {
		t.Errorf("%+v", mine.Problems)
	}
	if len(spare.UsedBy) != 0 {
		t.Errorf("%+v", spare)
	}
	_, text = get("tls-profiles")
	var profiles []status.TLSProfile
	if err := json.Unmarshal([]byte(text), &profiles); err != nil || len(profiles) != 1 {
		t.Fatalf("%v %s", err, text)
	}
	p := profiles[0]
	if fmt.Sprint(p.Missing) != "[pki:private-key/mine pki:certificate/absent]" || fmt.Sprint(p.UsedBy) != "[context sip-gateway gw]" || len(p.Own) != 2 {
		t.Errorf("%s", text)
	}
	if !strings.Contains(text, `"cure":"import pki:certificate/absent"`) {
		t.Errorf("no cure: %s", text)
	}
}
