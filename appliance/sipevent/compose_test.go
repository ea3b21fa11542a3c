package sipevent

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
)

// served is a peer that may publish here.
func served(c *config.Config, i *config.SIPInterface) {
	publishing(config.PublishDevices)(c, i)
	c.Presence[0].PublishTo.Name = ""
	c.Presence[0].Users = []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.01", Extension: "21"}}
	i.Presence.Name = "TEAMS"
}

// publish is a PUBLISH of the peer, as an Asterisk with outbound-publish sends it.
func (b *bench) publish(user, extra string, info *dialoginfo.Info) string {
	body := ""
	if info != nil {
		body, extra = string(info.Bytes()), extra+"Content-Type: application/dialog-info+xml\n"
	}
	b.seq++
	return fmt.Sprintf("PUBLISH sip:%s@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKp%d;rport\nMax-Forwards: 70\nFrom: <sip:%s@192.0.2.100>;tag=p%d\nTo: <sip:%s@192.0.2.1>\n"+
		"Call-ID: p%d\nCSeq: 1 PUBLISH\nEvent: dialog\n%sContent-Length: %d\n\n%s", user, b.seq, user, b.seq, user, b.seq, extra, len(body), body)
}

// taken demands a 200 and returns its entity tag.
func (b *bench) taken() string {
	b.Helper()
	m := b.one("SIP/2.0 200 ")
	if field(m, "SIP-ETag") == "" {
		b.Fatal(m)
	}
	return field(m, "SIP-ETag")
}

func TestWhatThePBXPublishes(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		b.put(b.publish("21", "Expires: 600\n", full(0, dialoginfo.Confirmed)))
		tag := b.taken()
		if told := b.told(); told != "user.01 busy [{c0 sip:22@192.0.2.100}]" {
			t.Error(told)
		}
		b.put(b.publish("22", "Expires: 600\n", full(0)))
		b.taken()
		if told := b.told(); told != "22 free" {
			t.Error(told)
		}
		if list := b.agent.Lines(); len(list) != 2 || list[0].User != "21" || list[0].Identity != "user.01" || !list[0].Busy || list[0].Interface != "pbx" && list[0].Interface != "SWITCH/pbx" || time.Until(list[0].Expires) != 600*time.Second {
			t.Errorf("%+v", list)
		}
		b.put(b.publish("21", "SIP-If-Match: "+tag+"\nExpires: 600\n", nil)) // a refresh
		again := b.taken()
		if again == tag || b.told() != "" {
			t.Error("the tag of a refresh")
		}
		b.put(b.publish("21", "SIP-If-Match: "+tag+"\nExpires: 600\n", full(1)))
		b.one("SIP/2.0 412 ")
		b.put(b.publish("21", "SIP-If-Match: "+again+"\nExpires: 600\n", full(1)))
		tag = b.taken()
		if told := b.told(); told != "user.01 free" {
			t.Error(told)
		}
		b.put(b.publish("21", "SIP-If-Match: "+tag+"\nExpires: 0\n", nil))
		b.taken()
		if told := b.told(); told != "user.01 unknown" {
			t.Error(told)
		}
		b.quiet(10 * time.Minute)
		if told := b.told(); told != "22 unknown" || len(b.agent.Lines()) != 0 {
			t.Errorf("what is not refreshed: %q", told)
		}

		b.put(b.publish("21", "", full(0, dialoginfo.Confirmed)))
		b.taken()
		b.told()
		b.put(b.publish("21", "", full(0))) // the PBX has restarted, and knows no tag
		b.taken()
		if told := b.told(); told != "user.01 free" || len(b.agent.Lines()) != 1 {
			t.Error(told)
		}
		b.put(strings.NewReplacer("Event: dialog", "Event: presence", "Content-Length: 0", "Content-Type: application/pidf+xml\nContent-Length: 158").Replace(b.publish("21", "", nil)) +
			`<presence entity="sip:21@x"><tuple id="1"><status><basic>open</basic></status></tuple><person><activities><busy/></activities></person></presence>                  `)
		b.taken()
		if told := b.told(); told != "user.01 busy []" {
			t.Error(told)
		}

		moved, service := *b.cfg, *b.cfg.Presence[0]
		service.Users = []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.02", Extension: "21"}}
		moved.Presence = []*config.PresenceService{&service}
		b.apply(&moved)
		if told := b.told(); told != "user.01 unknown, user.02 busy []" {
			t.Errorf("the extension is that of another: %q", told)
		}

		none := *b.cfg
		none.Presence = nil
		b.apply(&none)
		if told := b.told(); told != "user.02 unknown" {
			t.Error(told)
		}
	})
}

func TestPublicationsThatAreNotTaken(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		for name, c := range map[string]struct{ m, want string }{
			"too short":        {b.publish("21", "Expires: 5\n", full(0)), "423"},
			"unknown tag":      {b.publish("21", "SIP-If-Match: x\n", full(0)), "412"},
			"nothing":          {b.publish("21", "", nil), "400"},
			"partial":          {b.publish("21", "", &dialoginfo.Info{Version: 3}), "400"},
			"another event":    {strings.Replace(b.publish("21", "", full(0)), "Event: dialog", "Event: message-summary", 1), "489"},
			"another type":     {strings.Replace(b.publish("21", "", full(0)), "dialog-info+xml", "json", 1), "415"},
			"nobody":           {strings.Replace(b.publish("21", "", full(0)), "PUBLISH sip:21@", "PUBLISH sip:", 1), "404"},
			"not a document":   {strings.Replace(b.publish("21", "", full(0)), "<dialog-info", "<dialog-inf-", 1), "400"},
			"an unknown state": {strings.Replace(b.publish("21", "", full(0, dialoginfo.Confirmed)), "confirmed", "chatting-", 1), "400"},
		} {
			b.put(c.m)
			if m := b.one("SIP/2.0 "); !strings.HasPrefix(m, "SIP/2.0 "+c.want+" ") {
				t.Errorf("%s: %s", name, m)
			}
		}
		if told := b.told(); told != "" || len(b.agent.Lines()) != 0 {
			t.Error(told)
		}
	})
	closed := map[string]func(*config.Config, *config.SIPInterface){
		"no presence-service": func(c *config.Config, i *config.SIPInterface) { served(c, i); i.Presence.Name = "" },
		"shut down":           func(c *config.Config, i *config.SIPInterface) { served(c, i); c.Presence[0].Enabled = false },
		"trusted by nobody": func(c *config.Config, i *config.SIPInterface) {
			served(c, i)
			i.Remote.Host, i.Trust = "192.0.2.7", []config.Source{{Prefix: netip.MustParsePrefix("192.0.2.7/32")}}
		},
	}
	for name, change := range closed {
		t.Run(name, func(t *testing.T) {
			onPaper(t, change, func(b *bench) {
				b.put(b.publish("21", "", full(0, dialoginfo.Confirmed)))
				if list := b.sent(); name == "trusted by nobody" && len(list) != 0 || name != "trusted by nobody" && (len(list) != 1 || !strings.HasPrefix(list[0], "SIP/2.0 489 ")) {
					t.Errorf("%q", list)
				}
				if told := b.told(); told != "" {
					t.Error(told)
				}
			})
		})
	}
}

func TestPublicationsHaveABound(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		for n := range mostPublished {
			b.agent.mu.Lock()
			b.agent.composed[published{peerID, fmt.Sprint(n)}] = &composed{timer: time.NewTimer(time.Hour)}
			b.agent.mu.Unlock()
		}
		b.put(b.publish("one-more", "", full(0)))
		b.one("SIP/2.0 503 ")
		b.put(b.publish("7", "", full(0)))
		b.taken()
	})
}

var peerID = config.InterfaceID{Context: "SWITCH", Name: "pbx"}

// Whatever a peer sends in these methods, and with whatever body: nothing panics, and the box goes on.
func FuzzRequests(f *testing.F) {
	f.Add("PUBLISH", "21", "Event: dialog\nExpires: 600\nContent-Type: application/dialog-info+xml\n", string(full(0, dialoginfo.Confirmed).Bytes()))
	f.Add("NOTIFY", "user.01", "Event: dialog\nSubscription-State: active;expires=60\nContent-Type: application/dialog-info+xml\n", string(full(1, dialoginfo.Early).Bytes()))
	f.Add("NOTIFY", "user.01", "Event: dialog\nSubscription-State: terminated;reason=probation;retry-after=99999999999\n", "")
	f.Add("PUBLISH", "21", "Event: presence\nSIP-If-Match: x\nContent-Type: application/pidf+xml\n", "<presence/>")
	f.Add("SUBSCRIBE", "21", "Event: dialog;id=1\nExpires: 600\nAccept: application/dialog-info+xml\nRecord-Route: <sip:192.0.2.100;lr>\nContact: <sip:x@192.0.2.100>\n", "")
	f.Add("SUBSCRIBE", "user.01", "Event: presence\nExpires: 0\nContact: <sip:x@[::1]:99999;transport=tls>\n", "")
	f.Fuzz(func(t *testing.T, method, user, headers, body string) {
		if method != "PUBLISH" && method != "NOTIFY" && method != "SUBSCRIBE" || strings.ContainsAny(user, "\r\n") || strings.Contains(headers, "\n\n") {
			return
		}
		onPaper(t, func(c *config.Config, i *config.SIPInterface) {
			served(c, i)
			c.Location[0].Identities[0].SubscribeDialog = true
		}, func(b *bench) {
			req := b.next(20*time.Second, "SUBSCRIBE ")
			b.answers(func(m string) string { return reply(m, "200 OK", "pbx", contact) })
			b.put(reply(req, "200 OK", "pbx", contact))
			m := b.publish(user, headers, nil)
			if method == "NOTIFY" {
				m = strings.Replace(b.notifyText(req, "pbx", "active", headers, body), "Event: dialog\nSubscription-State: active\n", "", 1)
			} else {
				m = strings.Replace(strings.ReplaceAll(m, "PUBLISH", method), "Event: dialog\n", "", 1)
				m = strings.Replace(m, "Content-Length: 0\n\n", fmt.Sprintf("Content-Length: %d\n\n%s", len(body), body), 1)
			}
			b.put(m)
			b.sent()
			b.put(b.publish("21", "", full(0)))
			synctest.Wait()
			if list := b.sent(); len(list) == 0 || !strings.HasPrefix(list[len(list)-1], "SIP/2.0 ") {
				t.Errorf("afterwards it sent %q", list)
			}
		})
	})
}
