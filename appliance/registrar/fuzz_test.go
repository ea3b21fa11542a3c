package registrar

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// paperFlow is how a message came where nothing is sent back.
type paperFlow struct {
	siptransport.Flow
	transport siptransport.Transport
}

func (f paperFlow) Transport() siptransport.Transport { return f.transport }

// arrival is a message from an address of a phone.
func arrival(from string, transport siptransport.Transport) siptransport.Arrival {
	return siptransport.Arrival{Flow: paperFlow{transport: transport}, Source: netip.MustParseAddrPort(from), Local: boxAddr, Trusted: true}
}

// FuzzRegister has anybody register with any message: nobody does so as 21 without its password, what is kept is bounded, and the file of it
// can be read again.
func FuzzRegister(f *testing.F) {
	for _, m := range torture {
		f.Add(strings.Replace(plainRegister, m.old, m.new, 1), m.name == "sips without TLS")
	}
	cfg := configured()
	i := cfg.CS[0].Interfaces[0]
	f.Fuzz(func(t *testing.T, m string, secure bool) {
		const at = "10.108.2.54:5060"
		req := parse(t, m, netip.MustParseAddrPort(at))
		if req == nil || req.Check(func(sip.RequestMethod) bool { return true }) != nil {
			return
		}
		shelf := &shelf{}
		r := New(Options{Health: &health.Tracker{}, Store: shelf})
		r.Apply(cfg)
		from := arrival(at, siptransport.UDP)
		if secure {
			from = arrival(at, siptransport.TLS)
		}
		now := time.Now()
		a, _, fault := r.register(i, req, from, now)
		identity, refused := r.Admit(i, req, from, false)
		if refused == nil && identity != "24" {
			t.Errorf("%q comes as %q", m, identity)
		}
		list := r.Bindings()
		if fault != nil && len(list) > 0 || len(list) > 4 {
			t.Errorf("%v, %d bindings", fault, len(list))
		}
		for _, b := range list {
			if b.Identity != "24" || b.Contact == "" || len(b.Contact) > maxURI || strings.ContainsAny(b.Contact, "\r\n\x00 <>\"") {
				t.Errorf("%+v", b)
			}
		}
		if fault == nil {
			for _, h := range r.bindings(a, req, false, now) {
				if strings.ContainsAny(h.Value, "\r\n\x00") {
					t.Errorf("%+v", h)
				}
			}
		}
		r.save()
		if shelf.text == nil {
			return
		}
		again := New(Options{Health: &health.Tracker{}, Store: shelf})
		if again.Apply(cfg); len(again.Bindings()) != len(list) {
			t.Errorf("of %+v the file %s has brought %+v", list, shelf.text, again.Bindings())
		}
	})
}

// FuzzFile reads any file. What comes of it can be written and read again.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`[{"location":"LS","identity":"21","contact":"sip:21@a","instance":"<urn:uuid:1>","reg_id":"1","q":1000,"addr":"10.108.2.51:5060","local":"10.108.2.1:5060","transport":"udp","user_agent":"x","call_id":"1","cseq":1,"lifetime_s":60}]`))
	f.Add([]byte(`[{"location":"LS","identity":"24","contact":"sips:24@[::1]","q":0,"addr":"[fe80::1%eth0]:5060","transport":"tls","call_id":"","cseq":4294967295,"lifetime_s":2147483647}]`))
	f.Add([]byte(`[]`))
	cfg := configured()
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &shelf{text: text}
		r := New(Options{Health: &health.Tracker{}, Store: s})
		r.Apply(cfg)
		list := r.Bindings()
		for _, b := range list {
			if strings.ContainsAny(b.Contact+b.UserAgent+b.Instance, "\r\n\x00") || b.Expires.Sub(b.Since) > time.Hour {
				t.Errorf("%+v", b)
			}
		}
		r.unsaved = true
		r.save()
		again := New(Options{Health: &health.Tracker{}, Store: s})
		if again.Apply(cfg); len(again.Bindings()) != len(list) {
			t.Errorf("of %+v the file %s has brought %+v", list, s.text, again.Bindings())
		}
	})
}
