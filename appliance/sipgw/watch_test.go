package sipgw

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// scripted is a peer in virtual time: it answers each request with what its script says.
type scripted struct {
	answer func(n int, req *sip.Request) (*sip.Response, error) // n counts from 1
	delay  time.Duration

	mu   sync.Mutex
	reqs []*sip.Request
	at   []time.Time
}

func (s *scripted) newRequest(method sip.RequestMethod, uri, from, to, contactUser string, _ target, h ...sipmsg.Header) (*sip.Request, error) {
	contact := "sip:192.168.1.1:5060"
	if contactUser != "" {
		contact = "sip:" + contactUser + "@192.168.1.1:5060"
	}
	return sipmsg.NewRequest(string(method), uri, append([]sipmsg.Header{{Name: "From", Value: "<" + from + ">;tag=" + sipmsg.Token(5)}, {Name: "To", Value: "<" + to + ">"},
		{Name: "Call-ID", Value: sipmsg.Token(8)}, {Name: "CSeq", Value: "1 " + string(method)}, {Name: "Contact", Value: "<" + contact + ">"}}, h...), nil, "")
}

func (s *scripted) resolve(context.Context, target) (endpoint, error) { return endpoint{}, nil }

func (s *scripted) contact(user string, _ target) string { return "sip:" + user + "@192.168.1.1:5060" }

func (s *scripted) do(ctx context.Context, req *sip.Request, _ target) (*sip.Response, error) {
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

func response(code int, reason string, h ...string) *sip.Response {
	res := sip.NewResponse(code, reason)
	for _, line := range h {
		name, value, _ := strings.Cut(line, ": ")
		res.AppendHeader(sip.NewHeader(name, value))
	}
	return res
}

// always answers every request alike.
func always(code int, h ...string) func(int, *sip.Request) (*sip.Response, error) {
	return func(int, *sip.Request) (*sip.Response, error) {
		return response(code, fmt.Sprint("reason ", code), h...), nil
	}
}

// bubble runs f in virtual time with a stack that has no gateways; registrations and probes are put into it directly.
func bubble(t *testing.T, f func(t *testing.T, s *Stack)) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		f(t, s)
		s.endWatching()
		s.group.Wait()
	})
}
