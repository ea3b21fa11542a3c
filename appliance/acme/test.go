package acme

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"

	lib "github.com/mholt/acmez/v3/acme"
)

// errNoTest is the end of a test that has found something. The lines before it say what.
var errNoTest = errors.New("a certificate would not be obtained")

// Test goes through every step of an order and reports each. With Let's Encrypt it does so at the staging directory, whose certificates
// nobody trusts, and to the end; with another authority it ends before a certificate is issued.
func (e *Engine) Test(ctx context.Context, p *config.ACMEProfile, report func(line string)) error {
	ctx, cancel := context.WithTimeout(ctx, sessionTime)
	defer cancel()
	told := func(err error) error {
		var f *failure
		text := printable.Line(err.Error())
		if errors.As(err, &f) && f.advice != "" {
			text += ". " + f.advice
		}
		report("FAILED: " + text)
		return errNoTest
	}
	if len(p.Names) == 0 {
		return told(failed("Add a name line to profile acme "+p.Name+".", errors.New("there is no name to certify")))
	}
	if err := e.o.Clock(); err != nil {
		return told(fmt.Errorf("the clock is not right yet: %w", err))
	}
	report("Clock: right")
	url := directoryURL(p)
	s, err := e.test(ctx, p, url, report)
	if err != nil {
		return told(err)
	}
	staging := url == productionURL
	if staging {
		if s, err = e.test(ctx, p, stagingURL, report); err != nil {
			return told(err)
		}
	}
	o, err := s.order(ctx, nil)
	if err != nil {
		return told(err)
	}
	report("Order: taken")
	if err := s.prove(ctx, o); err != nil {
		return told(err)
	}
	report(fmt.Sprintf("Challenge %s: passed for %s", p.Challenge, strings.Join(p.Names, ", ")))
	if !staging {
		report("A certificate would be issued now. The test ends here: it would count against the limits of the authority.")
		return nil
	}
	if err := s.tryToEnd(ctx, o); err != nil {
		return told(err)
	}
	report("Certificate: issued for the test, in order, and thrown away")
	return nil
}

// test goes as far as the account and its records.
func (e *Engine) test(ctx context.Context, p *config.ACMEProfile, url string, report func(line string)) (*session, error) {
	s, err := e.open(p, url)
	if err != nil {
		return nil, err
	}
	if err := s.signIn(ctx); err != nil {
		return nil, err
	}
	report(fmt.Sprintf("Directory %s: reached, account %s", url, printable.Short(s.acct.URL, 200)))
	if p.Challenge != config.ChallengeDNS {
		return s, nil
	}
	if names := s.missing(ctx); len(names) > 0 {
		return nil, failed("", fmt.Errorf("the record %s. IN TXT %q is not seen: set it, wait until it is in the DNS, and test again", recordName(names[0]), s.acct.recordValue()))
	}
	report("Record: seen for " + strings.Join(p.Names, ", "))
	return s, nil
}

// tryToEnd has a certificate issued and judges it, except for its root.
func (s *session) tryToEnd(ctx context.Context, o lib.Order) error {
	key, _, err := s.e.key()
	if err != nil {
		return err
	}
	if o, err = s.find(ctx, o.Location); err != nil {
		return err
	}
	if o, err = s.finalize(ctx, o, key); err != nil {
		return err
	}
	text, err := s.download(ctx, o)
	if err != nil {
		return err
	}
	chain, err := pki.ParseCertificates(text)
	if err != nil {
		return failed(adviceUnusable, err)
	}
	var unknown *pki.UnknownIssuer
	err = pki.Usable(chain, key, pki.Use{Names: s.p.Names, Roots: s.e.o.Roots(), Now: time.Now()})
	if err != nil && !errors.As(err, &unknown) {
		return failed(adviceUnusable, err)
	}
	return nil
}
