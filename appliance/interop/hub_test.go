package interop

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hub generates calls as a Teams proxy does, over TLS connections that it opens. It is written for load: it reads of a message only
// what a caller must, and shares no code with the box or the lab.
type hub struct {
	name  string // begins Call-IDs
	box   string // Contact host and port, for Request-URIs
	from  string // our address in Via
	conns []*hubConn

	hold  time.Duration // negative: until hangUp
	calls sync.Map      // Call-ID: *hubCall

	answered, ended, failed atomic.Int64
	mu                      sync.Mutex
	setups                  []time.Duration // INVITE to 200
	refusals                []time.Duration // INVITE to 503 with Retry-After
	first                   time.Time       // INVITE that was refused so
	settled                 []time.Duration // refusals of calls that began two seconds after it
	refreshes               []time.Duration // INVITE in a call to 200
	complaints              map[string]int
}

type hubConn struct {
	net.Conn
	mu sync.Mutex
	w  *bufio.Writer
}

type hubCall struct {
	id      string
	conn    *hubConn
	began   time.Time
	to      string // with the box's tag
	uri     string // called
	contact string
	answer  string       // body of the 200
	state   atomic.Int32 // 0 inviting, 1 answered, 2 hanging up, 3 over
	refresh atomic.Pointer[hubRefresh]
}

// hubRefresh is an INVITE in a call that has no response yet.
type hubRefresh struct {
	seq   int
	began time.Time
}

func (c *hubConn) send(m string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.w.WriteString(m); err != nil {
		return err
	}
	return c.w.Flush()
}

func newHub(name, box, from string, hold time.Duration, conns ...*tls.Conn) *hub {
	h := &hub{name: name, box: box, from: from, hold: hold, complaints: map[string]int{}}
	for _, c := range conns {
		k := &hubConn{Conn: c, w: bufio.NewWriterSize(c, 16<<10)}
		h.conns = append(h.conns, k)
		go h.read(k)
	}
	return h
}

// hubKey is for AES_CM_128_HMAC_SHA1_80 in all calls.
const hubKey = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

const hubOffer = "v=0\r\no=- 1 1 IN IP4 52.114.249.26\r\ns=session\r\nc=IN IP4 52.114.249.26\r\nt=0 0\r\n" +
	"m=audio 50000 RTP/SAVP 104 9 103 111 18 0 8 97 101 13 118\r\na=rtcp:50001\r\na=rtcp-mux\r\na=sendrecv\r\n" +
	"a=crypto:0 AES_CM_128_HMAC_SHA1_32 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|2^31\r\n" +
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + hubKey + "|2^31\r\n" +
	"a=rtpmap:104 SILK/16000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:103 SILK/8000\r\na=rtpmap:111 SIREN/16000\r\na=rtpmap:18 G729/8000\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 RED/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n" +
	"a=rtpmap:13 CN/8000\r\na=rtpmap:118 CN/16000\r\na=ptime:20\r\n"

const hubHeaders = "CONTACT: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=1f0c6ad7;x-c=5f1e9b3a>\r\nUSER-AGENT: load\r\nSUPPORTED: histinfo,timer\r\n" +
	"SESSION-EXPIRES: 3600\r\nMIN-SE: 300\r\nALLOW: INVITE,ACK,CANCEL,BYE,NOTIFY,OPTIONS\r\nCONTENT-TYPE: application/sdp\r\n"

func (h *hub) request(c *hubCall, method, uri, to string, seq int, extra, body string) string {
	branch := fmt.Sprint(c.id, ".", seq)
	if method == "ACK" && uri != c.uri { // that of a 200 is a transaction of its own
		branch += "ack"
	}
	return fmt.Sprintf("%s %s SIP/2.0\r\nVIA: SIP/2.0/TLS %s;branch=z9hG4bK%s\r\nMAX-FORWARDS: 70\r\n"+
		"FROM: <sip:+497123222@sip.pstnhub.microsoft.com:5061;user=phone>;tag=%s\r\nTO: %s\r\nCALL-ID: %s\r\nCSEQ: %d %s\r\n%sCONTENT-LENGTH: %d\r\n\r\n%s",
		method, uri, h.from, branch, c.id, to, c.id, seq, method, extra, len(body), body)
}

// call begins call number n.
func (h *hub) call(n int) {
	c := &hubCall{id: fmt.Sprintf("%s%08d", h.name, n), conn: h.conns[n%len(h.conns)], began: time.Now()}
	h.calls.Store(c.id, c)
	c.uri = fmt.Sprintf("sip:+4989%07d@%s;user=phone;transport=tls", n%10_000_000, h.box) // many calls to one number are taken for a loop
	m := h.request(c, "INVITE", c.uri, "<"+c.uri+">", 1, hubHeaders+"RECORD-ROUTE: <sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>\r\n", hubOffer)
	if err := c.conn.send(m); err != nil {
		h.fail(c, "write: "+err.Error())
	}
}

// refresh says the same again in a call, as refreshes of the session timer do, unless the last one has no response yet.
func (h *hub) refresh(c *hubCall, seq int) {
	if c.state.Load() != 1 || !c.refresh.CompareAndSwap(nil, &hubRefresh{seq, time.Now()}) {
		h.complain("a refresh has no response when the next is due")
		return
	}
	if err := c.conn.send(h.request(c, "INVITE", c.contact, c.to, seq, hubHeaders, hubOffer)); err != nil {
		h.complain("write: " + err.Error())
	}
}

// refreshed takes the final response to a refresh.
func (h *hub) refreshed(c *hubCall, r *hubRefresh, text string) {
	if text[8:11] == "200" {
		_ = c.conn.send(h.request(c, "ACK", c.contact, c.to, r.seq, "", ""))
		h.mu.Lock()
		h.refreshes = append(h.refreshes, time.Since(r.began))
		h.mu.Unlock()
	} else {
		h.complain("refresh: " + text[:strings.IndexByte(text, '\r')])
	}
	c.refresh.Store(nil)
}

// bye hangs up; it comes on the connection of the INVITE.
func (h *hub) bye(c *hubCall) {
	if c.state.CompareAndSwap(1, 2) {
		if err := c.conn.send(h.request(c, "BYE", c.contact, c.to, 2, "", "")); err != nil {
			h.fail(c, "write: "+err.Error())
		}
	}
}

func (h *hub) fail(c *hubCall, why string) {
	if c.state.Swap(3) == 3 {
		return
	}
	h.calls.Delete(c.id)
	h.failed.Add(1)
	h.complain(why)
}

func (h *hub) complain(why string) {
	h.mu.Lock()
	h.complaints[why]++
	h.mu.Unlock()
}

// read takes the box's responses.
func (h *hub) read(k *hubConn) {
	for r := bufio.NewReaderSize(k, 64<<10); ; {
		text, err := readMessage(r)
		if err != nil {
			return // closed at the end
		}
		if !strings.HasPrefix(text, "SIP/2.0 ") {
			h.complain("a request of the box on our connection: " + text[:strings.IndexByte(text, '\r')])
			continue
		}
		if v, ok := h.calls.Load(headerOf(text, "Call-ID")); ok {
			h.response(v.(*hubCall), text)
		}
	}
}

func (h *hub) response(c *hubCall, text string) {
	code, seq := text[8:11], headerOf(text, "CSeq")
	invite := strings.HasSuffix(seq, "INVITE")
	r := c.refresh.Load()
	switch {
	case code[0] == '1':
	case r != nil && seq == fmt.Sprint(r.seq, " INVITE"):
		h.refreshed(c, r, text)
	case invite && code == "200":
		if c.state.Load() != 0 {
			return
		}
		c.to = headerOf(text, "To")
		c.contact = strings.Trim(headerOf(text, "Contact"), "<>")
		_, c.answer, _ = strings.Cut(text, "\r\n\r\n")
		c.state.Store(1)
		took := time.Since(c.began)
		if err := c.conn.send(h.request(c, "ACK", c.contact, c.to, 1, "", "")); err != nil {
			h.fail(c, "write: "+err.Error())
			return
		}
		h.answered.Add(1)
		h.mu.Lock()
		h.setups = append(h.setups, took)
		h.mu.Unlock()
		if h.hold >= 0 {
			time.AfterFunc(h.hold, func() { h.bye(c) })
		}
	case !invite && code == "200":
		if c.state.Swap(3) == 2 {
			h.ended.Add(1)
		}
		h.calls.Delete(c.id)
	case invite:
		c.to = headerOf(text, "To")
		_ = c.conn.send(h.request(c, "ACK", c.uri, c.to, 1, "", ""))
		if code == "503" && headerOf(text, "Retry-After") != "" {
			h.mu.Lock()
			if h.first.IsZero() {
				h.first = c.began
			}
			took := time.Since(c.began)
			h.refusals = append(h.refusals, took)
			if c.began.Sub(h.first) > 2*time.Second {
				h.settled = append(h.settled, took)
			}
			h.mu.Unlock()
			h.calls.Delete(c.id)
			c.state.Store(3)
			return
		}
		h.fail(c, text[:strings.IndexByte(text, '\r')])
	default:
		h.fail(c, "BYE: "+text[:strings.IndexByte(text, '\r')])
	}
}

// close ends the connections, of which the box takes a number from each source.
func (h *hub) close() {
	for _, c := range h.conns {
		c.Close()
	}
}

// all are the calls that have not ended.
func (h *hub) all() (list []*hubCall) {
	h.calls.Range(func(_, v any) bool {
		list = append(list, v.(*hubCall))
		return true
	})
	return list
}

// abandon counts every call that has not ended as failed.
func (h *hub) abandon() {
	for _, c := range h.all() {
		h.fail(c, fmt.Sprintf("not over in state %d", c.state.Load()))
	}
}

func headerOf(text, name string) string {
	at := strings.Index(text, "\r\n"+name+": ")
	if at < 0 {
		return ""
	}
	v := text[at+len(name)+4:]
	return v[:strings.IndexByte(v, '\r')]
}
