package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/media/mediatest"
)

const (
	floodFor    = time.Second // each
	floodMemory = 256 << 10   // KiB that sbcd may hold at most
	floodCalls  = 10          // calls of others a second, meanwhile
	floodLosses = 20          // one in so many of these may fail: on a slow machine the floods leave little of it to anybody
)

// flooder sends from an address of a network of the box.
type flooder struct {
	from netip.Addr
	conn net.Conn
	n    int
}

// template is the text of a kind of message, cut at {n}, its number, and {a}, the address that it comes from. Making a message must not
// cost more than answering it.
type template []string

var holes = regexp.MustCompile(`\{[na]\}`)

func templateOf(text string) (t template) {
	text = strings.ReplaceAll(text, "\n", "\r\n")
	for hole := holes.FindStringIndex(text); hole != nil; hole = holes.FindStringIndex(text) {
		t = append(t, text[:hole[0]], text[hole[0]:hole[1]])
		text = text[hole[1]:]
	}
	return append(t, text)
}

func (f *flooder) message(t template) []byte {
	f.n++
	var b []byte
	for _, part := range t {
		switch part {
		case "{n}":
			b = strconv.AppendInt(b, int64(f.n), 10)
		case "{a}":
			b = f.from.AppendTo(b)
		default:
			b = append(b, part...)
		}
	}
	return b
}

const floodHead = "Via: SIP/2.0/UDP {a}:5060;branch=z9hG4bK{a}.{n};rport\nMax-Forwards: 70\nFrom: <sip:a@{a}>;tag=f{n}\n"

func floodRequest(method, to, extra, body string) string {
	return method + " sip:+49711@192.168.1.1 SIP/2.0\n" + floodHead + "To: <sip:+49711@192.168.1.1>" + to + "\nCall-ID: {a}.{n}\nCSeq: 1 " + method + "\n" +
		"Contact: <sip:a@{a}>\n" + extra + fmt.Sprintf("Content-Length: %d\n\n%s", len(strings.ReplaceAll(body, "\n", "\r\n")), body)
}

const floodOffer = "v=0\no=a 1 1 IN IP4 192.168.1.60\ns=-\nc=IN IP4 192.168.1.60\nt=0 0\nm=audio 30000 RTP/AVP 8\n"

// datagramFloods are what a source sends over UDP, with how many a second.
var datagramFloods = []struct {
	name, text string
	rate       int
}{
	{"OPTIONS", floodRequest("OPTIONS", "", "", ""), 8000},
	{"OPTIONS with 60 kB of headers", floodRequest("OPTIONS", "", strings.Repeat("a:\n", 15000), ""), 500},
	{"OPTIONS with as many headers as are taken", floodRequest("OPTIONS", "", strings.Repeat("a: "+strings.Repeat("x", 110)+"\n", 240), ""), 1000},
	{"REGISTER", floodRequest("REGISTER", "", "", ""), 4000},
	{"INVITE", floodRequest("INVITE", "", "Content-Type: application/sdp\n", floodOffer), 3000},
	{"INVITE to nobody", strings.ReplaceAll(floodRequest("INVITE", "", "Content-Type: application/sdp\n", floodOffer), "Contact", "X"), 3000},
	{"BYE outside calls", floodRequest("BYE", ";tag=nobody", "", ""), 4000},
	{"CANCEL", floodRequest("CANCEL", "", "", ""), 4000},
	{"responses", "SIP/2.0 200 OK\n" + floodHead + "To: <sip:b@{a}>;tag=1\nCall-ID: {n}\nCSeq: 1 INVITE\nContent-Length: 0\n\n", 8000},
	{"garbage", "INVITE {n} \x00\x01\x02 nothing that anybody understands, at length\n\n", 8000},
}

// TestFloods sends floods of every kind from trusted addresses, over UDP, TCP and TLS, while calls of others go on, and sbcd stays small.
func TestFloods(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	l := newLoad(t, ctx, loadOptions{calls: 10 * floodCalls,
		replacements: []string{"    trust remote\n\n  service", "    trust remote\n    trust 192.168.1.0/24\n\n  service"}})
	pid := l.box.PID()
	l.pbx()
	h := l.hub(2 * time.Second)
	calls := make(chan int)
	stop := make(chan struct{})
	go func() {
		n := 0
		for tick := time.NewTicker(time.Second / floodCalls); ; n++ {
			select {
			case <-tick.C:
				h.call(n)
			case <-stop:
				calls <- n
				return
			}
		}
	}()
	peak := 0
	phase := func(name string, f func(context.Context)) {
		flooding, end := context.WithTimeout(ctx, floodFor)
		f(flooding)
		end()
		rss := mediatest.Resident(t, pid) >> 10
		peak = max(peak, rss)
		t.Logf("%-55s %4d MiB, %d calls ended, %d failed", name, rss>>10, h.ended.Load(), h.failed.Load())
		if rss > floodMemory {
			t.Errorf("%s: sbcd holds %d MiB", name, rss>>10)
		}
	}
	one := l.lan(1)
	for _, x := range datagramFloods {
		phase(x.name, func(ctx context.Context) { flood(ctx, x.rate, x.text, one) })
	}
	many := l.lan(120)
	for _, x := range datagramFloods[:5] {
		phase(x.name+", many sources", func(ctx context.Context) { flood(ctx, x.rate, x.text, many) })
	}
	streams := func(text string, dial func() (net.Conn, error)) func(context.Context) {
		kind := templateOf(text)
		return func(ctx context.Context) {
			var group sync.WaitGroup
			for i := range 32 {
				group.Go(func() {
					conn, err := dial()
					if err != nil {
						return
					}
					defer conn.Close()
					f := &flooder{from: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
					conn.SetDeadline(time.Now().Add(floodFor))
					for ctx.Err() == nil { // and never reads
						var batch []byte
						for range 50 {
							batch = append(batch, f.message(kind)...)
						}
						if _, err := conn.Write(batch); err != nil {
							return
						}
					}
				})
			}
			group.Wait()
		}
	}
	tcp := func() (net.Conn, error) { return l.world.LAN.Dial(ctx, "tcp", "192.168.1.60", "192.168.1.1:5060") }
	secure := func() (net.Conn, error) {
		c, err := l.world.WAN.Dial(ctx, "tcp", hubs[0].addr.String(), lab.BoxWAN.String()+":5062")
		if err != nil {
			return nil, err
		}
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{l.world.PKI.Teams}}), nil
	}
	if err := l.world.WAN.AddAddress("lo", 32, hubs[0].addr); err != nil {
		t.Fatal(err)
	}
	large := floodRequest("INVITE", "", "Content-Type: application/sdp\n", floodOffer+strings.Repeat("a=x\n", 15000))
	for _, over := range []struct {
		name string
		dial func() (net.Conn, error)
	}{{"TCP", tcp}, {"TLS", secure}} {
		phase("OPTIONS over "+over.name+", nothing read", streams(datagramFloods[0].text, over.dial))
		phase("INVITE over "+over.name+", nothing read", streams(datagramFloods[4].text, over.dial))
		phase("messages over "+over.name+" that do not end", streams(large[:len(large)-1000], over.dial))
	}
	close(stop)
	n := <-calls
	l.until("calls end", func() bool { return h.ended.Load()+h.failed.Load() == int64(n) })
	if h.failed.Load()*floodLosses > int64(n) {
		t.Errorf("%d of %d calls of others failed: %v", h.failed.Load(), n, h.complaints)
	}
	lines := 0
	if log, err := os.ReadFile(l.dir + "/sbcd.log"); err == nil {
		lines = bytes.Count(log, []byte("\n"))
	}
	t.Logf("at most %d MiB, %d calls, %d lines in the log", peak>>10, n, lines)
	h.abandon()
}

// lan are flooders in the LAN of the box, which trusts it.
func (l *load) lan(n int) (list []*flooder) {
	for i := range n {
		a := netip.AddrFrom4([4]byte{192, 168, 1, byte(60 + i)})
		if a == lab.StarfaceAddr {
			continue
		}
		if err := l.world.LAN.AddAddress("lo", 32, a); err != nil && !errors.Is(err, os.ErrExist) {
			l.b.Fatal(err)
		}
		conn, err := l.world.LAN.Dial(l.ctx, "udp", a.String(), "192.168.1.1:5060")
		if err != nil {
			l.b.Fatal(err)
		}
		l.b.Cleanup(func() { conn.Close() })
		list = append(list, &flooder{from: a, conn: conn})
	}
	return list
}

// flood sends so many a second, from each in turn.
func flood(ctx context.Context, rate int, text string, from []*flooder) {
	began, n, kind := time.Now(), 0, templateOf(text)
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due && ctx.Err() == nil; n++ {
			f := from[n%len(from)]
			f.conn.Write(f.message(kind))
		}
	}
}
