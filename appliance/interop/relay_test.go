package interop

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"viaduct/appliance/lab"
)

// relay is the TLS of a Teams hub whose SIP is a SIPp: Debian builds that one without TLS. SIPp has one TCP connection to the relay and
// gets there what comes on any connection of the box. What it sends goes back as Teams sends it: a response on the connection of
// its request, a request on a connection that the hub has opened, where the box must send no requests.
//
// A goroutine reads each connection; all end with the test.
type relay struct {
	s    *setting
	addr netip.Addr
	tls  net.Listener
	sipp net.Conn
	own  net.Conn // to the box; nil until SIPp sends a request

	mu   sync.Mutex          // protects the following, and writing to SIPp
	came map[string]net.Conn // top Via of a request of the box
	open []net.Conn
	done bool
	wg   sync.WaitGroup
}

// newRelay listens for the box at a hub's address.
func newRelay(s *setting, addr netip.Addr) *relay {
	s.Helper()
	l, err := s.world.WAN.Listen(s.ctx, "tcp4", addr.String()+":5061")
	if err != nil {
		s.Fatal(err)
	}
	r := &relay{s: s, addr: addr, came: map[string]net.Conn{},
		tls: tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{s.world.PKI.Teams}, ClientAuth: tls.RequireAnyClientCert})}
	s.Cleanup(r.close)
	return r
}

// toSIPp connects to a SIPp that waits for calls.
func (r *relay) toSIPp(p *lab.Process) {
	r.s.Helper()
	at := netip.AddrPortFrom(r.addr, 5060)
	r.s.listens(p, "tcp", at)
	c, err := r.s.world.WAN.Dial(r.s.ctx, "tcp4", "", at.String())
	if err != nil {
		r.s.Fatal(err)
	}
	r.serve(c)
}

// fromSIPp takes the connection of a SIPp that start starts with the address that it shall call.
func (r *relay) fromSIPp(start func(address string) *lab.Process) *lab.Process {
	r.s.Helper()
	l, err := r.s.world.WAN.Listen(r.s.ctx, "tcp4", r.addr.String()+":0")
	if err != nil {
		r.s.Fatal(err)
	}
	defer l.Close()
	p := start(l.Addr().String())
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-p.Done():
			l.Close()
		case <-ended:
		}
	}()
	c, err := l.Accept()
	if err != nil {
		r.s.Fatalf("SIPp ended: %v", p.Wait())
	}
	r.serve(c)
	return p
}

func (r *relay) serve(sipp net.Conn) {
	r.sipp = sipp
	r.open = append(r.open, sipp)
	r.wg.Go(r.fromBox)
	r.wg.Go(r.toBox)
}

func (r *relay) close() {
	r.tls.Close()
	r.mu.Lock()
	r.done = true
	for _, c := range r.open {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// keep reports false when the test is over.
func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		c.Close()
		return false
	}
	r.open = append(r.open, c)
	return true
}

func (r *relay) fromBox() {
	for {
		c, err := r.tls.Accept()
		if err != nil {
			return
		}
		if !r.keep(c) {
			return
		}
		r.wg.Go(func() { r.read(c) })
	}
}

// read hands SIPp what comes on one connection of the box, or of ours to it.
func (r *relay) read(c net.Conn) {
	for in := bufio.NewReader(c); ; {
		m, err := readMessage(in)
		if err != nil {
			r.ended(err)
			return
		}
		request := !strings.HasPrefix(m, "SIP/2.0 ")
		r.mu.Lock()
		if request {
			r.came[headerOf(m, "Via")] = c
			if c == r.own {
				r.s.Errorf("a request of the box on a connection that it did not open:\n%s", m)
			}
		}
		_, err = io.WriteString(r.sipp, m)
		r.mu.Unlock()
		if err != nil {
			return // SIPp has ended, and its exit status says how
		}
	}
}

// ended reports what is not the end of a connection.
func (r *relay) ended(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, unix.ECONNRESET) {
		r.s.Error(err)
	}
}

// toBox sends what SIPp says to where it belongs.
func (r *relay) toBox() {
	for in := bufio.NewReader(r.sipp); ; {
		m, err := readMessage(in)
		if err != nil {
			r.ended(err)
			return
		}
		r.mu.Lock()
		to := r.came[headerOf(m, "Via")]
		if !strings.HasPrefix(m, "SIP/2.0 ") {
			to = r.own
		}
		r.mu.Unlock()
		if to == nil {
			if to, err = r.dial(); err != nil {
				r.s.Error(err)
				return
			}
		}
		if _, err := io.WriteString(to, m); err != nil {
			r.s.Errorf("send to the box: %v:\n%s", err, m)
			return
		}
	}
}

// dial opens the hub's own connection to the box.
func (r *relay) dial() (net.Conn, error) {
	plain, err := r.s.world.WAN.Dial(r.s.ctx, "tcp4", r.addr.String(), lab.BoxWAN.String()+":5062")
	if err != nil {
		return nil, fmt.Errorf("dial the box: %w", err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(r.s.world.PKI.BoxRoot)
	c := tls.Client(plain, &tls.Config{Certificates: []tls.Certificate{r.s.world.PKI.Teams}, RootCAs: trusted, ServerName: lab.SBCName})
	if !r.keep(c) {
		return nil, net.ErrClosed
	}
	if err := c.HandshakeContext(r.s.ctx); err != nil {
		return nil, fmt.Errorf("greet the box: %w", err)
	}
	r.mu.Lock()
	r.own = c
	r.mu.Unlock()
	r.wg.Go(func() { r.read(c) })
	return c, nil
}

// readMessage reads one message of a stream. Keep-alives are skipped.
func readMessage(r *bufio.Reader) (string, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", fmt.Errorf("read message: %w", err)
		}
		head = append(head, line...)
		switch {
		case len(line) > 2:
		case len(head) == 2:
			head = head[:0]
		default:
			length, err := strconv.Atoi(strings.TrimSpace(headerOf(string(head), "Content-Length")))
			if err != nil {
				return "", fmt.Errorf("read message: %w", err)
			}
			at := len(head)
			head = append(head, make([]byte, length)...)
			_, err = io.ReadFull(r, head[at:])
			return string(head), err
		}
	}
}
