package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/icholy/digest"

	"viaduct/appliance/media/mediatest"
)

// BenchmarkRegistrations has 1,000 phones register within ten seconds, as after a power cut, and again each minute. They answer the challenge,
// and show its nonce again with the next count until it is too old. Processor time and memory are those of sbcd alone. The second part
// has calls at the same time.
func BenchmarkRegistrations(b *testing.B) {
	b.Run("phones", func(b *testing.B) { registrations(b, 0) })
	b.Run("calls=100", func(b *testing.B) { registrations(b, 100) })
}

const (
	deskPhones = 1000
	stormTime  = 10 * time.Second
)

func registrations(b *testing.B, rate int) {
	ctx, cancel := context.WithTimeout(b.Context(), 3*time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: 4 * max(rate, 1), pinned: true, registrar: true, replacements: phonesHere(deskPhones)})
	pid := l.box.PID()
	desks := l.desks(deskPhones)
	var setups [2][]time.Duration
	if rate > 0 {
		l.pbx()
	}
	calls := func(k int) { // what calls see for as long as the storm takes
		if rate == 0 {
			return
		}
		h := l.hub(0)
		n, _ := h.load(rate, stormTime, func(time.Duration) {})
		h.finish(n)
		h.wantAll(b, n)
		h.abandon()
		setups[k] = h.setups
	}
	calls(0)
	idle, before := mediatest.Resident(b, pid), mediatest.OnFirst(b, pid)
	var all sync.WaitGroup
	began := time.Now()
	for i, d := range desks {
		all.Go(func() {
			time.Sleep(time.Until(began.Add(stormTime * time.Duration(i) / deskPhones)))
			d.register()
		})
	}
	calls(1)
	all.Wait()
	storm, stormed := time.Since(began), mediatest.OnFirst(b, pid)
	mediatest.Metric(b, 0, "ns/op")
	mediatest.Metric(b, 100*(stormed-before).Seconds()/storm.Seconds(), "CPU-%-storm")
	mediatest.Metric(b, float64(mediatest.Resident(b, pid)-idle)/(1<<20), "MiB-more")
	reportTimes(b, "register", desks)
	if rate > 0 {
		for k, name := range []string{"setup-alone", "setup-in-storm"} {
			slices.Sort(setups[k])
			mediatest.Metric(b, float64(setups[k][len(setups[k])*99/100].Microseconds())/1000, "ms-"+name+"-p99")
			mediatest.Metric(b, float64(setups[k][len(setups[k])/2].Microseconds())/1000, "ms-"+name+"-p50")
		}
		return
	}
	for i, d := range desks {
		all.Go(func() {
			time.Sleep(time.Until(began.Add(time.Minute + time.Minute*time.Duration(i)/deskPhones)))
			d.register()
		})
	}
	time.Sleep(time.Until(began.Add(time.Minute)))
	from := mediatest.OnFirst(b, pid)
	all.Wait()
	mediatest.Metric(b, 100*(mediatest.OnFirst(b, pid)-from).Seconds()/time.Since(began.Add(time.Minute)).Seconds(), "CPU-%-refresh")
	mediatest.Metric(b, float64(mediatest.Resident(b, pid)-idle)/(1<<20), "MiB-more-later")
	reportTimes(b, "refresh", desks)
	if text, err := l.box.Exec(ctx, "show sip bindings"); err != nil || !strings.HasSuffix(text, fmt.Sprintf("\n%d phones\n", deskPhones)) {
		b.Errorf("%v: %.200s", err, text[max(0, len(text)-200):])
	}
}

// reportTimes makes how long each phone's last registration took the benchmark's, and its failures.
func reportTimes(b *testing.B, what string, desks []*desk) {
	b.Helper()
	var took []time.Duration
	for _, d := range desks {
		if d.failure != nil {
			b.Errorf("phone %s: %v", d.user, d.failure)
			return
		}
		took = append(took, d.took)
	}
	slices.Sort(took)
	mediatest.Metric(b, float64(took[len(took)/2].Microseconds())/1000, "ms-"+what+"-p50")
	mediatest.Metric(b, float64(took[len(took)*99/100].Microseconds())/1000, "ms-"+what+"-p99")
	mediatest.Metric(b, float64(took[len(took)-1].Microseconds())/1000, "ms-"+what+"-max")
}

// desk is a phone of our own.
type desk struct {
	conn           net.PacketConn
	user, password string
	challenge      *digest.Challenge // nil: none yet
	count, seq     int

	took    time.Duration // for the last registration
	failure error
}

// desks are so many phones, a hundred at an address, each with a socket of its own.
func (l *load) desks(n int) (list []*desk) {
	l.b.Helper()
	at := phonesAddr
	for i := range n {
		if i%100 == 0 {
			if err := l.world.LAN.AddAddress("lo", 32, at); err != nil {
				l.b.Fatal(err)
			}
			at = at.Next()
		}
		conn, err := l.world.LAN.ListenPacket(l.ctx, "udp", netip.AddrPortFrom(at.Prev(), uint16(20000+i)).String())
		if err != nil {
			l.b.Fatal(err)
		}
		l.b.Cleanup(func() { conn.Close() })
		list = append(list, &desk{conn: conn, user: phoneName(i), password: phonePassword(i)})
	}
	return list
}

// register registers for a minute and a half.
func (d *desk) register() {
	began := time.Now()
	for range 3 {
		code, m, err := d.ask()
		d.took, d.failure = time.Since(began), err
		if err != nil || code == "200" {
			return
		}
		d.failure = errors.New("it got " + code)
		if d.challenge, err = digest.ParseChallenge(headerOf(m, "WWW-Authenticate")); err != nil {
			d.failure = err
			return
		}
		d.count = 0
	}
}

// ask sends one REGISTER, again while nothing comes back, and returns the code and the response.
func (d *desk) ask() (code, response string, err error) {
	const uri = "sip:192.168.1.1"
	d.seq++
	credentials := ""
	if d.challenge != nil {
		d.count++
		c, err := digest.Digest(d.challenge, digest.Options{Method: "REGISTER", URI: uri, Username: d.user, Password: d.password, Count: d.count})
		if err != nil {
			return "", "", err
		}
		credentials = "Authorization: " + c.String() + "\r\n"
	}
	at := d.conn.LocalAddr().String()
	m := strings.NewReplacer("USER", d.user, "AT", at, "SEQ", fmt.Sprint(d.seq), "\n", "\r\n").Replace(`REGISTER sip:192.168.1.1 SIP/2.0
Via: SIP/2.0/UDP AT;branch=z9hG4bKUSER.SEQ;rport
Max-Forwards: 70
From: <sip:USER@192.168.1.1>;tag=USER
To: <sip:USER@192.168.1.1>
Call-ID: desk-USER
CSeq: SEQ REGISTER
Contact: <sip:USER@AT>;expires=90
User-Agent: Yealink SIP-T46S 66.86.0.15
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY
`) + credentials + "Content-Length: 0\r\n\r\n"
	box := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.168.1.1:5060"))
	buf := make([]byte, 4096)
	cseq := fmt.Sprintf("\r\nCSeq: %d REGISTER\r\n", d.seq)
	for wait := 500 * time.Millisecond; wait < 8*time.Second; wait *= 2 { // RFC 3261 17.1.2.2
		if _, err := d.conn.WriteTo([]byte(m), box); err != nil {
			return "", "", err
		}
		d.conn.SetReadDeadline(time.Now().Add(wait))
		for {
			n, _, err := d.conn.ReadFrom(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return "", "", err
			}
			if response = string(buf[:n]); strings.HasPrefix(response, "SIP/2.0 ") && strings.Contains(response, cseq) {
				return response[8:11], response, nil
			}
		}
	}
	return "", "", errors.New("no response")
}
