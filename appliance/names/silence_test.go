package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestSilentServersAreToldOnceAndTheirEndToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := netip.MustParseAddrPort("192.168.1.53:53")
		var told []string
		r := New(func() []netip.AddrPort { return []netip.AddrPort{server} })
		defer r.Close()
		r.OnSilence(func(text string) { told = append(told, text) })
		silent := true
		r.exchange = func(ctx context.Context, q question) (answer, error) {
			if silent {
				time.Sleep(time.Second)
				return answer{}, &SilentError{servers: []netip.AddrPort{server}}
			}
			return answer{}, ErrNotFound // an answer all the same
		}
		for range 20 {
			for _, host := range []string{"a.example", "b.example"} {
				if _, err := r.Lookup(t.Context(), host); err == nil || err.Error() != "look up "+host+": the name server 192.168.1.53 does not answer" {
					t.Errorf("%v", err)
				}
			}
			time.Sleep(5 * time.Second)
		}
		const begins = "the name server 192.168.1.53 does not answer: names are known from earlier answers only, for a day"
		if !slices.Equal(told, []string{begins}) {
			t.Errorf("told %q", told)
		}
		silent = false
		r.Lookup(t.Context(), "a.example")
		if !slices.Equal(told, []string{begins, ""}) {
			t.Errorf("told %q", told)
		}
		r.heard(&SilentError{}, time.Now())
		r.heard(&SilentError{}, time.Now().Add(time.Minute))
		r.heard(ErrNoServers, time.Now())
		if len(told) != 4 || told[3] != "" {
			t.Errorf("without servers: told %q", told)
		}
	})
}

// What the log says of an error must not change from question to question, or it is said again and again.
func TestErrorsOfServersAreTheSameEachTime(t *testing.T) {
	one, two := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:5353")
	refused := func(port int) error {
		return &net.OpError{Op: "write", Net: "udp", Source: &net.UDPAddr{Port: port}, Err: errors.New("network is unreachable")}
	}
	for _, c := range []struct {
		down map[netip.AddrPort]error
		want string
	}{
		{nil, "none of the name servers 192.0.2.1, 192.0.2.2:5353 answers"},
		{map[netip.AddrPort]error{one: refused(1), two: refused(2)}, "none of the name servers 192.0.2.1, 192.0.2.2:5353 answers: network is unreachable"},
		{map[netip.AddrPort]error{one: refused(3), two: &serverError{dnsmessage.RCodeRefused}}, "it says Refused"},
	} {
		for range 10 {
			if err := unanswered([]netip.AddrPort{one, two}, c.down); err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		}
	}
}

// Who asks with less patience than the resolver hears the same.
func TestAnImpatientCallerHearsOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *Resolver
		r = New(func() []netip.AddrPort {
			if !r.mu.TryLock() {
				t.Error("the resolver asks for its servers with its lock held: the network may wait for that one")
			} else {
				r.mu.Unlock()
			}
			return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}
		})
		defer r.Close()
		r.exchange = func(ctx context.Context, q question) (answer, error) {
			<-ctx.Done()
			return answer{}, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Lookup(ctx, "a.example")
		if err == nil || err.Error() != "look up a.example: the name server 192.0.2.1 does not answer" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestAskAsksWhateverIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(func() []netip.AddrPort { return nil })
		defer r.Close()
		asked := 0
		var fail error
		r.exchange = func(context.Context, question) (answer, error) {
			asked++
			return answer{addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(asked)})}, ttl: time.Hour}, fail
		}
		r.Lookup(t.Context(), "a.example")
		if a, err := r.Ask(t.Context(), "a.example"); err != nil || asked != 2 || a.Addrs[0].String() != "192.0.2.2" || a.TTL != time.Hour {
			t.Errorf("%v %v, asked %d times", a, err, asked)
		}
		if got := r.Cached("a.example"); len(got) != 1 || got[0].String() != "192.0.2.2" {
			t.Errorf("the cache knows %v", got)
		}
		fail = &SilentError{}
		if _, err := r.Ask(t.Context(), "a.example"); err == nil || asked != 3 {
			t.Errorf("%v, asked %d times", err, asked)
		}
		if got := r.Cached("a.example"); len(got) != 1 {
			t.Errorf("after silence the cache knows %v", got)
		}
		if a, err := r.Ask(t.Context(), "192.0.2.9"); err != nil || len(a.Addrs) != 1 || asked != 3 {
			t.Errorf("an address: %v %v", a, err)
		}
	})
}
