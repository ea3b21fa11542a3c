package sipua

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// scripted is a peer in virtual time: it answers each request with what its script says.
type scripted struct {
	answer func(n int, req *sip.Request) (*sipmsg.Response, error) // n counts from 1
	delay  time.Duration

	mu   sync.Mutex
	reqs []*sip.Request
	at   []time.Time
}

func (s *scripted) NewRequest(method sip.RequestMethod, uri, from, to, contactUser string, where siptransport.Target, h ...sipmsg.Header) (*sip.Request, error) {
	recipient := sip.Uri{}
	if err := sip.ParseUri(uri, &recipient); err != nil {
		return nil, err
	}
	req := sip.NewRequest(method, recipient)
	contact := "sip:192.168.1.1:5060"
	if contactUser != "" {
		contact = s.Contact(contactUser, where)
	}
	id := sip.CallIDHeader(rand.Text())
	for _, x := range []sip.Header{sip.NewHeader("From", "<"+from+">;tag="+rand.Text()), sip.NewHeader("To", "<"+to+">"), &id,
		&sip.CSeqHeader{SeqNo: 1, MethodName: method}, sip.NewHeader("Contact", "<"+contact+">")} {
		req.AppendHeader(x)
	}
	for _, x := range h {
		req.AppendHeader(sip.NewHeader(x.Name, x.Value))
	}
	return req, nil
}

func (s *scripted) Resolve(context.Context, siptransport.Target) error { return nil }

func (s *scripted) Contact(user string, _ siptransport.Target) string {
	return "sip:" + user + "@192.168.1.1:5060"
}

func (s *scripted) Do(ctx context.Context, req *sip.Request, _ siptransport.Target) (*sipmsg.Response, error) {
	s.mu.Lock()
	s.reqs, s.at = append(s.reqs, req), append(s.at, time.Now())
	n, delay := len(s.reqs), s.delay
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(delay):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer(n, req)
}

func (s *scripted) count() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.reqs) }

func (s *scripted) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

// last is the last request.
func (s *scripted) last() *sip.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reqs[len(s.reqs)-1]
}

// pause is the time between the last two requests.
func (s *scripted) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[len(s.at)-1].Sub(s.at[len(s.at)-2])
}

func response(code int, reason string, h ...string) *sipmsg.Response {
	head := fmt.Sprintf("SIP/2.0 %d %s\r\n%s\r\n\r\n", code, reason, strings.Join(h, "\r\n"))
	if len(h) == 0 {
		head = fmt.Sprintf("SIP/2.0 %d %s\r\n\r\n", code, reason)
	}
	return sipmsg.Parse([]byte(head), nil, sipmsg.Framing{}, netip.AddrPort{}).Response
}

// always answers every request alike.
func always(code int, h ...string) func(int, *sip.Request) (*sipmsg.Response, error) {
	return func(int, *sip.Request) (*sipmsg.Response, error) {
		return response(code, fmt.Sprint("reason ", code), h...), nil
	}
}

// bubble runs f in virtual time with an agent without gateways; registrations and probes are put into it directly.
func bubble(t *testing.T, f func(t *testing.T, a *Agent)) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		a := New(sipgw.New(sipgw.Options{Options: siptransport.Options{Log: log}}), log)
		f(t, a)
		a.Ending()
	})
}

// available tells whether calls may go out by an interface.
func (a *Agent) available(iface string) bool { return a.Unavailable(peerID(iface)) == "" }

// param reads a parameter of an Authorization value as it was written, quotes included.
func param(v, name string) string {
	for p := range strings.SplitSeq(strings.TrimPrefix(v, "Digest "), ", ") {
		if k, x, _ := strings.Cut(p, "="); k == name {
			return x
		}
	}
	return ""
}

func account(user, password string) config.Credential {
	return config.Credential{Username: user, Password: config.Secret(password)}
}
