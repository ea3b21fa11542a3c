package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/fleet"
)

// wire is one side of a connection within the test.
type wire struct {
	*io.PipeReader
	*io.PipeWriter
}

func (w wire) CloseWrite() error { return w.PipeWriter.Close() }
func (w wire) Close() error {
	w.PipeWriter.CloseWithError(io.ErrUnexpectedEOF)
	return w.PipeReader.Close()
}

// wires are the two sides of a connection.
func wires() (a, b wire) {
	a.PipeReader, b.PipeWriter = io.Pipe()
	b.PipeReader, a.PipeWriter = io.Pipe()
	return a, b
}

// joined are two sessions that a hub joins, one between a and the bus, and one between the bus and b.
type joined struct {
	hub  *fakeHub
	link [2]*fakeLink
	s    [2]*session
	a, b wire // as the users have them
	end  [2]chan error
	stop [2]context.CancelCauseFunc
}

func join(t *testing.T, hub *fakeHub) *joined {
	j := &joined{hub: hub}
	var sides [2]wire
	j.a, sides[0] = wires()
	sides[1], j.b = wires()
	for i := range 2 {
		l := hub.link(t, fmt.Sprint("side-", i))
		j.link[i] = l
		j.s[i] = newSession(fmt.Sprint("side ", i), l, fmt.Sprint("to.", 1-i))
		l.Listen(fmt.Sprint("to.", i), func(m fleet.Message) { j.s[i].deliver(m.Data) })
	}
	for i := range 2 {
		ctx, stop := context.WithCancelCause(t.Context())
		j.stop[i], j.end[i] = stop, make(chan error, 1)
		go func() { j.end[i] <- j.s[i].run(ctx, sides[i]) }()
	}
	return j
}

// What goes in comes out, whatever the sizes, the pace of either side and that of the hub.
func TestAStreamIsAPipe(t *testing.T) {
	for _, frames := range []int{1, 32, 1000} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%d frames, seed %d", frames, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { pipe(t, frames, rand.New(rand.NewPCG(seed, uint64(frames)))) })
			})
		}
	}
}

func pipe(t *testing.T, frames int, r *rand.Rand) {
	var dice sync.Mutex
	roll := func(n int) int {
		dice.Lock()
		defer dice.Unlock()
		return r.IntN(n)
	}
	pause := func(most time.Duration) {
		if roll(4) == 0 {
			time.Sleep(time.Duration(roll(int(most))))
		}
	}
	slow := []time.Duration{time.Duration(1 + roll(int(20*time.Millisecond))), time.Duration(1 + roll(int(20*time.Millisecond)))}
	size := []int{1 + roll(64), 1 + roll(4<<10), 1 + roll(40<<10)}[roll(3)]
	j := join(t, &fakeHub{
		wait: func() time.Duration { return time.Duration(roll(int(time.Millisecond))) },
		full: func() bool { return roll(4) == 0 },
	})
	var all sync.WaitGroup
	carry := func(from, to wire, slow time.Duration) {
		var sent, came bytes.Buffer
		all.Go(func() {
			for range frames {
				chunk := make([]byte, 1+roll(size))
				for i := range chunk {
					chunk[i] = byte(sent.Len() + i*7)
				}
				sent.Write(chunk)
				if _, err := from.Write(chunk); err != nil {
					t.Error(err)
					return
				}
				pause(10 * time.Millisecond)
			}
			from.CloseWrite()
		})
		all.Go(func() {
			buffer := make([]byte, 1+roll(64<<10))
			for {
				n, err := to.Read(buffer)
				came.Write(buffer[:n])
				if err == io.EOF {
					break
				} else if err != nil {
					t.Error(err)
					return
				}
				pause(slow)
			}
			if !bytes.Equal(came.Bytes(), sent.Bytes()) {
				t.Errorf("%d octets went in, %d came out", sent.Len(), came.Len())
			}
		})
	}
	carry(j.a, j.b, slow[0])
	carry(j.b, j.a, slow[1])
	all.Wait()
	for i := range 2 {
		if err := <-j.end[i]; err != nil {
			t.Errorf("side %d: %v", i, err)
		}
		if j.link[i].most > window+64<<10 {
			t.Errorf("%d octets were under way to side %d", j.link[i].most, i)
		}
	}
}

func TestASlowReaderStopsTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := join(t, &fakeHub{})
		var written atomic.Int64
		go func() {
			for {
				n, err := j.a.Write(make([]byte, 8<<10))
				if written.Add(int64(n)); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Hour) // nobody reads
		if n := written.Load(); n < window/2 || n > window+2*maxData {
			t.Errorf("%d octets were taken", n)
		}
		if _, err := io.ReadFull(j.b, make([]byte, 2*window)); err != nil {
			t.Errorf("it does not go on: %v", err)
		}
		j.stop[0](ErrStopped)
		if err := <-j.end[0]; !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if err := <-j.end[1]; err == nil || err.Error() != ErrStopped.Error() {
			t.Errorf("the other side: %v", err)
		}
	})
}

// One direction may end long before the other, as of `ssh BOX command < file`.
func TestHalfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := join(t, &fakeHub{})
		j.a.Write([]byte("question"))
		j.a.CloseWrite()
		if text, err := io.ReadAll(j.b); err != nil || string(text) != "question" {
			t.Fatalf("%q, %v", text, err)
		}
		time.Sleep(time.Hour)
		go func() {
			j.b.Write([]byte("answer"))
			j.b.CloseWrite()
		}()
		if text, err := io.ReadAll(j.a); err != nil || string(text) != "answer" {
			t.Fatalf("%q, %v", text, err)
		}
		if err := errors.Join(<-j.end[0], <-j.end[1]); err != nil {
			t.Error(err)
		}
	})
}

// Whatever is wrong on the way, what comes out is the beginning of what went in, and both sides end within a minute.
func TestAMessageThatIsLostEndsTheConnection(t *testing.T) {
	for what, touch := range map[string]func(n int, m fleet.Message) []fleet.Message{
		"lost":    func(n int, m fleet.Message) []fleet.Message { return nil },
		"doubled": func(n int, m fleet.Message) []fleet.Message { return []fleet.Message{m, m} },
		"damaged": func(n int, m fleet.Message) []fleet.Message { m.Data = m.Data[:4]; return []fleet.Message{m} },
		"giant": func(n int, m fleet.Message) []fleet.Message {
			m.Data = append(m.Data[:headSize:headSize], make([]byte, 10*maxData)...)
			return []fleet.Message{m}
		},
	} {
		for _, which := range []int{0, 1, 2, 3, 9} {
			t.Run(fmt.Sprintf("%s %d", what, which), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := 0
					j := join(t, &fakeHub{touch: func(m fleet.Message) []fleet.Message {
						if n++; m.Subject == "to.1" && n > which {
							n = -1 << 30
							return touch(n, m)
						}
						return []fleet.Message{m}
					}})
					began := time.Now()
					var writing sync.WaitGroup
					defer writing.Wait()
					writing.Go(func() {
						for {
							if _, err := j.a.Write(bytes.Repeat([]byte("abcdefgh"), 100)); err != nil {
								return
							}
							time.Sleep(time.Second)
						}
					})
					text, err := io.ReadAll(j.b)
					if err == nil || !strings.HasPrefix(strings.Repeat("abcdefgh", 10_000), string(text)) {
						t.Errorf("%d octets, %v", len(text), err)
					}
					for i := range 2 {
						if err := <-j.end[i]; err == nil {
							t.Errorf("side %d ended well", i)
						}
					}
					if took := time.Since(began); took > time.Minute {
						t.Errorf("after %v", took)
					}
				})
			})
		}
	}
}

func TestASideThatIsGoneIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := join(t, &fakeHub{})
		time.Sleep(time.Hour)
		for i := range 2 {
			select {
			case err := <-j.end[i]:
				t.Fatalf("side %d after an hour of nothing: %v", i, err)
			default:
			}
		}
		j.hub.mu.Lock()
		j.hub.touch = func(fleet.Message) []fleet.Message { return nil }
		j.hub.mu.Unlock()
		began := time.Now()
		for i := range 2 {
			if err := <-j.end[i]; !errors.Is(err, errSilent) {
				t.Errorf("side %d: %v", i, err)
			}
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("noticed after %v", took)
		}
	})
}

func TestNothingPassesForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := join(t, &fakeHub{})
		j.s[1].mu.Lock()
		j.s[1].idle = func() time.Duration { return 15 * time.Minute }
		j.s[1].mu.Unlock()
		began := time.Now()
		for range 3 {
			time.Sleep(14 * time.Minute)
			j.a.Write([]byte("a"))
			io.ReadFull(j.b, make([]byte, 1))
		}
		if err := <-j.end[0]; err == nil || err.Error() != "nothing has passed for 15m0s" {
			t.Error(err)
		}
		<-j.end[1]
		if took := time.Since(began).Round(time.Minute); took != 57*time.Minute {
			t.Errorf("after %v", took)
		}
	})
}

// A line to the hub that carries nothing does not keep a connection from its end.
func TestTheEndDoesNotWaitForALineThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Bool
		j := join(t, &fakeHub{full: stuck.Load})
		synctest.Wait()
		stuck.Store(true)
		j.a.Write([]byte("a"))
		time.Sleep(time.Second)
		for i := range 2 { // the other one has nothing to send but that it is there
			began := time.Now()
			j.stop[i](ErrStopped)
			if err := <-j.end[i]; !errors.Is(err, ErrStopped) || time.Since(began) > time.Second {
				t.Errorf("%d: %v after %v", i, err, time.Since(began))
			}
			time.Sleep(aliveEvery + tickEvery)
		}
	})
}
