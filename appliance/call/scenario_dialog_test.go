package call_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// dialog is a dialog, or the attempt at one, as its peer keeps it: what a scenario does not write into a message comes from here.
type dialog struct {
	name          string
	callID        string
	local, remote string // From and To of requests that the peer sends
	target        string // Contact of the box
	tag           string // the peer's, in responses to the box
	seq           int
	branches      int
	invite        *message            // the peer's last
	final         *message            // the box's final response to it
	pending       []*arrived          // requests of the box without final response
	requests      map[string]*arrived // the last request of the box, by method
	sent          map[string]sending  // by method or code, and "" for the last
	body          string              // the last that the box sent
	last          map[string][]byte   // the last message of the box, by method or code
}

type sending struct {
	b    []byte
	link *link
}

func (w *world) dialog(name string) *dialog {
	d := w.dialogs[name]
	if d == nil {
		d = &dialog{name: name, tag: "peer-" + name, sent: map[string]sending{}, requests: map[string]*arrived{},
			last: map[string][]byte{}}
		w.dialogs[name] = d
	}
	return d
}

var (
	sdpLine   = regexp.MustCompile(`^[a-z]=`)
	fieldLine = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*) *:\s*(.*)$`)
)

// write fills the block of a step into a message.
func (w *world) write(m *message, block []string) error {
	var body []string
	var kind string
	seen := map[string]bool{}
	at := -1 // where a line comes that takes the place of one that was left out
	for _, line := range block {
		if raw, ok := strings.CutPrefix(line, "|"); ok {
			line, err := w.vars.expand(strings.TrimPrefix(raw, " "))
			if err != nil {
				return err
			}
			kind, body = "text", append(body, line)
			continue
		}
		line, err := w.vars.expand(line)
		if err != nil {
			return err
		}
		switch f := fieldLine.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "sdp "):
			lines, err := w.sdp(strings.TrimPrefix(line, "sdp "))
			if err != nil {
				return err
			}
			kind, body, at = "sdp", append(body, lines...), -1
		case sdpLine.MatchString(line):
			if kind = "sdp"; at < 0 {
				at = len(body)
			}
			body = slices.Insert(body, at, line)
			at++
		case strings.HasPrefix(line, "-"):
			n := len(body)
			at = slices.IndexFunc(body, func(l string) bool { return strings.HasPrefix(l, line[1:]) })
			body = slices.DeleteFunc(body, func(l string) bool { return strings.HasPrefix(l, line[1:]) })
			if len(body) == n {
				return fmt.Errorf("no line of the body begins with %q", line[1:])
			}
		case strings.HasPrefix(line, "no "):
			m.drop(strings.TrimPrefix(line, "no "))
			seen[strings.ToLower(strings.TrimPrefix(line, "no "))] = true
		case f != nil:
			if !seen[strings.ToLower(f[1])] {
				m.drop(f[1])
				seen[strings.ToLower(f[1])] = true
			}
			m.add(f[1], f[2])
		default:
			return fmt.Errorf("what is %q?", line)
		}
	}
	if body != nil {
		m.body = strings.Join(body, "\r\n") + "\r\n"
		if kind == "sdp" && !seen["content-type"] && !seen["c"] {
			m.fallback("Content-Type", "application/sdp")
		}
	}
	if !seen["content-length"] && !seen["l"] {
		m.fallback("Content-Length", strconv.Itoa(len(m.body)))
	}
	return nil
}

// sdp is a named description.
func (w *world) sdp(name string) ([]string, error) {
	lines, ok := w.sdps[name]
	if !ok {
		return nil, fmt.Errorf("no sdp %s", name)
	}
	var out []string
	for _, l := range lines {
		l, err := w.vars.expand(l)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// request builds a request of the peer.
func (w *world) request(p *peer, d *dialog, method, uri string) (*message, error) {
	m := &message{}
	d.branches++
	branch := fmt.Sprintf("z9hG4bK-%s-%d", d.name, d.branches)
	refused := false
	inside := tagOf(d.remote) != "" && d.target != ""
	if d.callID == "" {
		d.callID = "call-" + d.name
	}
	if uri == "" {
		uri = d.target
	}
	switch method {
	case "ACK", "CANCEL":
		if d.invite == nil {
			return nil, errors.New("there was no INVITE")
		}
		refused = method == "ACK" && d.final != nil && d.final.code() >= 300 && d.final.seq() == d.invite.seq()
		if method == "CANCEL" || refused { // the transaction of the INVITE (RFC 3261 9.1, 17.1.1.3)
			branch = d.invite.branch()
		}
	default:
		d.seq++
	}
	if refused || method == "CANCEL" {
		uri = strings.Fields(d.invite.start)[1]
	}
	if uri == "" {
		return nil, errors.New("a Request-URI is wanted: the box has given no Contact yet")
	}
	uri, err := w.vars.expand(uri)
	if err != nil {
		return nil, err
	}
	m.start = method + " " + uri + " SIP/2.0"
	m.add("Via", "SIP/2.0/"+strings.ToUpper(p.transport)+" "+p.addr.String()+";branch="+branch)
	m.add("Max-Forwards", "69")
	switch {
	case method == "CANCEL" || refused:
		m.add("From", d.invite.get("From"))
		if m.add("To", d.invite.get("To")); refused {
			m.drop("To")
			m.add("To", d.final.get("To"))
		}
		for _, v := range d.invite.all("Via") {
			m.drop("Via")
			m.add("Via", v)
		}
	case inside || d.local != "":
		m.add("From", d.local)
		m.add("To", d.remote)
	default:
		m.add("From", p.from)
		to, _, _ := strings.Cut(uri, ";")
		m.add("To", "<"+to+">")
	}
	m.add("Call-ID", d.callID)
	seq := d.seq
	if method == "ACK" || method == "CANCEL" {
		seq = d.invite.seq()
	}
	m.add("CSeq", fmt.Sprintf("%d %s", seq, method))
	switch method {
	case "INVITE", "UPDATE", "OPTIONS", "REFER", "SUBSCRIBE", "NOTIFY":
		m.add("Contact", p.contact)
	}
	return m, nil
}

// sentRequest keeps what later messages need.
func (d *dialog) sentRequest(m *message) {
	if m.method() == "INVITE" {
		d.invite = m
	}
	d.callID = m.get("Call-ID")
	if d.local == "" {
		d.local = m.get("From")
	}
	if d.remote == "" {
		d.remote = m.get("To")
	}
	d.seq = max(d.seq, m.seq())
}

// takes notes what a message of the box means for the dialog.
func (d *dialog) takes(a *arrived) {
	if a.body != "" {
		d.body = a.body
	}
	d.last[key(a.message)] = a.raw
	if a.code() == 0 {
		if d.callID == "" {
			d.callID = a.get("Call-ID")
		}
		if d.remote == "" {
			d.remote = a.get("From")
		}
		if a.has("Contact") {
			d.target = uriOf(a.get("Contact"))
		}
		if a.method() != "ACK" {
			d.pending = append(d.pending, a)
		}
		d.requests[a.method()] = a
		return
	}
	if a.method() == "INVITE" && a.code() >= 200 {
		d.final = a.message
	}
	if a.method() == "INVITE" && tagOf(a.get("To")) != "" && a.code() < 300 {
		d.remote = a.get("To")
		if a.has("Contact") {
			d.target = uriOf(a.get("Contact"))
		}
	}
}

// publish makes the dialog's values known to the scenario.
func (d *dialog) publish(v variables) {
	set := func(name, value string) {
		if value != "" {
			v[d.name+"."+name] = value
		}
	}
	set("call-id", d.callID)
	set("target", d.target)
	set("our-tag", tagOf(d.remote))
	set("peer-tag", tagOf(d.local))
	if len(d.pending) > 0 {
		last := d.pending[len(d.pending)-1]
		set("branch", last.branch())
		set("cseq", strconv.Itoa(last.seq()))
		set("contact", uriOf(last.get("Contact")))
		set("uri", strings.Fields(last.start)[1])
	}
}
