package sipua

import (
	"context"
	"errors"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

const (
	maxExchanges = 6              // requests of one attempt: challenge, stale challenge, 423, and the same from a proxy
	maxLifetime  = 24 * time.Hour // the most that a 423 can make us ask for
)

// Asking is how one identity asks its PBX for something that lasts for a while: with REGISTER, SUBSCRIBE or PUBLISH. It belongs to one goroutine.
type Asking struct {
	Via      Doer
	Auth     *sipmsg.Authenticator
	Lifetime time.Duration // to ask for; Ask makes it more when a 423 wants that
}

// Doer sends a request and waits for its final response, as sipdialog.Client.Do.
type Doer interface {
	Do(ctx context.Context, req *sip.Request, to siptransport.Target) (*sipmsg.Response, error)
}

// Ask sends the requests that build makes for a lifetime (0: it is to end), one after the other: it answers challenges and a 423. It returns the final
// response. The error is one of transport, of digest, with the response, or of the context; a refusal by the PBX is a response. It blocks.
func (a *Asking) Ask(ctx context.Context, lifetime time.Duration, build func(lifetime time.Duration) (*sip.Request, siptransport.Target, error)) (*sipmsg.Response, error) {
	for range maxExchanges {
		req, to, err := build(lifetime)
		if err != nil {
			return nil, err
		}
		a.Auth.Authorize(req)
		res, err := a.Via.Do(ctx, req, to)
		if err != nil {
			return nil, err
		}
		switch res.StatusCode {
		case 401, 407:
			if err := a.Auth.Challenged(res); err != nil {
				a.Auth.Reset()
				return res, err
			}
			continue
		case 423:
			if least, _ := sipmsg.Seconds(res.Header("Min-Expires")); lifetime > 0 && least > lifetime && least <= maxLifetime {
				a.Lifetime, lifetime = least, least
				continue
			}
		}
		a.Auth.Accepted()
		return res, nil
	}
	return nil, errors.New("registrar asks again and again")
}
