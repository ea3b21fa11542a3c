package sipgw

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// overwhelm lets calls come that nobody handles, until the box sheds. The function that it returns handles them.
func overwhelm(t *testing.T, b *bench) (relief func()) {
	t.Helper()
	var came []time.Time
	for b.s.overload.State() != status.Shedding {
		now := time.Now()
		b.s.overload.Came(now)
		came = append(came, now)
		if len(came) > 1000 {
			t.Fatal("it never sheds")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() {
		for _, c := range came {
			b.s.overload.Handled(c, time.Now())
		}
		time.Sleep(time.Minute)
		if o := b.s.Overload(); o.State != status.Calm {
			t.Fatalf("after the overload: %+v", o)
		}
	}
}

func emergencies(c *config.Config, _ *config.SIPInterface) { c.CS[0].Emergency = []string{"112"} }

func TestOverloadRefusesNewCallsAlone(t *testing.T) {
	onPaper(t, emergencies, func(t *testing.T, b *bench) {
		leg, ok := b.arrived("before", "")
		tag := tagOf(field(ok, "To"))
		b.put(inviteText("ringing", "ringing", "", "v=0 offer"))
		<-b.calls
		trying := b.one("SIP/2.0 100 ")
		kept := b.g.transactions.Count()
		relief := overwhelm(t, b)

		// A new call is refused, and nothing is kept of it. A repetition of its INVITE gets the same, and its ACK means nothing.
		b.put(inviteText("new", "new", "", "v=0 offer"))
		refusal := b.one("SIP/2.0 503 ")
		if after := field(refusal, "Retry-After"); len(after) != 1 || after < "2" || after > "8" {
			t.Errorf("Retry-After %q", after)
		}
		b.put(inviteText("new", "new", "", "v=0 offer"))
		if again := b.one("SIP/2.0 503 "); tagOf(field(again, "To")) != tagOf(field(refusal, "To")) {
			t.Errorf("a repetition gets another tag:\n%s\n%s", refusal, again)
		}
		b.put(inDialogText("ACK", "new", "new", tagOf(field(refusal, "To")), 1, "", ""))
		b.starts()
		if now := b.g.transactions.Count(); now != kept || len(b.calls) > 0 {
			t.Errorf("transactions %+v, before %+v; %d calls", now, kept, len(b.calls))
		}
		if n := b.g.Counters.Shed.Load(); n != 1 || b.s.Overload().Refused != 1 {
			t.Errorf("%d refused", n)
		}

		// All others are served: what was taken before, its refreshes and its end, transfers, emergencies, and what is no call.
		b.put(inviteText("ringing", "ringing", "", "v=0 offer"))
		if again := b.one("SIP/2.0 100 "); again != trying {
			t.Errorf("a repetition gets %q", again)
		}
		b.put(inDialogText("UPDATE", "before", "refresh", tag, 2, "Session-Expires: 1800;refresher=uac\nSupported: timer\n", ""))
		b.one("SIP/2.0 200 ")
		want[Refreshed](t, b.call)
		b.put(inDialogText("INVITE", "before", "hold", tag, 3, "", "v=0 hold"))
		b.one("SIP/2.0 100 ")
		want[Offered](t, b.call)
		b.call.on(func() { leg.Bye() })
		b.sent()
		b.put(optionsText("probe", ""))
		b.one("SIP/2.0 200 ")
		b.put(inviteText("transfer", "transfer", "Replaces: nobody;to-tag=a;from-tag=b\n", "v=0 offer"))
		b.one("SIP/2.0 481 ")
		b.put(strings.ReplaceAll(inviteText("help", "help", "", "v=0 offer"), "+49711", "112"))
		b.one("SIP/2.0 100 ")
		<-b.calls

		relief()
		b.sent()
		b.put(inviteText("new", "new", "", "v=0 offer"))
		b.one("SIP/2.0 503 ") // the old one still
		b.put(inviteText("later", "later", "", "v=0 offer"))
		b.one("SIP/2.0 100 ")
		<-b.calls
	})
}
