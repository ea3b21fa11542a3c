package lab

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Who is on the phone, told to those who subscribe (RFC 6665, RFC 4235), as Asterisk does of extensions with a hint: always the whole state.

const (
	dialogInfo     = "application/dialog-info+xml"
	maxSubscribing = 3600 // seconds
)

// watcher is a subscription to one extension.
type watcher struct {
	account, extension string
	callID             string
	ours, theirs       string // tags
	to, from           string // their addresses, as they came
	contact            string
	flow               *flow
	expires            time.Time
	asked, told        int // numbers of the last SUBSCRIBE and the last NOTIFY
	version            int
}

// SetTalking has an extension be in a call, or in none, as its phones at the PBX are. Subscribers are told at once.
func (s *Starface) SetTalking(extension string, talking bool) {
	_ = s.do(func() {
		s.talking[extension] = talking
		for _, w := range s.watchers {
			if w.extension == extension && time.Now().Before(w.expires) {
				s.notify(w, "active")
			}
		}
	})
}

// Watched are the extensions to which somebody subscribes now, each as often.
func (s *Starface) Watched() map[string]int {
	list := map[string]int{}
	_ = s.do(func() {
		for _, w := range s.watchers {
			if time.Now().Before(w.expires) {
				list[w.extension]++
			}
		}
	})
	return list
}

// ForgetWatchers is a restart: subscriptions are not known any more, and nobody is told.
func (s *Starface) ForgetWatchers() { _ = s.do(func() { clear(s.watchers) }) }

// subscribed takes a SUBSCRIBE, in a dialog or outside.
func (s *Starface) subscribed(tx *serverTx) {
	m := tx.request
	w := s.watchers[m.get("Call-ID")]
	if tag := m.tag("To"); (tag != "") != (w != nil) || w != nil && (tag != w.ours || m.tag("From") != w.theirs) {
		tx.respond(481, "Subscription Does Not Exist", nil)
		return
	}
	event, _, _ := strings.Cut(m.get("Event"), ";")
	accepts := m.list("Accept")
	contacts := m.list("Contact")
	seconds := maxSubscribing
	if text := m.get("Expires"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			s.respondRefusal(tx, &refusal{400, "Bad Request", fmt.Sprintf("Expires %q", text)})
			return
		}
		seconds = min(n, maxSubscribing)
	}
	number, _ := m.cseq()
	extension := parseURI(m.uri).user
	if w != nil {
		extension = w.extension
	}
	switch {
	case strings.TrimSpace(event) != "dialog":
		s.refuse(m.describe(), tx.flow.String(), &refusal{text: fmt.Sprintf("Event %q", event)})
		tx.respond(489, "Bad Event", nil, header{"Allow-Events", "dialog"})
		return
	case len(accepts) > 0 && !strings.Contains(strings.Join(accepts, ","), dialogInfo):
		s.respondRefusal(tx, &refusal{406, "Not Acceptable", fmt.Sprintf("Accept %q without %s", accepts, dialogInfo)})
		return
	case len(contacts) == 0:
		s.respondRefusal(tx, &refusal{400, "Bad Request", "SUBSCRIBE without Contact"})
		return
	case s.passwords[extension] == "":
		s.respondRefusal(tx, &refusal{404, "Not Found", fmt.Sprintf("no hint for %q", extension)})
		return
	case seconds > 0 && seconds < minExpires:
		tx.respond(423, "Interval Too Brief", nil, header{"Min-Expires", strconv.Itoa(minExpires)})
		return
	case w != nil && number <= w.asked:
		s.respondRefusal(tx, &refusal{500, "Server Internal Error", fmt.Sprintf("CSeq %d after %d", number, w.asked)})
		return
	}
	account, ok := s.authenticate(tx)
	if !ok {
		return
	}
	if from := parseAddress(m.get("From")).uri.user; from != account || w != nil && w.account != account {
		s.respondRefusal(tx, &refusal{403, "Forbidden", fmt.Sprintf("credentials of %q for a subscription of %q", account, from)})
		return
	}
	if w == nil {
		w = &watcher{account: account, extension: extension, callID: m.get("Call-ID"), ours: tx.tag, theirs: m.tag("From"), version: -1}
		w.to, w.from = m.get("From"), m.get("To")+";tag="+tx.tag
		s.watchers[w.callID] = w
	}
	w.asked, w.contact, w.flow, w.expires = number, parseAddress(contacts[0]).text, tx.flow, time.Now().Add(time.Duration(seconds)*time.Second)
	tx.respond(200, "OK", nil, header{"Expires", strconv.Itoa(seconds)}, header{"Contact", fmt.Sprintf("<sip:%s@%v:%d>", extension, StarfaceAddr, starfacePort)}, header{"Server", starfaceServer})
	if seconds == 0 {
		delete(s.watchers, w.callID)
		s.notify(w, "terminated")
		return
	}
	s.notify(w, "active")
}

// notify tells a watcher all that there is.
func (s *Starface) notify(w *watcher, state string) {
	w.told++
	w.version++
	m := &message{method: "NOTIFY", uri: w.contact, body: s.document(w)}
	m.add("Max-Forwards", "70")
	m.add("From", w.from)
	m.add("To", w.to)
	m.add("Call-ID", w.callID)
	m.add("CSeq", fmt.Sprintf("%d NOTIFY", w.told))
	m.add("Contact", fmt.Sprintf("<sip:%s@%v:%d>", w.extension, StarfaceAddr, starfacePort))
	m.add("User-Agent", starfaceServer)
	m.add("Event", "dialog")
	if state == "active" {
		state = fmt.Sprintf("active;expires=%d", int(time.Until(w.expires).Seconds()))
	} else {
		state += ";reason=timeout"
	}
	m.add("Subscription-State", state)
	m.add("Content-Type", dialogInfo)
	s.request(w.flow, m, func(r *message) {
		switch {
		case r.code == 481:
			delete(s.watchers, w.callID)
		case r.code >= 300 && !s.offline:
			s.refuse(r.describe(), w.flow.String(), &refusal{text: fmt.Sprintf("our NOTIFY to %s got %d %s", w.contact, r.code, r.reason)})
		}
	})
}

// document says whether an extension is in a call, in Asterisk's words.
func (s *Starface) document(w *watcher) []byte {
	type dialog struct {
		ID    string `xml:"id,attr"`
		State string `xml:"state"`
	}
	d := dialog{ID: w.extension, State: "terminated"}
	if s.talking[w.extension] {
		d.State = "confirmed"
	}
	text, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
		Version int      `xml:"version,attr"`
		State   string   `xml:"state,attr"`
		Entity  string   `xml:"entity,attr"`
		Dialog  dialog   `xml:"dialog"`
	}{Version: w.version, State: "full", Entity: fmt.Sprintf("sip:%s@%v", w.extension, StarfaceAddr), Dialog: d}, "", " ")
	if err != nil {
		panic(err) // texts and numbers
	}
	return append([]byte(xml.Header), text...)
}
