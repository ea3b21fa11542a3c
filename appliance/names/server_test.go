package names

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// server is a name server on loopback with a script instead of a zone.
type server struct {
	addr netip.AddrPort

	mu      sync.Mutex
	answers map[string][]dnsmessage.Resource // "name TYPE"
	rcode   dnsmessage.RCode
	noEDNS  bool // FORMERR to EDNS, as old servers do
	silent  bool
	tcpOnly bool // truncate everything over UDP
	forge   bool // send wrong answers before the right one
	udp     int  // questions seen
	tcp     int
}

func newServer(t *testing.T) *server {
	t.Helper()
	u, l := bothAt(t)
	s := &server{addr: u.LocalAddr().(*net.UDPAddr).AddrPort(), answers: map[string][]dnsmessage.Resource{}}
	var wg sync.WaitGroup
	t.Cleanup(func() { u.Close(); l.Close(); wg.Wait() })
	wg.Go(func() { s.serveUDP(u) })
	wg.Go(func() { s.serveTCP(l) })
	return s
}

// bothAt listens over UDP and TCP at one port. Somebody else may have the number that the first one gets at the other.
func bothAt(t *testing.T) (*net.UDPConn, net.Listener) {
	t.Helper()
	for range 100 {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp4", u.LocalAddr().String())
		if err == nil {
			return u, l
		}
		u.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

func (s *server) set(f func(*server)) { s.mu.Lock(); defer s.mu.Unlock(); f(s) }

func (s *server) counts() (udp, tcp int) { s.mu.Lock(); defer s.mu.Unlock(); return s.udp, s.tcp }

func (s *server) serveUDP(u *net.UDPConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.udp++
		for _, msg := range s.reply(buf[:n], true) {
			u.WriteToUDPAddrPort(msg, from)
		}
		s.mu.Unlock()
	}
}

func (s *server) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err == nil {
			msg := make([]byte, binary.BigEndian.Uint16(size[:]))
			io.ReadFull(c, msg)
			s.mu.Lock()
			s.tcp++
			for _, out := range s.reply(msg, false) {
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
			}
			s.mu.Unlock()
		}
		c.Close()
	}
}

func (s *server) reply(msg []byte, udp bool) [][]byte {
	var in dnsmessage.Message
	if err := in.Unpack(msg); err != nil || s.silent {
		return nil
	}
	out := dnsmessage.Message{Header: dnsmessage.Header{ID: in.ID, Response: true, RecursionAvailable: true}, Questions: in.Questions}
	q := in.Questions[0]
	key := strings.ToLower(q.Name.String()) + " " + strings.TrimPrefix(q.Type.String(), "Type")
	records, known := s.answers[key]
	switch {
	case s.noEDNS && len(in.Additionals) > 0:
		out.RCode = dnsmessage.RCodeFormatError
	case s.rcode != 0:
		out.RCode = s.rcode
	case udp && s.tcpOnly:
		out.Truncated = true
	case !known:
		out.RCode = dnsmessage.RCodeNameError
		out.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("test."), Class: dnsmessage.ClassINET, TTL: 3},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns.test."), MBox: dnsmessage.MustNewName("a.test."), MinTTL: 60}}}
	default:
		out.Answers = records
	}
	right, _ := out.Pack()
	if !s.forge {
		return [][]byte{right}
	}
	wrongID := out
	wrongID.ID++
	wrongID.Answers = []dnsmessage.Resource{a(q.Name.String(), 60, "6.6.6.6")}
	w1, _ := wrongID.Pack()
	wrongName := wrongID
	wrongName.ID = in.ID
	wrongName.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("evil.test."), Type: q.Type, Class: q.Class}}
	w2, _ := wrongName.Pack()
	return [][]byte{w1, w2, {1, 2, 3}, right}
}

func a(name string, ttl uint32, addr string) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()}}
}

func cname(name string, ttl uint32, target string) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)}}
}

func srv(name string, prio, weight, port uint16, target string) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60},
		Body:   &dnsmessage.SRVResource{Priority: prio, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}}
}
