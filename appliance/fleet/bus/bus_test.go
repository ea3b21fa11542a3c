package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/status"
)

// A box and an operator of the same customer, at a stock server over TLS.
func TestABoxAndAnOperatorTalk(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	box, operator := member{"berlin", newKeyOf(t), true}, member{"anna", newKeyOf(t), false}
	h := newHub(t, ca.issue("hub.example.com"), box, operator)
	b, o := newClient(t), newClient(t)
	for c, m := range map[*client]member{b: box, o: operator} {
		c.start()
		if c.State().State != status.FleetOff {
			t.Error("it connects without settings")
		}
		if err := c.Send("box.berlin.status", nil); !errors.Is(err, fleet.ErrAway) {
			t.Errorf("%v", err)
		}
		c.Apply(Settings{Name: m.name, Key: m.key, Hubs: nodes(h.port), Roots: ca.roots()})
		must(t, c.Reach(c.within()))
		if connected, _ := c.Changed(); !connected || c.State().Hub != fmt.Sprintf("hub.example.com:%d", h.port) {
			t.Errorf("%+v", c.State())
		}
	}
	_, err := b.Listen("to.berlin.>", func(m fleet.Message) {
		must(t, b.Reply(m, append([]byte(m.Subject+": "), m.Data...)))
	})
	must(t, err)
	// What is listened to is there when a later request arrives: the hub keeps the order of a connection. The operator's first may be too early.
	ask := func(subject string) string {
		for {
			got, err := o.Request(o.within(), subject, []byte("hello"))
			if err == nil {
				return string(got)
			}
			if !strings.Contains(err.Error(), "nobody") {
				t.Fatal(err)
			}
		}
	}
	if got := ask("to.berlin.lease"); got != "to.berlin.lease: hello" {
		t.Errorf("%q", got)
	}
	big := make([]byte, fleet.MaxMessage)
	heard := make(chan int, 100)
	stop, err := o.Listen("box.*.status", func(m fleet.Message) { heard <- len(m.Data) })
	must(t, err)
	_, err = o.Request(o.within(), "to.berlin.lease", nil) // after the subscription, on the same connection
	must(t, err)
	for i := range 50 {
		must(t, b.Send("box.berlin.status", big[:i]))
	}
	must(t, b.Send("box.berlin.status", big))
	for i := range 50 {
		if n := receive(t, heard); n != i {
			t.Fatalf("%d octets, not %d: order is lost", n, i)
		}
	}
	if n := receive(t, heard); n != len(big) {
		t.Error(n)
	}
	if err := b.Send("box.berlin.status", append(big, 0)); !errors.Is(err, fleet.ErrRefused) {
		t.Errorf("too much: %v", err)
	}
	stop()
	stop()
	// What the hub does not let it do fails, and does not hurt the connection.
	if _, err := b.Request(b.within(), "box.paris.status", nil); !errors.Is(err, fleet.ErrAway) || !strings.Contains(err.Error(), "does not let us send to box.paris.status") {
		t.Errorf("%v", err)
	}
	if _, err := b.Request(b.within(), "box.berlin.lease", nil); !errors.Is(err, fleet.ErrAway) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("%v", err)
	}
	if _, err := b.Listen("two words", func(fleet.Message) {}); err == nil {
		t.Error("a subject with a space")
	}
	if err := b.Send("x\r\nPUB y", nil); err == nil {
		t.Error("a subject with a line end")
	}
	if log := b.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "connected to the hub") {
		t.Errorf("the log says:\n%s", log)
	}
}

// A key that the hub does not know is refused, and taken once it does; one that is revoked is cut off at once.
func TestUnknownThenKnownThenRevoked(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	box, other := member{"berlin", newKeyOf(t), true}, member{"paris", newKeyOf(t), true}
	h := newHub(t, ca.issue("hub.example.com"), other)
	b := newClient(t)
	b.start()
	b.Apply(Settings{Name: "berlin", Key: box.key, Hubs: nodes(h.port), Roots: ca.roots()})
	s := b.until(status.FleetRefused)
	if !strings.HasSuffix(s.Why, "does not know the key, or has revoked it") || !strings.Contains(s.Cure, "`hub box add`") {
		t.Errorf("%+v", s)
	}
	if wait := time.Until(s.Next); wait > refusedPause {
		t.Errorf("it waits for %s", wait)
	}
	var unreached *Unreached
	if err := b.Reach(b.within()); !errors.As(err, &unreached) || !errors.Is(err, fleet.ErrAway) {
		t.Errorf("%v", err)
	}
	h.admit(other, box)
	b.Retry()
	b.until(status.FleetConnected)
	_, next := b.Changed()
	waits := make(chan error, 1)
	go func() { _, err := b.Request(context.Background(), "box.berlin.lease", nil); waits <- err }()
	receive(t, waits)
	h.admit(other)
	receive(t, next)
	if s := b.until(status.FleetRefused); !strings.Contains(s.Why, "revoked") {
		t.Errorf("%+v", s)
	}
	for _, line := range []string{"the hub refuses the box", "the hub is back", "the hub refuses the box"} {
		_, rest, found := strings.Cut(b.log.String(), line)
		if !found {
			t.Errorf("%q is missing in\n%s", line, rest)
		}
	}
	if strings.Contains(b.log.String(), "SU") {
		t.Error("a seed is in the log")
	}
}

func TestAnotherName(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	box := member{"berlin", newKeyOf(t), true}
	h := newHub(t, ca.issue("hub.example.com"), box)
	b := newClient(t)
	b.start()
	b.Apply(Settings{Name: "paris", Key: box.key, Hubs: nodes(h.port), Roots: ca.roots()})
	if s := b.until(status.FleetRefused); !strings.Contains(s.Why, "knows the key by another name than paris") {
		t.Errorf("%+v", s)
	}
	b.Apply(Settings{Name: "berlin", Key: box.key, Hubs: nodes(h.port), Roots: ca.roots()})
	b.until(status.FleetConnected)
	b.Apply(Settings{})
	b.until(status.FleetOff)
}

// By whom a hub is known, and by whom not.
func TestTheHubIsKnownByItsIssuerOrItsKey(t *testing.T) {
	ca, stranger := newAuthority(t, "Fleet CA"), newAuthority(t, "Stranger CA")
	key := newKeyOf(t)
	good := ca.issue("hub.example.com")
	over := ca.issue("hub.example.com", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	elsewhere := ca.issue("www.example.net")
	// Somebody shows the pinned issuer, which has not issued what he has.
	fake := stranger.issue("hub.example.com")
	fake.Certificate = append(fake.Certificate, ca.cert.Raw)
	for name, c := range map[string]struct {
		certificate tls.Certificate
		settings    Settings
		why         string // "": it connects
	}{
		"by its issuer":                       {good, Settings{Roots: ca.roots()}, ""},
		"by another issuer":                   {good, Settings{Roots: stranger.roots()}, `a certificate from "Fleet CA", which is not trusted`},
		"for another name":                    {elsewhere, Settings{Roots: ca.roots()}, "is not for this name"},
		"expired":                             {over, Settings{Roots: ca.roots()}, "not valid at the time"},
		"by its key":                          {good, Settings{Pin: PinOf(good.Leaf)}, ""},
		"by its key in capitals":              {good, Settings{Pin: strings.ToUpper(PinOf(good.Leaf))}, ""},
		"by its key, with another name":       {elsewhere, Settings{Pin: PinOf(elsewhere.Leaf)}, ""},
		"by its key, although it is over":     {over, Settings{Pin: PinOf(over.Leaf)}, ""},
		"by its issuer's key":                 {good, Settings{Pin: PinOf(ca.cert)}, ""},
		"by its issuer's key, another name":   {elsewhere, Settings{Pin: PinOf(ca.cert)}, "is not for this name"},
		"by its issuer's key, over":           {over, Settings{Pin: PinOf(ca.cert)}, "not valid at the time"},
		"by another key":                      {good, Settings{Pin: PinOf(stranger.cert)}, `which "Fleet CA" has issued, does not have the pinned key`},
		"by the key of an issuer of others":   {fake, Settings{Pin: PinOf(ca.cert)}, "which is not trusted"},
		"by both":                             {good, Settings{Roots: ca.roots(), Pin: PinOf(good.Leaf)}, ""},
		"by both, with the key of the issuer": {good, Settings{Roots: ca.roots(), Pin: PinOf(ca.cert)}, ""},
		"by both, the key is another":         {good, Settings{Roots: ca.roots(), Pin: PinOf(over.Leaf)}, "does not have the pinned key"},
		"by both, the issuer is another":      {good, Settings{Roots: stranger.roots(), Pin: PinOf(good.Leaf)}, "which is not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, c.certificate, member{"berlin", key, true})
			b := newClient(t)
			b.start()
			c.settings.Name, c.settings.Key, c.settings.Hubs = "berlin", key, nodes(h.port)
			b.Apply(c.settings)
			err := b.Reach(b.within())
			if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v", err)
			}
		})
	}
}
