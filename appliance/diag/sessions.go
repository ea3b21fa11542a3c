package diag

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/masking"
	"viaduct/appliance/status"
)

// The topics of `debug`.
const (
	TopicSIP   = "sip"
	TopicCall  = "call"
	TopicRoute = "route"
	TopicRTP   = "rtp"
	TopicTLS   = "tls"
)

// Sessions are the consoles that are logged in, with the topics that each of them debugs.
type Sessions struct {
	Log     *slog.Logger
	Welcome func() []string      // lines for each session that begins
	Calls   func() []status.Call // for the counters of `debug rtp`

	mu    sync.Mutex
	list  []*session
	topic [5]atomic.Int32 // sessions that debug each of topics; read for every packet, so without a lock
}

var topics = [...]string{TopicSIP, TopicCall, TopicRoute, TopicRTP, TopicTLS}

type session struct {
	status.Session
	debug  map[string]bool
	filter *filter // of `debug call NUMBER`; nil: there is none
	lines  chan line
}

// line waits for a terminal. It is made ready there: to hide the secrets of a message takes longer than most that a call does with it, and
// most messages are not of the call that is debugged.
type line struct {
	at    time.Time
	topic string // "": not debug output
	text  string // of a peer, with all its secrets, when the topic is SIP
}

func (l line) String() string {
	text := l.text
	switch l.topic {
	case "":
		return text
	case TopicSIP:
		text = strings.TrimRight(strings.ReplaceAll(masking.Message(text), "\r\n", "\n"), "\n")
	}
	return l.at.UTC().Format("15:04:05.000") + " " + l.topic + ": " + text
}

// waitingLines is how far a slow terminal may fall behind before it misses lines: a page of SIP messages.
const waitingLines = 500

// rtpEvery is the interval of the counters of `debug rtp`.
const rtpEvery = 5 * time.Second

// Attend keeps a session in the list of `who` and passes it its debug output, until ctx ends or each fails.
func (s *Sessions) Attend(ctx context.Context, info status.Session, each func(text string) error) error {
	x := &session{Session: info, debug: map[string]bool{}, lines: make(chan line, waitingLines)}
	s.add(x)
	defer s.remove(x)
	s.Log.Info("session begins", "name", info.User, "tty", info.TTY)
	defer s.Log.Info("session ends", "name", info.User, "tty", info.TTY)
	for _, line := range s.Welcome() {
		x.say(line)
	}
	counters := time.NewTicker(rtpEvery)
	defer counters.Stop()
	for {
		select {
		case <-ctx.Done():
			for len(x.lines) > 0 { // perhaps the reason for the end
				if err := each((<-x.lines).String()); err != nil {
					break
				}
			}
			return ctx.Err()
		case l := <-x.lines:
			if err := each(l.String()); err != nil {
				return err
			}
		case <-counters.C:
			if s.debugs(x, TopicRTP) {
				s.showMedia(x)
			}
		}
	}
}

// showMedia queues the counters of every call for a session that debugs rtp.
func (s *Sessions) showMedia(x *session) {
	for _, c := range s.Calls() {
		for _, l := range c.Legs {
			x.show(TopicRTP, fmt.Sprintf("call %s %s: %s to %s, %d in, %d out, %d lost, jitter %.1f ms",
				c.ID, l.Interface, endpoint(l.Local), endpoint(l.Remote), l.Received, l.Sent, max(l.Lost, 0), l.JitterMS))
		}
	}
}

func endpoint(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// List returns the sessions, the oldest first.
func (s *Sessions) List() []status.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]status.Session, len(s.list))
	for i, x := range s.list {
		list[i] = x.Session
	}
	slices.SortStableFunc(list, func(a, b status.Session) int { return a.Since.Compare(b.Since) })
	return list
}

var errNoSession = errors.New("this terminal shows no debug output: it needs a session at a keyboard")

// Debug switches a topic on or off for the session on a terminal; topic "all" is every one.
func (s *Sessions) Debug(tty, topic string, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.list, func(x *session) bool { return x.TTY == tty })
	if i < 0 && !on {
		return nil // a script tidies up on a terminal without debug output
	}
	if i < 0 {
		return errNoSession
	}
	if topic == "all" && !on {
		s.unfilter(s.list[i])
	}
	for n, t := range topics {
		if topic != t && topic != "all" || s.list[i].debug[t] == on {
			continue
		}
		s.list[i].debug[t] = on
		if on {
			s.topic[n].Add(1)
		} else {
			s.topic[n].Add(-1)
		}
	}
	return nil
}

// filtered are the topics of which `debug call NUMBER` shows the lines of its calls.
var filtered = [...]string{TopicSIP, TopicCall, TopicRoute}

// DebugCalls shows the SIP messages, events and routes of the calls of a number or a peer in the session on a terminal; "" ends that.
func (s *Sessions) DebugCalls(tty, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.list, func(x *session) bool { return x.TTY == tty })
	switch {
	case i < 0 && text == "":
		return nil
	case i < 0:
		return errNoSession
	}
	s.unfilter(s.list[i])
	if text != "" {
		s.list[i].filter = newFilter(text)
		s.count(filtered[:], 1)
	}
	return nil
}

// unfilter ends `debug call NUMBER` of a session. The lock is held.
func (s *Sessions) unfilter(x *session) {
	if x.filter != nil {
		x.filter = nil
		s.count(filtered[:], -1)
	}
}

// count notes that some more sessions want topics.
func (s *Sessions) count(list []string, more int32) {
	for _, t := range list {
		s.topic[slices.Index(topics[:], t)].Add(more)
	}
}

func (s *Sessions) add(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, x)
}

func (s *Sessions) remove(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(y *session) bool { return x == y })
	s.unfilter(x)
	for n, t := range topics {
		if x.debug[t] {
			s.topic[n].Add(-1)
		}
	}
}

func (s *Sessions) debugs(x *session, topic string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return x.debug[topic]
}

// wanted reports whether some session debugs a topic.
func (s *Sessions) wanted(topic string) bool {
	n := slices.Index(topics[:], topic)
	return n >= 0 && s.topic[n].Load() > 0
}

// emit gives text to all sessions that debug a topic, or the call that it is of: keys are the call's ID and the Call-IDs of its legs. It
// never blocks: a slow terminal misses lines.
func (s *Sessions) emit(topic, text string, keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		switch {
		case x.debug[topic]:
			x.show(topic, text)
		case x.filter != nil && slices.Contains(filtered[:], topic):
			for _, w := range x.filter.takes(topic, text, keys...) {
				x.show(w.topic, w.text)
			}
		}
	}
}

// Tell sends a line to all sessions except the one on terminal but, which caused it.
func (s *Sessions) Tell(but, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		if but == "" || x.TTY != but {
			x.say(text)
		}
	}
}

// say queues a line that is not debug output.
func (x *session) say(text string) {
	select {
	case x.lines <- line{text: "% " + text}:
	default:
	}
}

func (x *session) show(topic, text string) {
	select {
	case x.lines <- line{time.Now(), topic, text}:
	default:
	}
}
