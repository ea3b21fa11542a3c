package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"viaduct/appliance/api/wire"
)

// spoolLimit is how much text of one request waits for a reader before the command has to wait, too. A console that
// stands at its pager reads nothing, and the command must not hold the box's locks as long as somebody reads a page.
const spoolLimit = 4 << 20

// spool is the queue between the goroutine that runs the lines and the one that writes to the socket.
type spool struct {
	ctx  context.Context
	lock sync.Mutex
	todo []wire.Answer
	size int
	over bool
	news chan struct{} // capacity 1: something to send
	room chan struct{} // capacity 1: something was sent
}

func newSpool(ctx context.Context) *spool {
	return &spool{ctx: ctx, news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Write takes text of the running line.
func (s *spool) Write(p []byte) (int, error) { return s.take(p, func() { s.text(string(p)) }) }

// fileOut takes a file that the running line writes.
type fileOut struct{ *spool }

func (f fileOut) Write(p []byte) (int, error) {
	return f.take(p, func() {
		f.size += len(p)
		f.todo = append(f.todo, wire.Answer{Data: bytes.Clone(p)})
	})
}

// take waits for room, and calls add under the lock.
func (s *spool) take(p []byte, add func()) (int, error) {
	for {
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		s.lock.Lock()
		if s.size == 0 || s.size+len(p) <= spoolLimit {
			add()
			s.lock.Unlock()
			poke(s.news)
			return len(p), nil
		}
		s.lock.Unlock()
		select {
		case <-s.room:
		case <-s.ctx.Done():
		}
	}
}

// text appends to the last answer while it is small, so that a command that writes word by word makes few JSON lines.
func (s *spool) text(t string) {
	s.size += len(t)
	if n := len(s.todo); n > 0 && !s.todo[n-1].Done && !s.todo[n-1].Live && s.todo[n-1].Data == nil && len(s.todo[n-1].Text) < 4<<10 {
		s.todo[n-1].Text += t
		return
	}
	s.todo = append(s.todo, wire.Answer{Text: t})
}

// Live tells that what the running line writes from now on are news.
func (s *spool) Live() {
	s.lock.Lock()
	s.todo = append(s.todo, wire.Answer{Live: true})
	s.lock.Unlock()
	poke(s.news)
}

// done ends a line.
func (s *spool) done(r Result) {
	a := wire.Answer{Done: true, Mode: r.Mode, Prompt: r.Prompt, Status: wire.OK, Collect: r.Collect, Exit: r.Exit, Changed: r.Changed, LeftOut: r.LeftOut, Unused: r.Unused, Notes: r.Notes,
		Known: r.Known, More: r.More, Length: r.Length, Width: r.Width}
	if r.Failed {
		a.Status, a.Why = wire.Error, r.Why
	}
	s.lock.Lock()
	s.todo = append(s.todo, a)
	s.lock.Unlock()
	poke(s.news)
}

// close tells the sender that no more comes.
func (s *spool) close() {
	s.lock.Lock()
	s.over = true
	s.lock.Unlock()
	poke(s.news)
}

// send writes answers as JSON lines until the spool is closed, and flushes when nothing waits.
func (s *spool) send(w http.ResponseWriter) error {
	flush := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for {
		s.lock.Lock()
		todo, over := s.todo, s.over
		s.todo, s.size = nil, 0
		s.lock.Unlock()
		poke(s.room)
		for i := range todo {
			if err := enc.Encode(&todo[i]); err != nil {
				return err
			}
		}
		if len(todo) > 0 {
			if err := flush.Flush(); err != nil {
				return err
			}
			continue
		}
		if over {
			return nil
		}
		<-s.news
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
