package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

func newNode(t testing.TB) *Node {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "hub")
	if _, err := Init(dir, Options{Name: "hub.example.com"}); err != nil {
		t.Fatal(err)
	}
	n, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newUser(t testing.TB) string {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	return publicOf(pair)
}

// users are those of a file as the engine reads it, by key.
func users(t *testing.T, n *Node, l *Listing) map[string]string {
	t.Helper()
	if err := n.writeAccounts(l); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(n.path(fileConf))
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]string{}
	for _, u := range o.Nkeys {
		if _, twice := of[u.Nkey]; twice {
			t.Errorf("%s stands twice", u.Nkey)
		}
		of[u.Nkey] = u.Account.GetName()
	}
	return of
}

// TestAKeyThatStandsTwice: commands refuse it, but two at once at two nodes may not see each other. The file stays one that the engine takes: it would
// cut nobody off any more otherwise.
func TestAKeyThatStandsTwice(t *testing.T) {
	n := newNode(t)
	key, steward, admin := newUser(t), publicOf(n.stewardKey("b")), publicOf(n.adminKey())
	box := func(customer, name, key string) *Box { return &Box{Customer: customer, Name: name, Key: key} }
	got := users(t, n, &Listing{Customers: map[string]*Customer{
		"a": {Name: "a", Store: DefaultStore, Boxes: map[string]*Box{"x": box("a", "x", key), "y": box("a", "y", key), "z": box("a", "z", steward), "w": box("a", "w", admin), "none": box("a", "none", "")}},
		"b": {Name: "b", Store: DefaultStore, Operators: map[string]*Operator{"x": {Customer: "b", Name: "x", Key: key}}},
	}})
	want := map[string]string{key: "a", steward: "b", admin: "HUB", publicOf(n.stewardKey("a")): "a", publicOf(n.localOperator("a")): "a", publicOf(n.localOperator("b")): "b"}
	if len(got) != len(want) {
		t.Errorf("%d users, want %d: %v", len(got), len(want), got)
	}
	for k, account := range want {
		if got[k] != account {
			t.Errorf("%s is of %q, want %q", k, got[k], account)
		}
	}
}

// TestSecretsStayInTheirFiles: accounts.conf has no secret, and what is derived differs for each customer.
func TestSecretsStayInTheirFiles(t *testing.T) {
	n := newNode(t)
	text := n.accounts(&Listing{Customers: map[string]*Customer{"a": {Name: "a"}, "b": {Name: "b"}}})
	if regexp.MustCompile(`\bSU[A-Z2-7]{56}`).MatchString(text) {
		t.Errorf("a seed is in\n%s", text)
	}
	keys := map[string]bool{}
	for _, pair := range []nkeys.KeyPair{n.adminKey(), n.stewardKey("a"), n.stewardKey("b"), n.localOperator("a"), n.localOperator("b")} {
		keys[publicOf(pair)] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys of 5", len(keys))
	}
	if other := newNode(t); publicOf(other.adminKey()) == publicOf(n.adminKey()) {
		t.Error("two hubs have one admin")
	}
}

func TestFoldersThatAreNone(t *testing.T) {
	for file, text := range map[string]string{fileHub: "{}", fileAdmin: "SU", fileLease: "nothing"} {
		n := newNode(t)
		if err := os.WriteFile(n.path(file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(n.dir); err == nil {
			t.Errorf("%s is taken with %q", file, text)
		}
	}
	n := newNode(t)
	if _, err := Init(n.dir, Options{Name: "hub.example.com"}); err == nil {
		t.Error("a hub is made over another one")
	}
}

func TestCredentialsThatAreNone(t *testing.T) {
	good := Credentials{"default", "anna", []string{"hub.example.com:443"}, strings.Repeat("0", 64), "SU"}
	if _, err := ParseCredentials([]byte(good.String())); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Credentials){
		"a name has 1 to 32 characters": func(c *Credentials) { c.Customer = "" },
		"is not a name":                 func(c *Credentials) { c.Operator = "anna\n" },
		"name 0 nodes":                  func(c *Credentials) { c.Hubs = nil },
		"is no node of a hub":           func(c *Credentials) { c.Hubs = []string{"hub.example.com"} },
		"have no pin":                   func(c *Credentials) { c.Pin = "" },
		"it is 64 hex digits":           func(c *Credentials) { c.Pin = strings.Repeat("0", 62) },
	} {
		c := good
		change(&c)
		if _, err := ParseCredentials([]byte(c.String())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzParseCredentials(f *testing.F) {
	f.Add(Credentials{"default", "anna", []string{"hub.example.com:443"}, strings.Repeat("0", 64), "SU"}.String())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCredentials([]byte(text))
		if err != nil {
			return
		}
		again, err := ParseCredentials([]byte(c.String()))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(c) {
			t.Errorf("%+v came back as %+v, %v", c, again, err)
		}
	})
}

// BenchmarkAccounts is what each change of users costs a node: the file, and the engine's reading of it.
func BenchmarkAccounts(b *testing.B) {
	for _, boxes := range []int{1000, 5000} {
		b.Run(fmt.Sprint(boxes), func(b *testing.B) {
			n := newNode(b)
			c := &Customer{Name: "a", Store: DefaultStore, Boxes: map[string]*Box{}}
			for i := range boxes {
				name := fmt.Sprintf("box-%d", i)
				c.Boxes[name] = &Box{Customer: "a", Name: name, Key: newUser(b)}
			}
			l := &Listing{Customers: map[string]*Customer{"a": c}}
			for b.Loop() {
				if err := n.writeAccounts(l); err != nil {
					b.Fatal(err)
				}
				if _, err := n.options(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
