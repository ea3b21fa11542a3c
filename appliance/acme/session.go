package acme

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"

	lib "github.com/mholt/acmez/v3/acme"
)

const (
	sessionTime  = 10 * time.Minute // one order, with everything that the authority takes its time for
	pollInterval = time.Second
	pollTime     = 4 * time.Minute
)

// session is one conversation with an authority.
type session struct {
	e      *Engine
	p      *config.ACMEProfile
	url    string // of the directory
	client *lib.Client
	guard  *guarded
	acct   account
}

// account is one at an authority, as it is kept. dns-persist ties a name to its URL, so it is made once.
type account struct {
	Directory string
	URL       string // "": the authority does not know the key yet
	Key       []byte // PEM
	Issuer    string // by which TXT and CAA records name the authority
}

// open begins a conversation with a directory.
func (e *Engine) open(p *config.ACMEProfile, url string) (*session, error) {
	c, err := e.o.HTTP(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, failed(adviceCA, err)
	case err != nil:
		return nil, failed(adviceDirectory, err)
	}
	s := &session{e: e, p: p, url: url, guard: &guarded{base: cmp.Or[http.RoundTripper](c.Transport, http.DefaultTransport), left: answersMax}}
	with := *c
	with.Transport = s.guard
	s.client = &lib.Client{Directory: url, HTTPClient: &with, UserAgent: e.o.Agent, PollInterval: pollInterval, PollTimeout: pollTime}
	return s, nil
}

func accountFile(directory string) string {
	sum := sha256.Sum256([]byte(directory))
	return fmt.Sprintf("account-%x", sum[:8])
}

// readAccount returns the account at a directory as it is kept; the zero account: there is none.
func (e *Engine) readAccount(directory string) (a account, err error) {
	if a, ok := e.known.Load(directory); ok {
		return a.(account), nil
	}
	text, err := e.o.Store.ACMEFile(accountFile(directory))
	if errors.Is(err, fs.ErrNotExist) {
		return account{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		// Another account would need other TXT records: nobody wants that unasked.
		return account{}, failed(adviceStore, fmt.Errorf("the account at the authority cannot be read: %w", err))
	}
	e.known.Store(directory, a)
	return a, nil
}

func (s *session) keepAccount() error {
	text, err := json.Marshal(s.acct)
	if err == nil {
		err = s.e.o.Store.SaveACMEFile(accountFile(s.url), text)
	}
	if err != nil {
		return failed(adviceStore, fmt.Errorf("the account at the authority cannot be stored: %w", err))
	}
	s.e.known.Store(s.url, s.acct)
	return nil
}

// signIn finds or makes the account.
func (s *session) signIn(ctx context.Context) error {
	return s.alone(ctx, s.signInAlone)
}

// alone has do change the account while nobody else changes one. An authority may be slow, so whoever waits for another stops with ctx.
func (s *session) alone(ctx context.Context, do func(context.Context) error) error {
	select {
	case s.e.accounts <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.e.accounts }()
	return do(ctx)
}

func (s *session) signInAlone(ctx context.Context) (err error) {
	if s.acct, err = s.e.readAccount(s.url); err != nil {
		return err
	}
	directory, err := s.client.GetDirectory(ctx)
	if err != nil {
		return failed(adviceDirectory, fmt.Errorf("the directory is not reached: %w", err))
	}
	before := s.acct
	if m := directory.Meta; m != nil && len(m.CAAIdentities) > 0 && s.acct.Issuer == "" {
		s.acct.Issuer = m.CAAIdentities[0]
	}
	s.acct.Directory = s.url
	if len(s.acct.Key) == 0 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if s.acct.Key, err = pki.KeyPEM(key); err != nil {
			return err
		}
		// The key comes first: an account whose key is lost is lost.
		if err := s.keepAccount(); err != nil {
			return err
		}
		before = s.acct
	}
	if s.acct.URL == "" {
		if err := s.register(ctx); err != nil {
			return err
		}
	}
	if s.acct.URL != before.URL || s.acct.Issuer != before.Issuer {
		return s.keepAccount()
	}
	return nil
}

func (s *session) register(ctx context.Context) error {
	a, err := s.account()
	if err != nil {
		return err
	}
	a.TermsOfServiceAgreed = true
	if s.p.Contact != "" {
		a.Contact = []string{"mailto:" + s.p.Contact}
	}
	if x := s.p.External; x.KeyID != "" {
		if err := a.SetExternalAccountBinding(ctx, s.client, lib.EAB{KeyID: x.KeyID, MACKey: string(x.MACKey)}); err != nil {
			return failed(adviceAccount, errors.New("the MAC key of external-account cannot be used"))
		}
	}
	if a, err = s.client.NewAccount(ctx, a); err != nil {
		return failed(adviceAccount, fmt.Errorf("no account: %w", err))
	}
	s.acct.URL = a.Location
	s.e.o.Log.Info("registered at the authority", "name", s.p.Name, "url", a.Location)
	return nil
}

// account is the account as the library wants it.
func (s *session) account() (lib.Account, error) {
	key, err := pki.ParsePrivateKey(s.acct.Key, "")
	if err != nil {
		return lib.Account{}, failed(adviceStore, fmt.Errorf("the key of the account cannot be used: %w", err))
	}
	return lib.Account{Status: lib.StatusValid, Location: s.acct.URL, PrivateKey: key}, nil
}

// order orders a certificate. replaces is the one that it renews; nil: none that the authority knows.
func (s *session) order(ctx context.Context, replaces *x509.Certificate) (lib.Order, error) {
	o := lib.Order{}
	for _, name := range s.p.Names {
		o.Identifiers = append(o.Identifiers, lib.Identifier{Type: "dns", Value: name})
	}
	if d, err := s.client.GetDirectory(ctx); err == nil && d.Meta != nil && d.Meta.Profiles[classic] != "" {
		o.Profile = classic
	}
	if replaces != nil {
		o.Replaces, _ = lib.ARIUniqueIdentifier(replaces) // "" without a number
	}
	for attempt := 0; ; attempt++ {
		a, err := s.account()
		if err != nil {
			return o, err
		}
		made, err := s.client.NewOrder(ctx, a, o)
		var p lib.Problem
		switch {
		case err == nil:
			return made, nil
		case attempt > 1 || !errors.As(err, &p) || p.Type == lib.ProblemTypeRateLimited:
			return o, failed(adviceOrder, fmt.Errorf("the order fails: %w", err))
		case p.Type == lib.ProblemTypeAccountDoesNotExist:
			s.e.o.Log.Warn("the authority has forgotten the account", "name", s.p.Name, "url", s.acct.URL)
			if err := s.signUpAgain(ctx); err != nil {
				return o, err
			}
		case o.Replaces != "":
			o.Replaces = "" // it is replaced already, or the authority does not know it
		default:
			return o, failed(adviceOrder, fmt.Errorf("the order fails: %w", err))
		}
	}
}

// classic is the profile of certificates with a common name and a life of months: older peers want the one, operators the other.
const classic = "classic"

func (s *session) signUpAgain(ctx context.Context) error {
	return s.alone(ctx, func(ctx context.Context) error {
		s.acct.URL = ""
		if err := s.register(ctx); err != nil {
			return err
		}
		return s.keepAccount()
	})
}

// finalize gives the authority the key's request and waits for the certificate.
func (s *session) finalize(ctx context.Context, o lib.Order, key crypto.Signer) (lib.Order, error) {
	a, err := s.account()
	if err != nil {
		return o, err
	}
	der, err := pki.RequestDER(key, s.p.Names)
	if err != nil {
		return o, err
	}
	done, err := s.client.FinalizeOrder(ctx, a, o, der)
	if err != nil {
		return o, failed(adviceOrder, fmt.Errorf("the order is not completed: %w", err))
	}
	return done, nil
}

// find asks for the state of an order. While the authority works on it, find waits.
func (s *session) find(ctx context.Context, url string) (lib.Order, error) {
	a, err := s.account()
	if err != nil {
		return lib.Order{}, err
	}
	for began := time.Now(); ; {
		o, err := s.client.GetOrder(ctx, a, lib.Order{Location: url})
		switch {
		case err != nil:
			return o, failed(adviceOrder, fmt.Errorf("the order is not found: %w", err))
		case o.Status != lib.StatusProcessing:
			return o, nil
		case time.Since(began) > pollTime:
			return o, failed(adviceOrder, errors.New("the authority does not complete the order"))
		}
		select {
		case <-ctx.Done():
			return o, ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

// download gets the chain of an order, leaf first, as the authority sends it: which intermediate signs may change with every order.
func (s *session) download(ctx context.Context, o lib.Order) ([]byte, error) {
	a, err := s.account()
	if err != nil {
		return nil, err
	}
	chains, err := s.client.GetCertificateChain(ctx, a, o.Certificate)
	if err == nil && len(chains) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, failed(adviceOrder, fmt.Errorf("the certificate is not downloaded: %w", err))
	}
	return chains[0].ChainPEM, nil
}

// newKey makes the key of an order: RSA, because Microsoft Teams takes no other.
func newKey() (crypto.Signer, []byte, error) {
	key, err := pki.NewKey(2048)
	if err != nil {
		return nil, nil, err
	}
	text, err := pki.KeyPEM(key)
	return key, text, err
}
