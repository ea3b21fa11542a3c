package bus

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/status"
)

// pipe is a wire in memory, for tests in which time is not that of the world.
type pipe struct{ net.Conn }

func (p pipe) write(b []byte) error { _, err := p.Conn.Write(b); return err }

// greet takes whoever comes.
func greet(t *testing.T, conn net.Conn) *bufio.Reader {
	r := bufio.NewReader(conn)
	if _, err := conn.Write([]byte("INFO {\"nonce\":\"abc\",\"max_payload\":262144,\"headers\":true}\r\n")); err != nil {
		return nil
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil
		}
		if line == "PING\r\n" {
			if _, err := conn.Write([]byte("PONG\r\n")); err != nil {
				return nil
			}
			return r
		}
	}
}

// respond says that it is there, until the connection ends.
func respond(r *bufio.Reader, conn net.Conn) {
	for r != nil {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "PING\r\n" {
			_, _ = conn.Write([]byte("PONG\r\n"))
		}
	}
}

// inMemory makes a client whose attempts are answered by a function, with the number of the attempt.
func inMemory(t *testing.T, hub func(attempt int, node string, conn net.Conn)) (c *client, stop func()) {
	t.Helper()
	c = newClient(t)
	attempt := 0
	c.dial = func(ctx context.Context, s *Settings, n *config.HubNode) (wire, error) {
		attempt++
		here, there := net.Pipe()
		go func(attempt int) {
			hub(attempt, n.Host, there)
			there.Close()
		}(attempt)
		return pipe{here}, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	return c, func() { cancel(); <-ended }
}

func TestThePausesGrowAndAreNotAllTheSame(t *testing.T) {
	different := map[time.Duration]bool{}
	for _, refused := range []bool{false, true} {
		for tries := range 80 {
			most := lastPause
			if first := firstPause; tries < 9 && !refused || tries == 0 { // one refusal may mean nothing
				most = min(lastPause, first<<tries)
			}
			if refused && tries > 0 {
				most = min(lastPause, refusedPause<<min(max(0, tries-refusedTries), 10))
			}
			for range 20 {
				d := pause(tries, refused)
				if d < most/2 || d > most {
					t.Errorf("after %d attempts: %s, and %s is the most", tries, d, most)
				}
				different[d] = true
			}
		}
	}
	if len(different) < 1000 {
		t.Errorf("%d pauses of 3200 are different", len(different))
	}
}

func TestAttemptsAreMadeAgainAndTheirReasonIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := make(chan time.Time, 100)
		up := make(chan struct{})
		c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			attempts <- time.Now()
			select {
			case <-up:
				respond(greet(t, conn), conn)
			default:
			}
		})
		defer stop()
		c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		time.Sleep(time.Hour)
		synctest.Wait()
		var times []time.Time
		for len(attempts) > 0 {
			times = append(times, <-attempts)
		}
		s := c.State()
		if s.State != status.FleetWaiting || s.Why != "hub.example.com:443: it has ended the connection" || time.Until(s.Next) > lastPause {
			t.Errorf("%+v", s)
		}
		if len(times) < 15 || len(times) > 40 {
			t.Errorf("%d attempts in an hour", len(times))
		}
		if waits := times[len(times)-1].Sub(times[len(times)-2]); waits < lastPause/2 || waits > lastPause {
			t.Errorf("the last wait was %s", waits)
		}
		if since := time.Since(s.Since); since < 59*time.Minute {
			t.Errorf("it is not connected for %s", since)
		}
		close(up)
		time.Sleep(lastPause)
		synctest.Wait()
		if s := c.State(); s.State != status.FleetConnected {
			t.Errorf("%+v", s)
		}
		if log := c.log.String(); strings.Count(log, "\n") != 2 || !strings.Contains(log, "the hub is not reached") || !strings.Contains(log, "the hub is back") {
			t.Errorf("the log says:\n%s", log)
		}
	})
}

// A box that is refused is tried more and more slowly after some minutes, and is refused all the while.
func TestARefusalStaysUntilItIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		states := make(chan State, 100)
		known := make(chan struct{})
		var c *client
		c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			states <- c.State()
			select {
			case <-known:
				respond(greet(t, conn), conn)
			default:
				_, _ = conn.Write([]byte("-ERR 'Authorization Violation'\r\n"))
			}
		})
		defer stop()
		c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		time.Sleep(time.Hour)
		synctest.Wait()
		attempts := len(states)
		if first := <-states; first.State != status.FleetConnecting {
			t.Errorf("at first it is %s", first.State)
		}
		for range attempts - 1 {
			if s := <-states; s.State != status.FleetRefused || s.Why == "" || !s.Next.IsZero() {
				t.Errorf("%+v", s)
			}
		}
		if attempts < 45 || attempts > 85 {
			t.Errorf("%d attempts in an hour", attempts)
		}
		if log := c.log.String(); strings.Count(log, "\n") != 1 {
			t.Errorf("%s", log)
		}
		close(known)
		c.Retry()
		synctest.Wait()
		if s := c.State(); s.State != status.FleetConnected || s.Why != "" {
			t.Errorf("%+v", s)
		}
	})
}

// A node that takes new users just then refuses whoever comes. Whoever waits for a connection sees one refusal through, and not a second one.
func TestOneRefusalIsSeenThrough(t *testing.T) {
	for refusals, reached := range []bool{true, true, false} {
		synctest.Test(t, func(t *testing.T) {
			c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
				if attempt <= refusals {
					_, _ = conn.Write([]byte("-ERR 'Authorization Violation'\r\n"))
					return
				}
				respond(greet(t, conn), conn)
			})
			defer stop()
			c.Apply(Settings{Name: "anna", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
			began := time.Now()
			err := c.Reach(t.Context())
			var unreached *Unreached
			if reached && err != nil || !reached && (!errors.As(err, &unreached) || !strings.Contains(err.Error(), "does not know the key")) {
				t.Errorf("%d refusals: %v", refusals, err)
			}
			if took := time.Since(began); took > firstPause {
				t.Errorf("%d refusals: it took %s", refusals, took)
			}
		})
	}
}

// A path that swallows everything is noticed within 45 seconds, with little to say and with much.
func TestADeadPathIsNoticed(t *testing.T) {
	for name, busy := range map[string]bool{"idle": false, "busy": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dead := make(chan struct{})
				c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
					r := greet(t, conn)
					for answers := true; r != nil; {
						line, err := r.ReadString('\n')
						if err != nil {
							return
						}
						select {
						case <-dead:
							answers = false
						default:
						}
						if answers && line == "PING\r\n" {
							_, _ = conn.Write([]byte("PONG\r\n"))
						}
					}
				})
				defer stop()
				c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
				must(t, c.Reach(t.Context()))
				time.Sleep(time.Hour) // it answers
				if c.State().State != status.FleetConnected || time.Since(c.State().Since) < time.Hour {
					t.Fatalf("%+v", c.State())
				}
				_, next := c.Changed()
				close(dead)
				cut := time.Now()
				for connected := true; connected; connected, _ = c.Changed() {
					select {
					case <-next:
					case <-time.After(time.Second):
						if busy {
							_ = c.Send("box.berlin.status", []byte("x"))
						}
					}
				}
				if took := time.Since(cut); took > 45*time.Second || took < 25*time.Second {
					t.Errorf("it was noticed after %s", took)
				}
				synctest.Wait()
				if !strings.Contains(c.log.String(), "nothing is heard of it any more") {
					t.Errorf("%s", c.log)
				}
			})
		})
	}
}

// A slow line with much before the question does not look dead.
func TestAQuestionBehindMuchElseIsNoDeadPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			r := greet(t, conn)
			for r != nil {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "PUB box.") {
					time.Sleep(300 * time.Millisecond)
				}
				if line == "PING\r\n" {
					_, _ = conn.Write([]byte("PONG\r\n"))
				}
			}
		})
		defer stop()
		c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		must(t, c.Reach(t.Context()))
		since := c.State().Since
		for range 300 {
			must(t, c.Send("box.berlin.status", []byte(strings.Repeat("x", 8000))))
		}
		time.Sleep(5 * time.Minute)
		if s := c.State(); s.State != status.FleetConnected || !s.Since.Equal(since) {
			t.Errorf("%+v\n%s", s, c.log)
		}
	})
}

// A node that is cut off from the others takes connections and answers nothing. A hub of one node has no other to ask.
func TestANodeThatAnswersNothingIsLeft(t *testing.T) {
	for _, hubs := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
				r := greet(t, conn)
				for r != nil {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if line == "PING\r\n" {
						_, _ = conn.Write([]byte("PONG\r\n"))
					}
				}
			})
			defer stop()
			c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443, 444)[:hubs], Pin: "00"})
			must(t, c.Reach(t.Context()))
			first := c.State()
			for range 9 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if _, err := c.Request(ctx, fleet.LeaseOf("berlin"), nil); !errors.Is(err, fleet.ErrAway) {
					t.Errorf("%v", err)
				}
				cancel()
				if c.State().Hub != first.Hub {
					break
				}
			}
			time.Sleep(time.Second)
			if s := c.State(); s.State != status.FleetConnected || (s.Hub == first.Hub) != (hubs == 1) || s.Since.Equal(first.Since) != (hubs == 1) {
				t.Errorf("of %d nodes: %+v after %+v", hubs, s, first)
			}
		})
	}
}

// What is asked is answered before tunnels are, and both queues have an end.
func TestTunnelsWaitUntilNothingElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		go2 := make(chan struct{})
		var got []string
		c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			r := greet(t, conn)
			<-go2
			for r != nil {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if word := strings.Fields(line); len(word) > 1 && word[0] == "PUB" {
					got = append(got, word[1])
				}
			}
		})
		defer stop()
		c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		must(t, c.Reach(t.Context()))
		frame := make([]byte, 32<<10)
		n := 0
		for ; ; n++ {
			if err := c.Send("tunnel.anna.berlin.1.out", frame); err != nil {
				if !errors.Is(err, fleet.ErrAway) {
					t.Error(err)
				}
				break
			}
			synctest.Wait()
		}
		if n < 100 || n > 140 {
			t.Errorf("%d frames are taken", n)
		}
		must(t, c.Send("box.berlin.lease", nil))
		close(go2)
		synctest.Wait()
		first := 0
		for i, s := range got {
			if s == "box.berlin.lease" {
				first = i
			}
		}
		if len(got) != n+1 || first > 4 {
			t.Errorf("%d of %d have arrived, the request as number %d", len(got), n+1, first)
		}
	})
}

// A node that is lost is asked last, and the others in any order.
func TestTheNodeThatIsLostIsAskedLast(t *testing.T) {
	first := map[string]int{}
	for range 60 {
		synctest.Test(t, func(t *testing.T) {
			last := make(chan net.Conn, 10)
			c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
				last <- conn
				respond(greet(t, conn), conn)
			})
			defer stop()
			c.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: []*config.HubNode{{Host: "a", Port: 443}, {Host: "b", Port: 443}, {Host: "c", Port: 443}}, Pin: "00"})
			must(t, c.Reach(t.Context()))
			lost := c.State().Hub
			first[lost]++
			(<-last).Close()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if s := c.State(); s.State != status.FleetConnected || s.Hub == lost {
				t.Fatalf("after the loss of %s: %+v", lost, s)
			}
		})
	}
	if len(first) != 3 {
		t.Errorf("the first is %v", first)
	}
}
