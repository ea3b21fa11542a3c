package names

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestOneServerIsAskedPastTheCache(t *testing.T) {
	good, bad := newServer(t), newServer(t)
	r := New(func() []netip.AddrPort { return []netip.AddrPort{good.addr, bad.addr} })
	defer r.Close()
	good.set(func(s *server) {
		s.answers["sip.test. A"] = []dnsmessage.Resource{
			{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("sip.test."), Class: dnsmessage.ClassINET, TTL: 60},
				Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("eu.test.")}},
			a("eu.test.", 60, "192.0.2.1"),
		}
	})
	if _, err := r.Lookup(t.Context(), "sip.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AskServer(t.Context(), bad.addr, A, "sip.test"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the other server, which does not know the name: %v", err)
	}
	got, err := r.AskServer(t.Context(), good.addr, A, "SIP.test.")
	if err != nil || len(got.Addrs) != 1 || got.Addrs[0] != netip.MustParseAddr("192.0.2.1") || got.Alias != "eu.test" || got.Took <= 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	bad.set(func(s *server) { s.rcode = dnsmessage.RCodeRefused })
	if _, err := r.AskServer(t.Context(), bad.addr, A, "sip.test"); err == nil || errors.As(err, new(*SilentError)) {
		t.Errorf("a refusal: %v", err)
	}
	bad.set(func(s *server) { s.silent = true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.AskServer(ctx, bad.addr, A, "sip.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	var silent *SilentError
	if _, err := r.AskServer(t.Context(), bad.addr, A, "sip.test"); !errors.As(err, &silent) {
		t.Errorf("silence: %v", err)
	}
}

func TestAuthorizationsOfAName(t *testing.T) {
	s := newServer(t)
	r := New(func() []netip.AddrPort { return []netip.AddrPort{s.addr} })
	defer r.Close()
	record := func(data string) dnsmessage.Resource {
		return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("test."), Type: typeCAA, Class: dnsmessage.ClassINET, TTL: 60},
			Body: &dnsmessage.UnknownResource{Type: typeCAA, Data: []byte(data)}}
	}
	s.set(func(s *server) {
		s.answers["test. 257"] = []dnsmessage.Resource{
			record("\x00\x05issueletsencrypt.org"), record("\x80\x09issuewild;"), record("\x00"), record("\x00\x30issue"), record("\x00\x00x"),
		}
	})
	got, err := r.AskServer(t.Context(), s.addr, CAA, "test")
	want := []Authorization{{false, "issue", "letsencrypt.org"}, {true, "issuewild", ";"}}
	if err != nil || len(got.CAAs) != 2 || got.CAAs[0] != want[0] || got.CAAs[1] != want[1] {
		t.Errorf("got %+v, %v", got, err)
	}
}
