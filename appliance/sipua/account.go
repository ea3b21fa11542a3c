package sipua

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// Refused is an account whose password a registrar does not take.
type Refused struct {
	Identity string
	Answer   string // "403 Forbidden"
}

// Unclear is an answer of a registrar that says nothing about a password.
type Unclear struct{ Answer string }

func (e *Unclear) Error() string { return "the registrar says " + e.Answer }

const (
	mostTried = 50              // accounts: those of a big site are tried at random days by their registrations
	tryTime   = 3 * time.Second // for one account
)

// TryAccounts asks the registrar of each identity of a gateway for its bindings: a REGISTER without Contact changes none (RFC 3261 10.2.3), but wants the
// password. It stops at the first that is refused, because a PBX bans clients after a few wrong passwords. taken is how many passwords were right. other is what
// ended the trial early, although it says nothing about a password: silence, or a registrar that does not take such a question.
func (a *Agent) TryAccounts(ctx context.Context, gateway string) (taken int, refused *Refused, other error) {
	list := a.registrations.Workers()
	slices.SortFunc(list, func(a, b *registration) int { return strings.Compare(a.spec.Key(), b.spec.Key()) })
	for _, r := range list {
		if r.spec.gateway != gateway || taken == mostTried {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, tryTime)
		res, err := r.spec.bindings(limited)
		cancel()
		if ctx.Err() != nil || err != nil {
			return taken, nil, errors.Join(ctx.Err(), err)
		}
		said := strings.TrimSpace(fmt.Sprintf("%d %s", res.StatusCode, printable.Text(res.Reason)))
		switch {
		case res.StatusCode == 401, res.StatusCode == 403, res.StatusCode == 407:
			return taken, &Refused{r.spec.identity, said}, nil
		case res.StatusCode/100 != 2:
			return taken, nil, &Unclear{said}
		}
		taken++
	}
	return taken, nil, nil
}

// bindings asks for the bindings of an identity, in a dialogue of its own.
func (p registrationSpec) bindings(ctx context.Context) (*sipmsg.Response, error) {
	first, err := p.via.NewRequest(sip.REGISTER, p.uri, p.aor, p.aor, p.identity, p.to)
	if err != nil {
		return nil, err
	}
	first.RemoveHeader("Contact")
	auth := sipmsg.NewAuthenticator(p.account.Username, string(p.account.Password))
	for n := uint32(1); ; n++ {
		req := first.Clone()
		req.ReplaceHeader(&sip.CSeqHeader{SeqNo: n, MethodName: sip.REGISTER})
		auth.Authorize(req)
		res, err := p.via.Do(ctx, req, p.to)
		if err != nil || res.StatusCode != 401 && res.StatusCode != 407 || n == maxExchanges {
			return res, err
		}
		if auth.Challenged(res) != nil {
			return res, nil // the same question again: the password is wrong
		}
	}
}
