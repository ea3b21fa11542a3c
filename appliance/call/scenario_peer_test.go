package call_test

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
)

// peer is somebody who talks to the box: a hub of Teams, the PBX, a stranger.
type peer struct {
	w             *world
	name          string
	addr, box     netip.AddrPort // its own address, and where it finds the box
	transport     string
	tcp           bool // a UDP peer that takes TCP connections, too
	certificate   *x509.Certificate
	from, contact string // of its messages, unless a scenario writes others

	mu    sync.Mutex
	mode  string // "refuses" connections, or is "silent"
	queue []*arrived
	links []*link
	named map[string]*link // connections that it opened, by [connection NAME]
	crlf  int              // keep-alives of the box on its own connections
	pongs int              // answers of the box to keep-alives of ours
}

// arrived is a message of the box.
type arrived struct {
	*message
	raw       []byte
	at        time.Time
	link      *link // nil: UDP
	transport string
}

// link is a connection, seen from the peer.
type link struct {
	conn      net.Conn
	transport string
	byBox     bool // the box opened it
	closed    bool
}

// number says which of the connections that the box has opened to p this one is, from 1.
func (k *link) number(p *peer) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, one := range p.links {
		if one.byBox {
			n++
		}
		if one == k {
			return strconv.Itoa(n)
		}
	}
	return ""
}

func (w *world) addPeer(name string, addr netip.AddrPort, transport string) *peer {
	p := &peer{w: w, name: name, addr: addr, transport: transport, named: map[string]*link{}, tcp: true}
	if p.box = netip.MustParseAddrPort("192.168.1.1:5060"); transport == "tls" {
		p.box = netip.MustParseAddrPort("123.123.123.123:5062")
		p.certificate = certificateOfTeams()
		p.from = "<sip:+4915112345678@sip.pstnhub.microsoft.com:5061;user=phone>"
		p.contact = "<sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=1f0c6ad7-9cd5-4c0b-a2ba-2a3b9e1e5f01;x-c=5f1e9b3a/s/1/b7d29c>"
	} else {
		p.from = fmt.Sprintf(`"Anna" <sip:222@%s>`, addr.Addr())
		p.contact = fmt.Sprintf("<sip:222@%s>", addr)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[name] = p
	return p
}

func (w *world) peerAt(a netip.Addr) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.peers {
		if p.addr.Addr() == a {
			return p
		}
	}
	return nil
}

func (p *peer) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

// open begins to read a connection.
func (p *peer) open(k *link) {
	p.mu.Lock()
	p.links = append(p.links, k)
	p.mu.Unlock()
	p.w.note("%s connection %s", p.name, map[bool]string{true: "from the box", false: "to the box"}[k.byBox])
	go func() {
		var buf []byte
		chunk := make([]byte, 65536)
		for {
			n, err := k.conn.Read(chunk)
			buf = append(buf, chunk[:n]...)
			for {
				raw, rest, crlf := frame(buf)
				p.mu.Lock()
				if k.byBox {
					p.crlf += crlf / 4
				} else {
					p.pongs += crlf / 2
				}
				p.mu.Unlock()
				buf = rest
				if raw == nil {
					break
				}
				p.w.arrive(p, k, k.transport, slices.Clone(raw))
			}
			if err != nil {
				p.mu.Lock()
				k.closed = true
				p.mu.Unlock()
				p.w.note("%s connection closed", p.name)
				return
			}
		}
	}()
}

func (p *peer) closeAll() {
	p.mu.Lock()
	links := p.links
	p.links, p.named = nil, map[string]*link{}
	p.mu.Unlock()
	for _, k := range links {
		k.conn.Close()
	}
}

// connection is one that the peer has opened to the box; it is opened now if need be.
func (p *peer) connection(name string) (*link, error) {
	p.mu.Lock()
	k := p.named[name]
	p.mu.Unlock()
	if k != nil && !k.closed {
		return k, nil
	}
	k, err := p.w.net.connect(p)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.named[name] = k
	p.mu.Unlock()
	return k, nil
}

// write sends bytes to the box: on a connection, or as a datagram when k is nil.
func (p *peer) write(k *link, b []byte) error {
	if k != nil {
		_, err := k.conn.Write(b)
		return err
	}
	p.w.net.mu.Lock()
	s := p.w.net.sockets[p.box]
	p.w.net.mu.Unlock()
	if s == nil {
		return fmt.Errorf("the box has no UDP socket %s", p.box)
	}
	s.in <- datagram{b, p.addr}
	return nil
}

// datagram is one that the box sends.
func (w *world) datagram(b []byte, _, to netip.AddrPort) {
	if p := w.peerAt(to.Addr()); p != nil {
		w.arrive(p, nil, "udp", b)
	}
}

// arrive takes a message of the box: it is judged by the rules that hold in every scenario, and queued for the step that expects
// it. What peers answer by themselves is answered here.
func (w *world) arrive(p *peer, k *link, transport string, raw []byte) {
	m, err := parseMessage(raw)
	if err != nil {
		w.problem("the box sent %s a broken message: %v", p.name, err)
		return
	}
	if p.state() == "silent" {
		return
	}
	w.judge(p, k, m)
	switch code, method := m.code(), m.method(); {
	case code == 0 && tagOf(m.get("To")) == "" && (method == "OPTIONS" || method == "REGISTER") && !w.isManual(method):
		res := responseTo(m, "200 OK", "auto"+m.get("Call-ID"))
		if method == "REGISTER" {
			res.add("Contact", m.get("Contact")+";expires="+m.get("Expires"))
		} else {
			res.add("Allow", "INVITE,ACK,OPTIONS,CANCEL,BYE,NOTIFY")
		}
		res.add("Content-Length", "0")
		go p.write(k, res.bytes())
		return
	case method == "ACK" && code == 0 && w.refused(m.branch()):
		return
	}
	w.note("%-7s < %s  (%s)", p.name, m.start, m.get("CSeq"))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, &arrived{message: m, raw: raw, at: time.Now(), link: k, transport: transport})
}

func (w *world) isManual(method string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.manual[method]
}

// refused notes the ACK of an INVITE that a peer refused.
func (w *world) refused(branch string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.acks[branch]
	if ok {
		w.acks[branch] = true
	}
	return ok
}

// judge applies what holds for every message in every scenario.
func (w *world) judge(p *peer, k *link, m *message) {
	if k != nil {
		w.mu.Lock()
		on := w.sentOn[m.branch()]
		w.mu.Unlock()
		switch {
		case m.code() == 0 && !k.byBox && !strings.HasPrefix(p.name, "phone"): // which is reached by no other
			w.problem("%s: a request of the box on a connection that the peer opened (A.15)", m.start)
		case m.code() != 0 && on != nil && on != k:
			w.problem("%s: not on the connection of its request (A.15)", m.start)
		}
	}
	of := func(n netip.Prefix) bool { return n.Contains(p.addr.Addr()) }
	if p.transport != "tls" || !slices.ContainsFunc(config.TeamsSignalling, of) {
		return
	}
	// What Teams demands of everything.
	text := strings.ToLower(string(m.bytes()))
	switch method := m.method(); {
	case strings.Contains(text, "sips:"):
		w.problem("%s: a SIPS URI (A.17)", m.start)
	case m.has("Contact") && m.code() < 300 && !strings.Contains(m.get("Contact"), "sbc.meinefirma.de:5062;transport=tls>"):
		w.problem("%s: Contact %s (A.2)", m.start, m.get("Contact"))
	case m.code() == 0 && !strings.HasPrefix(m.get("Via"), "SIP/2.0/TLS sbc.meinefirma.de:5062;"):
		w.problem("%s: Via %s (C.1)", m.start, m.get("Via"))
	case m.code() == 0 && (method == "PRACK" || method == "UPDATE" || method == "INFO" || method == "REFER"):
		w.problem("%s: a method that Teams does not allow (A.25)", m.start)
	case m.code() == 0 && method == "INVITE" && m.body == "":
		w.problem("%s: an INVITE without offer (A.23)", m.start)
	case m.has("Replaces"), strings.Contains(strings.Join(m.all("Require"), ","), "100rel"):
		w.problem("%s: Replaces or 100rel towards Teams (A.25)", m.start)
	}
}

// responseTo begins a response to a request of the box; a To without tag gets this one.
func responseTo(req *message, status, tag string) *message {
	m := &message{start: "SIP/2.0 " + status}
	for _, v := range req.all("Via") {
		m.add("Via", v)
	}
	to := req.get("To")
	if tagOf(to) == "" && tag != "" && !strings.HasPrefix(status, "100") {
		to += ";tag=" + tag
	}
	m.add("From", req.get("From"))
	m.add("To", to)
	m.add("Call-ID", req.get("Call-ID"))
	m.add("CSeq", req.get("CSeq"))
	return m
}
