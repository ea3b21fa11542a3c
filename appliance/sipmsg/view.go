package sipmsg

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Message is the common part of requests and responses: the header fields that decide where a message belongs and what it asks for. Parse
// reads them in one pass, because a call needs its tags, branch and CSeq some hundred times. Header and Headers look up all other fields.
type Message struct {
	Via         Via  // the topmost
	ViaOK       bool // it can be understood
	From, To    NameAddr
	FromText    string // the whole value, byte for byte
	ToText      string
	FromTag     string
	ToTag       string
	CallID      string
	Seq         uint32 // of CSeq
	SeqMethod   sip.RequestMethod
	Contacts    []string // values of the fields
	ContentType string
	Body        []byte
	Source      netip.AddrPort

	details
}

// details are the fields that only package sipmsg reads: for the check, for responses, and behind methods.
type details struct {
	headers            []sip.Header
	count              [fieldCount]uint16 // MaxFields at most
	seqOK              bool               // CSeq can be understood
	ours               bool               // it is of our version of SIP
	vias, recordRoutes []string           // values of the fields
	require, supported []string           // option tags
	cseq               string             // the whole value
	maxForwards        string
	sessionExpires     string
	minSE              string
}

// Request is a request that came in.
type Request struct {
	Message
	Method sip.RequestMethod
	URI    string // Request-URI, byte for byte

	uriFault *Fault // why the Request-URI is refused; nil: it is sound
}

// Response is a response that came in.
type Response struct {
	Message
	StatusCode int
	Reason     string
}

// newRequest reads a request and notes its source in the topmost Via.
func newRequest(m *sip.Request, source netip.AddrPort) *Request {
	r := &Request{Method: m.Method, URI: m.Recipient.String(), uriFault: checkURI(&m.Recipient)}
	r.read(m.SipVersion, m.Headers(), m.Body(), source)
	if r.ViaOK {
		r.markVia(source)
	}
	return r
}

// newResponse reads a response.
func newResponse(m *sip.Response, source netip.AddrPort) *Response {
	r := &Response{StatusCode: m.StatusCode, Reason: m.Reason}
	r.read(m.SipVersion, m.Headers(), m.Body(), source)
	return r
}

// Headers are the values of all fields of a name, long or compact, in order.
func (m *Message) Headers(name string) []string { return Values(m.headers, name) }

// Header is the first of them, "" when there is none.
func (m *Message) Header(name string) string { return First(m.headers, name) }

func (m *Message) read(version string, headers []sip.Header, body []byte, source netip.AddrPort) {
	m.ours, m.headers, m.Body, m.Source = spokenHere(version), headers, body, source
	for _, h := range headers {
		f := fieldNamed(h.Name())
		if f == other {
			continue
		}
		m.count[f]++
		m.take(f, h)
	}
	if len(m.vias) > 0 {
		m.Via, m.ViaOK = readVia(m.vias[0])
	}
	m.From, m.To = ParseNameAddr(m.FromText), ParseNameAddr(m.ToText)
	m.ContentType = mediaType(m.ContentType)
	m.FromTag, m.ToTag = m.From.Param("tag"), m.To.Param("tag")
}

// take notes a field that is read in advance. If a single field comes twice, the first one counts.
func (m *Message) take(f field, h sip.Header) {
	once := m.count[f] == 1
	switch f {
	case fieldVia:
		m.vias = append(m.vias, h.Value())
	case fieldRecordRoute:
		m.recordRoutes = append(m.recordRoutes, h.Value())
	case fieldContact:
		m.Contacts = append(m.Contacts, h.Value())
	case fieldRequire:
		m.require = appendList(m.require, h.Value())
	case fieldSupported:
		m.supported = appendList(m.supported, h.Value())
	case fieldCSeq:
		if c, ok := h.(*sip.CSeqHeader); ok && once {
			m.Seq, m.SeqMethod, m.seqOK = c.SeqNo, sip.RequestMethod(strings.TrimSpace(string(c.MethodName))), true
		}
		if once {
			m.cseq = h.Value()
		}
	default:
		if to := m.single(f); to != nil && once {
			*to = h.Value()
		}
	}
}

// single is the place for the value of a single field that is kept as it is.
func (m *Message) single(f field) *string {
	switch f {
	case fieldFrom:
		return &m.FromText
	case fieldTo:
		return &m.ToText
	case fieldCallID:
		return &m.CallID
	case fieldContentType:
		return &m.ContentType
	case fieldMaxForwards:
		return &m.maxForwards
	case fieldSessionExpires:
		return &m.sessionExpires
	case fieldMinSE:
		return &m.minSE
	}
	return nil
}

// RecordRoute are the proxies that want to stay on the way, one entry each, in the order of the message. Only a message that begins a
// dialog is asked for them.
func (m *Message) RecordRoute() (list []string) {
	for _, v := range m.recordRoutes {
		list = appendList(list, v)
	}
	return list
}

// Requires reports whether the sender requires an extension.
func (m *Message) Requires(tag string) bool { return hasTag(m.require, tag) }

// Supports reports whether the sender knows an extension.
func (m *Message) Supports(tag string) bool {
	return hasTag(m.supported, tag) || hasTag(m.require, tag)
}

func hasTag(list []string, tag string) bool {
	for _, t := range list {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}

// SessionExpires reads the field of that name: its interval (0: none) and who refreshes ("uac", "uas", "").
func (m *Message) SessionExpires() (interval time.Duration, refresher string) {
	value, params, _ := strings.Cut(m.sessionExpires, ";")
	interval, ok := deltaSeconds(value)
	if !ok {
		return 0, ""
	}
	refresher, _ = Param(params, "refresher")
	return interval, strings.ToLower(refresher)
}

// MinSE is the shortest session interval that the sender accepts; false: the field is missing.
func (m *Message) MinSE() (time.Duration, bool) { return deltaSeconds(m.minSE) }

func deltaSeconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	return time.Duration(n) * time.Second, err == nil
}

// RetryAfter is the value of the field of that name, which may be followed by a comment and parameters (RFC 3261 20.33); 0: none.
func (r *Response) RetryAfter() time.Duration {
	d, _ := Seconds(r.Header("Retry-After"))
	return d
}

// Seconds reads the number at the start of a value; false: there is none. One beyond 32 bits is as long as any (RFC 3261 20.19).
func Seconds(v string) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	n, err := strconv.ParseUint(v[:len(v)-len(strings.TrimLeft(v, "0123456789"))], 10, 32)
	return time.Duration(n) * time.Second, !errors.Is(err, strconv.ErrSyntax)
}

// Target is the URI of the first Contact, "" if there is no usable one.
func (m *Message) Target() string {
	if len(m.Contacts) == 0 {
		return ""
	}
	list := SplitList(m.Contacts[0])
	if len(list) == 0 {
		return ""
	}
	uri := strings.Join(strings.Fields(ParseNameAddr(list[0]).URI), "") // blanks in it would split our request line
	if _, err := rawURI(uri); err != nil {
		return ""
	}
	return uri
}

// MergeKey is the same for two copies of a request that took different paths (RFC 3261 8.2.2.2).
func (m *Message) MergeKey() string { return m.CallID + " " + m.FromTag + " " + m.cseq }

// Identities are the P-Asserted-Identity values, in order.
func (m *Message) Identities() []NameAddr { return ParseList(m.Headers("P-Asserted-Identity")) }
