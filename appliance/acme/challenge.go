package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"

	"github.com/mholt/acmez/v3"
	lib "github.com/mholt/acmez/v3/acme"
	"golang.org/x/net/netutil"
)

// way is how a challenge is answered.
type way struct {
	kind   string // as authorities name it
	advice string
}

var ways = map[config.Challenge]way{
	config.ChallengeDNS:  {lib.ChallengeTypeDNSPersist01, adviceDNS},
	config.ChallengeHTTP: {lib.ChallengeTypeHTTP01, adviceHTTP},
	config.ChallengeTLS:  {lib.ChallengeTypeTLSALPN01, adviceTLS},
}

// prove shows the authority that all names of an order are ours.
func (s *session) prove(ctx context.Context, o lib.Order) error {
	a, err := s.account()
	if err != nil {
		return err
	}
	w := ways[s.p.Challenge]
	var answers []proof
	r := &responder{pages: map[string]string{}, certificates: map[string]*tls.Certificate{}}
	for _, url := range o.Authorizations {
		authorization, err := s.client.GetAuthorization(ctx, a, url)
		if err != nil {
			return failed(adviceOrder, fmt.Errorf("the authority does not say how to prove a name: %w", err))
		}
		if authorization.Status == lib.StatusValid {
			continue
		}
		challenge, err := pick(authorization, w)
		if err != nil {
			return err
		}
		if err := s.answer(ctx, r, challenge); err != nil {
			return err
		}
		answers = append(answers, proof{authorization, challenge})
	}
	if len(answers) == 0 {
		return nil
	}
	if port := s.p.Challenge.Port(); port != 0 {
		certificate, _ := s.p.Target()
		listeners, err := s.e.o.Open(ctx, certificate, port)
		if err != nil {
			return failed(w.advice, fmt.Errorf("port %d is not opened: %w", port, err))
		}
		stop := r.serve(listeners)
		defer func() { s.e.o.Shut(listeners); stop() }()
	}
	for _, x := range answers {
		if _, err := s.client.InitiateChallenge(ctx, a, x.challenge); err != nil {
			return failed(w.advice, fmt.Errorf("the challenge is not taken: %w", err))
		}
	}
	for _, x := range answers {
		if _, err := s.client.PollAuthorization(ctx, a, x.authorization); err != nil {
			return failed(w.advice, fmt.Errorf("%s is not taken for ours: %w", x.authorization.Identifier.Value, err))
		}
	}
	return nil
}

// proof is a name to be proved, and the challenge by which.
type proof struct {
	authorization lib.Authorization
	challenge     lib.Challenge
}

// pick finds the challenge of the configured kind.
func pick(a lib.Authorization, w way) (lib.Challenge, error) {
	var offered []string
	for _, c := range a.Challenges {
		if c.Type == w.kind {
			return c, nil
		}
		offered = append(offered, c.Type)
	}
	return lib.Challenge{}, failed("Choose another challenge in profile acme.", fmt.Errorf("the authority does not offer %s, only %s", w.kind, strings.Join(offered, ", ")))
}

// answer prepares the answer to a challenge.
func (s *session) answer(ctx context.Context, r *responder, c lib.Challenge) error {
	switch c.Type {
	case lib.ChallengeTypeHTTP01:
		r.pages[c.HTTP01ResourcePath()] = c.KeyAuthorization
	case lib.ChallengeTypeTLSALPN01:
		certificate, err := acmez.TLSALPN01ChallengeCert(c)
		if err != nil {
			return failed(adviceTLS, err)
		}
		r.certificates[strings.ToLower(c.Identifier.Value)] = certificate
	case lib.ChallengeTypeDNSPersist01:
		if len(c.IssuerDomainNames) > 0 && !slices.Contains(c.IssuerDomainNames, s.acct.Issuer) {
			return s.alone(ctx, func(context.Context) error {
				s.acct.Issuer = c.IssuerDomainNames[0]
				return s.keepAccount()
			})
		}
	}
	return nil
}

// responder answers challenges on a socket of its own.
type responder struct {
	pages        map[string]string           // by path
	certificates map[string]*tls.Certificate // by name
}

const (
	responderTime  = 5 * time.Second
	responderConns = 32
)

// serve answers on listeners until stop is called. It says nothing to anybody who does not know the token.
func (r *responder) serve(listeners []net.Listener) (stop func()) {
	server := &http.Server{Handler: r, ReadTimeout: responderTime, WriteTimeout: responderTime, MaxHeaderBytes: 4 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	server.SetKeepAlivesEnabled(false)
	var running sync.WaitGroup
	for _, l := range listeners {
		l = netutil.LimitListener(l, responderConns)
		if len(r.certificates) > 0 {
			l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{acmez.ACMETLS1Protocol}, GetCertificate: r.certificate})
		}
		running.Go(func() { _ = server.Serve(l) })
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), responderTime)
		defer cancel()
		_ = server.Shutdown(ctx)
		_ = server.Close()
		running.Wait()
	}
}

func (r *responder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	page, ok := r.pages[q.URL.Path]
	if !ok || q.Method != http.MethodGet && q.Method != http.MethodHead {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.WriteString(w, page)
}

func (r *responder) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := r.certificates[strings.ToLower(hello.ServerName)]; c != nil && slices.Contains(hello.SupportedProtos, acmez.ACMETLS1Protocol) {
		return c, nil
	}
	return nil, errors.New("no challenge of this name")
}

// recordName is where the TXT record of a name stands.
func recordName(name string) string { return "_validation-persist." + name }

// recordValue is what it says: this account may prove the name (draft-ietf-acme-dns-persist).
func (a account) recordValue() string { return a.Issuer + "; accounturi=" + a.URL }

// records are the TXT records that the names of a profile need, each as a line of a zone file; none while the account is not known.
func (a account) records(p *config.ACMEProfile) (list []string) {
	if a.URL == "" || a.Issuer == "" || p.Challenge != config.ChallengeDNS {
		return nil
	}
	for _, name := range p.Names {
		list = append(list, fmt.Sprintf("%s. IN TXT %q", recordName(name), a.recordValue()))
	}
	return list
}

// fits reports whether a TXT record lets the account prove its name at this moment.
func (a account) fits(record string, now time.Time) bool {
	parts := strings.Split(record, ";")
	if !strings.EqualFold(strings.TrimSuffix(strings.TrimSpace(parts[0]), "."), a.Issuer) {
		return false
	}
	ours := false
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(name)) {
		case "accounturi":
			ours = value == a.URL
		case "persistuntil":
			if until, err := strconv.ParseInt(value, 10, 64); err != nil || now.Unix() > until {
				return false
			}
		}
	}
	return ours
}

// missing returns the names whose TXT record is not seen from here.
func (s *session) missing(ctx context.Context) (names []string) {
	for _, name := range s.p.Names {
		found, _ := s.e.o.TXT(ctx, recordName(name)) // an error is a record that is not seen
		if !slices.ContainsFunc(found, func(r string) bool { return s.acct.fits(r, time.Now()) }) {
			names = append(names, name)
		}
	}
	return names
}
