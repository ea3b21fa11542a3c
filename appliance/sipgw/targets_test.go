package sipgw

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// accusing is a PeerHealth that no phone may be reported to.
type accusing struct {
	unattended
	t *testing.T
}

func (a accusing) Responded(config.InterfaceID) { a.t.Error("the interface has responded") }
func (a accusing) Overloaded(config.InterfaceID, time.Duration) {
	a.t.Error("the interface is overloaded")
}
func (a accusing) Silent(config.InterfaceID, time.Time) { a.t.Error("the interface is silent") }
func (a accusing) Disowned(config.InterfaceID, string) {
	a.t.Error("the interface disowns an identity")
}
func (a accusing) Suspect(config.InterfaceID) { a.t.Error("the interface is suspect") }
func (a accusing) Refusal(config.InterfaceID, string) error {
	a.t.Error("phones are refused")
	return nil
}

// desk is a phone of the tests on the wire, by UDP or TCP.
type desk interface {
	write(m string)
	want(start string) string
}

type tcpDesk struct{ *peer }

func (d tcpDesk) write(m string) { d.peer.write(m) }

// registers has a phone register, and returns how it is reached.
func (b *phoneBox) registers(d desk, at, transport string) siptransport.PhoneTarget {
	b.t.Helper()
	d.write(phoneText("REGISTER", "r"+sipmsg.Token(6), at, transport, ""))
	d.want("SIP/2.0 200 ")
	p := (<-b.registered).Arrival().Phone()
	p.URI = "sip:line@" + at + ":5070;x=" + at
	return p
}

// ring has phones called as one leg.
func (b *phoneBox) ring(targets ...siptransport.PhoneTarget) *Leg {
	return b.invite(func(r *Invite) { r.Interface, r.Targets, r.ContactUser = peerID("phones"), targets, "box" })
}

func contactOf(at string) string { return "Contact: <sip:line@" + at + ":5071;y=1>\n" }

func TestPhonesRingTogether(t *testing.T) {
	b := newPhoneBox(t, nil)
	tcp, udp := tcpDesk{b.connect("127.0.0.7", b.plain)}, b.phone("127.0.0.8")
	leg := b.ring(b.registers(tcp, "127.0.0.7", "TCP"), b.registers(udp, "127.0.0.8", "UDP"))
	one, two := tcp.want("INVITE sip:line@127.0.0.7:5070;x=127.0.0.7 "), udp.want("INVITE sip:line@127.0.0.8:5070;x=127.0.0.8 ")
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		if field(one, name) != field(two, name) {
			t.Errorf("%s: %q, %q", name, field(one, name), field(two, name))
		}
	}
	if field(one, "Via") == field(two, "Via") || !strings.Contains(field(one, "Contact"), "transport=tcp") || strings.Contains(field(two, "Contact"), "transport=tcp") {
		t.Error(one, two)
	}
	tcp.write(reply(one, "100 Trying", "", "", ""))
	udp.write(reply(two, "180 Ringing", "b", contactOf("127.0.0.8"), ""))
	tcp.write(reply(one, "180 Ringing", "a", contactOf("127.0.0.7"), ""))
	rings := 0
	for rings < 2 {
		if e := want[Progress](t, b.call); e.Code == 180 {
			rings++
		}
	}
	tcp.write(reply(one, "200 OK", "a", contactOf("127.0.0.7"), "v=0 tcp"))
	if e := want[Answered](t, b.call); string(e.Body) != "v=0 tcp" {
		t.Errorf("%q", e.Body)
	}
	tcp.want("ACK sip:line@127.0.0.7:5071;y=1 ")
	cancel := udp.want("CANCEL sip:line@127.0.0.8:5070;x=127.0.0.8 ")
	if field(cancel, "Reason") != `SIP;cause=200;text="Call completed elsewhere"` || field(cancel, "Via") != field(two, "Via") {
		t.Error(cancel)
	}
	udp.write(reply(cancel, "200 OK", "b", "", ""))
	udp.write(reply(two, "487 Request Terminated", "b", "", ""))
	udp.want("ACK ")
	b.call.none(t)
	// The dialog is the winner's alone, and goes by its connection.
	bye := "BYE sip:box@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.8:5060;branch=z9hG4bKbye;rport\nFrom: " + field(one, "To") + ";tag=a\nTo: " + field(one, "From") +
		"\nCall-ID: " + field(one, "Call-ID") + "\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n"
	udp.write(bye)
	udp.want("SIP/2.0 403 ")
	b.call.on(func() { leg.Bye() })
	tcp.write(reply(tcp.want("BYE sip:line@127.0.0.7:5071;y=1 "), "200 OK", "", "", ""))
}

// Two answer in the same moment: one has the call, the other is acknowledged and hung up, though its tag is the same.
func TestTwoPhonesAnswerAtOnce(t *testing.T) {
	for _, tag := range []string{"b", "same"} {
		b := newPhoneBox(t, nil)
		one, two := tcpDesk{b.connect("127.0.0.7", b.plain)}, b.phone("127.0.0.8")
		leg := b.ring(b.registers(one, "127.0.0.7", "TCP"), b.registers(two, "127.0.0.8", "UDP"))
		to1, to2 := one.want("INVITE "), two.want("INVITE ")
		one.write(reply(to1, "200 OK", "same", contactOf("127.0.0.7"), "v=0 one"))
		want[Answered](t, b.call)
		one.want("ACK sip:line@127.0.0.7:5071")
		two.write(reply(to2, "200 OK", tag, contactOf("127.0.0.8"), "v=0 two"))
		two.want("ACK sip:line@127.0.0.8:5071")
		bye := two.want("BYE sip:line@127.0.0.8:5071")
		two.write(reply(to2, "200 OK", tag, contactOf("127.0.0.8"), "v=0 two")) // the ACK was lost
		two.want("ACK sip:line@127.0.0.8:5071")
		two.write(reply(bye, "200 OK", "", "", ""))
		b.call.none(t)
		b.call.on(func() { leg.Request("INFO", "", nil) })
		one.write(reply(one.want("INFO "), "200 OK", "", "", ""))
		b.call.on(func() { leg.Bye() })
		one.write(reply(one.want("BYE "), "200 OK", "", "", ""))
	}
}

// A connection that has ended is the end of that phone's part, and another that rings goes on.
func TestOnePhoneIsGone(t *testing.T) {
	b := newPhoneBox(t, nil)
	b.s.health = accusing{t: t}
	gone, there := tcpDesk{b.connect("127.0.0.7", b.plain)}, b.phone("127.0.0.8")
	lost, stays := b.registers(gone, "127.0.0.7", "TCP"), b.registers(there, "127.0.0.8", "UDP")
	gone.c.Close()
	<-b.door.lost
	b.ring(lost, stays)
	invite := there.want("INVITE ")
	there.write(reply(invite, "180 Ringing", "a", contactOf("127.0.0.8"), ""))
	want[Progress](t, b.call)
	there.write(reply(invite, "503 Service Unavailable", "a", "Retry-After: 60\n", ""))
	there.want("ACK ")
	if e := want[Failed](t, b.call); e.Code != 503 || e.Local {
		t.Errorf("%+v", e)
	}
	b.ring(lost)
	if e := want[Failed](t, b.call); e.Code != 503 || !e.Local || !siptransport.IsUnreached(e.Err) {
		t.Errorf("%+v", e)
	}
}

func TestOnePhoneHangsUpBeforeItsAnswer(t *testing.T) {
	b := newPhoneBox(t, nil)
	one, two := b.phone("127.0.0.7"), b.phone("127.0.0.8")
	b.ring(b.registers(one, "127.0.0.7", "UDP"), b.registers(two, "127.0.0.8", "UDP"))
	to1, to2 := one.want("INVITE "), two.want("INVITE ")
	one.write(reply(to1, "180 Ringing", "a", contactOf("127.0.0.7"), ""))
	want[Progress](t, b.call)
	bye := func(from desk, at string) {
		from.write("BYE sip:box@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP " + at + ":5060;branch=z9hG4bKbye" + sipmsg.Token(6) + ";rport\nFrom: " + field(to1, "To") + ";tag=a\nTo: " + field(to1, "From") +
			"\nCall-ID: " + field(to1, "Call-ID") + "\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n")
		from.want("SIP/2.0 200 ")
	}
	bye(two, "127.0.0.8") // with the tag of another: it ends nothing
	two.write(reply(to2, "486 Busy Here", "b", "", ""))
	two.want("ACK ")
	one.write(reply(to1, "200 OK", "a", contactOf("127.0.0.7"), "v=0 one"))
	if e := want[Answered](t, b.call); string(e.Body) != "v=0 one" {
		t.Errorf("%q", e.Body)
	}
	one.want("ACK ")

	b.ring(b.registers(one, "127.0.0.7", "UDP"), b.registers(two, "127.0.0.8", "UDP"))
	to1, to2 = one.want("INVITE "), two.want("INVITE ")
	one.write(reply(to1, "180 Ringing", "a", contactOf("127.0.0.7"), ""))
	want[Progress](t, b.call)
	bye(one, "127.0.0.7")
	one.write(reply(to1, "200 OK", "a", contactOf("127.0.0.7"), "v=0")) // it crossed the BYE, and makes no call any more
	one.want("ACK ")
	one.write(reply(one.want("BYE "), "200 OK", "", "", ""))
	two.write(reply(to2, "200 OK", "b", contactOf("127.0.0.8"), "v=0 two"))
	if e := want[Answered](t, b.call); string(e.Body) != "v=0 two" {
		t.Errorf("%q", e.Body)
	}
}

// Only a phone that was asked may speak in an early dialog, and only in its own.
func TestAnEarlyDialogIsOnePhones(t *testing.T) {
	b := newPhoneBox(t, nil)
	one, two := b.phone("127.0.0.7"), b.phone("127.0.0.8")
	b.ring(b.registers(one, "127.0.0.7", "UDP"), b.registers(two, "127.0.0.8", "UDP"))
	invite := one.want("INVITE ")
	two.want("INVITE ")
	one.write(reply(invite, "180 Ringing", "a", contactOf("127.0.0.7"), ""))
	want[Progress](t, b.call)
	info := func(at, branch string) string {
		return "OPTIONS sip:box@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP " + at + ":5060;branch=z9hG4bK" + branch + ";rport\nFrom: " + field(invite, "To") + ";tag=a\nTo: " + field(invite, "From") +
			"\nCall-ID: " + field(invite, "Call-ID") + "\nCSeq: 1 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n"
	}
	two.write(info("127.0.0.8", "x"))
	two.want("SIP/2.0 481 ")
	stranger := b.phone("127.0.0.9")
	stranger.write(info("127.0.0.9", "y"))
	stranger.want("SIP/2.0 403 ")
	one.write(info("127.0.0.7", "z"))
	one.want("SIP/2.0 200 ")
}

// story is what phones on paper do, in an order.
type story struct {
	phones  []string // what each answers in the end: "200", "486", ..., "" nothing
	order   []int
	ringing int // how many have said 180 before; the others say nothing before their answer
	cancel  int // the owner gives up before this step; -1: never
}

// In every order of rings, answers, refusals and silence a call of several phones ends in one way, and leaves nothing behind.
func TestEveryOrderOfAnswers(t *testing.T) {
	for _, phones := range [][]string{{"200", "486", ""}, {"200", "200", "480"}, {"603", "200", ""}, {"486", "480", "404"}, {"486", "", "603"}, {"302", "486", "500"}} {
		for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			for ringing := range 4 {
				for cancel := -1; cancel < 3; cancel++ {
					s := story{phones, order, ringing, cancel}
					t.Run(fmt.Sprint(s), func(t *testing.T) { s.play(t) })
				}
			}
		}
	}
}

func (s story) play(t *testing.T) {
	onPaper(t, func(c *config.Config, i *config.SIPInterface) {
		i.Remote, i.Trust, i.Phones.Name = config.HostPort{}, []config.Source{{Prefix: prefix("10.1.0.0/16")}}, "LS"
	}, func(t *testing.T, b *bench) {
		b.s.health = accusing{t: t}
		at := func(n int) netip.AddrPort { return addrPort(fmt.Sprintf("10.1.0.%d:5060", n+1)) }
		uri := func(n int) string { return fmt.Sprintf("sip:line@%v", at(n)) }
		var targets []siptransport.PhoneTarget
		for n := range s.phones {
			targets = append(targets, siptransport.PhoneTarget{URI: uri(n), Addr: at(n), Local: boxAddr, Transport: siptransport.UDP})
		}
		var leg *Leg
		b.call.on(func() {
			leg = b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:x@y", Targets: targets, Body: []byte("v=0")})
		})
		invites, cancelled := map[int]string{}, map[int]string{}
		acks, byes := map[int]int{}, map[int]int{}
		// hear reads what the phones got. Each confirms CANCEL and BYE, and refuses a cancelled INVITE unless it has answered that.
		done := map[int]bool{}
		hear := func() {
			for again := true; again; {
				again = false
				for _, m := range b.sent() {
					method, rest, _ := strings.Cut(m, " ")
					for n := range s.phones {
						if !strings.HasPrefix(rest, uri(n)+" ") {
							continue
						}
						switch method {
						case "INVITE":
							invites[n] = m
						case "ACK":
							acks[n]++
						case "BYE":
							byes[n]++
							b.putFrom(at(n), reply(m, "200 OK", "", "", ""))
						case "CANCEL":
							again = true
							cancelled[n] = field(m, "Reason")
							b.putFrom(at(n), reply(m, "200 OK", fmt.Sprint("t", n), "", ""))
							if !done[n] {
								done[n] = true
								b.putFrom(at(n), reply(invites[n], "487 Request Terminated", fmt.Sprint("t", n), "", ""))
							}
						}
					}
				}
			}
		}
		hear()
		say := func(n int, status string) {
			b.putFrom(at(n), reply(invites[n], status, fmt.Sprint("t", n), "Contact: <"+uri(n)+">\n", ""))
			hear()
		}
		for n := range s.ringing {
			say(n, "180 Ringing")
		}
		answered := map[int]bool{}
		for step, n := range s.order {
			if step == s.cancel {
				b.call.on(func() { leg.Cancel() })
				hear()
			}
			if s.phones[n] == "" || done[n] {
				continue
			}
			done[n], answered[n] = true, s.phones[n] == "200"
			say(n, s.phones[n]+" X")
		}
		time.Sleep(time.Minute) // who says nothing is given up
		hear()
		var ends []Event
		rings := 0
		for len(b.call.events) > 0 {
			switch e := (<-b.call.events).(type) {
			case Progress:
				rings++
			default:
				ends = append(ends, e)
			}
		}
		if rings > s.ringing {
			t.Errorf("%d have rung, and the call heard of %d", s.ringing, rings)
		}
		if len(ends) != 1 {
			// Somebody rings on who said nothing else: there is no end yet.
			for n, what := range s.phones {
				if what == "" && n < s.ringing && len(ends) == 0 && s.cancel < 0 {
					b.call.on(func() { leg.Cancel() })
					hear()
					want[Failed](t, b.call)
					return
				}
			}
			t.Fatalf("ends: %+v", ends)
		}
		winners := 0
		for n, has := range answered {
			if has && acks[n] == 0 {
				t.Errorf("phone %d has answered, and got no ACK", n)
			}
			if has && byes[n] == 0 {
				winners++
			}
		}
		if a, ok := ends[0].(Answered); ok && winners != 1 || !ok && winners != 0 {
			t.Errorf("%d phones are in the call, %+v", winners, a)
		}
		for n := range s.phones {
			if _, isAnswered := ends[0].(Answered); isAnswered && n < s.ringing && !done[n] && cancelled[n] == "" {
				t.Errorf("phone %d rings on", n)
			}
		}
		b.call.on(func() { leg.Bye() })
		hear()
		time.Sleep(2 * time.Minute)
		hear()
		if c := b.g.transactions.Count(); c.Clients+c.Servers != 0 || legsOf(b.g) != 0 {
			t.Errorf("%+v and %d legs are left", c, legsOf(b.g))
		}
	})
}

// A phone that rings may come back by another connection, and has to hear there that it rings in vain.
func TestAPhoneThatHasComeBackStopsToRing(t *testing.T) {
	b := newPhoneBox(t, nil)
	d := tcpDesk{b.connect("127.0.0.7", b.plain)}
	leg := b.ring(b.registers(d, "127.0.0.7", "TCP"))
	d.write(reply(d.want("INVITE "), "180 Ringing", "a", contactOf("127.0.0.7"), ""))
	want[Progress](t, b.call)
	d.c.Close()
	<-b.door.lost
	d = tcpDesk{b.connect("127.0.0.7", b.plain)}
	b.registers(d, "127.0.0.7", "TCP")
	b.call.on(func() { leg.Cancel() })
	cancel := d.want("CANCEL ")
	d.write(reply(cancel, "200 OK", "a", "", ""))
	d.write(strings.Replace(reply(cancel, "487 Request Terminated", "a", "", ""), " CANCEL\n", " INVITE\n", 1))
	if e := want[Failed](t, b.call); e.Code != 487 {
		t.Errorf("%+v", e)
	}
}
