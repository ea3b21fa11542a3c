package sipua

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

func TestPasswordsAreTriedWithoutChangingABinding(t *testing.T) {
	challenge := `WWW-Authenticate: Digest realm="pbx", nonce="%d", algorithm=MD5`
	wrong, code := "", 200
	peer := &scripted{}
	peer.answer = func(n int, req *sip.Request) (*sipmsg.Response, error) {
		switch {
		case req.GetHeader("Authorization") == nil:
			return response(401, "Unauthorized", fmt.Sprintf(challenge, n)), nil
		case wrong != "" && strings.Contains(req.GetHeader("Authorization").Value(), wrong):
			return response(403, "For\x1bbidden"), nil
		}
		return response(code, "OK", "Contact: <sip:user@192.168.1.1:5060>;expires=100"), nil
	}
	bubble(t, func(t *testing.T, a *Agent) {
		var list []registrationSpec
		for _, name := range []string{"user.01", "user.02", "user.03"} {
			spec := testRegistration(peer, name)
			spec.account.Username, spec.account.Password = name, "secret"
			list = append(list, spec)
		}
		gateway := list[0].gateway
		a.register(list...)
		time.Sleep(time.Second)
		before := a.Registrations()
		n := peer.count()
		if taken, refused, other := a.TryAccounts(t.Context(), gateway); taken != 3 || refused != nil || other != nil {
			t.Errorf("%d taken, %+v, %v", taken, refused, other)
		}
		for _, req := range peer.reqs[n:] {
			if req.Method != sip.REGISTER || req.GetHeader("Contact") != nil || req.GetHeader("Expires") != nil {
				t.Errorf("it changes a binding: %v", req)
			}
		}
		peer.set(func() { wrong = `"user.02"` })
		n = peer.count()
		taken, refused, _ := a.TryAccounts(t.Context(), gateway)
		if taken != 1 || refused == nil || refused.Identity != "user.02" || !strings.HasPrefix(refused.Answer, "403 ") || strings.Contains(refused.Answer, "\x1b") {
			t.Errorf("%d taken, %+v", taken, refused)
		}
		if got := peer.count() - n; got != 4 {
			t.Errorf("%d requests: a second wrong password may be a ban", got)
		}
		for i, r := range a.Registrations() {
			if r != before[i] || r.State != status.Registered {
				t.Errorf("a registration has changed: %+v, was %+v", r, before[i])
			}
		}
		if taken, refused, other := a.TryAccounts(t.Context(), "another"); taken != 0 || refused != nil || other != nil {
			t.Error("accounts of another gateway were tried")
		}
		peer.set(func() { wrong, code = "", 503 })
		n = peer.count()
		if taken, refused, other := a.TryAccounts(t.Context(), gateway); taken != 0 || refused != nil || !errors.As(other, new(*Unclear)) || peer.count()-n != 2 {
			t.Errorf("503 is no password taken: %d, %+v, %v", taken, refused, other)
		}
	})
}
