package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/tunnel"
)

// endless is an operator's end on which there is always something to read, until it is closed.
type endless struct{ closed *atomic.Bool }

func (e endless) Read(p []byte) (int, error) {
	if e.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}
func (e endless) Write(p []byte) (int, error) { return len(p), nil }
func (e endless) CloseWrite() error           { return nil }
func (e endless) Close() error                { e.closed.Store(true); return nil }

// An operator who leaves while the line carries less than is to be sent: the program ends when the hub has all of it, and the last of it tells the box.
func TestTheEndOfAConnectionIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var said []string // what the hub has heard when it answers the last question
		c, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			for r := greet(t, conn); r != nil; {
				line, err := r.ReadString('\n')
				words := strings.Fields(line)
				if err != nil || len(words) < 3 || words[0] != "PUB" {
					if err != nil {
						return
					}
					continue
				}
				size, _ := strconv.Atoi(words[len(words)-1])
				body := make([]byte, size+2)
				_, _ = io.ReadFull(r, body)
				said = append(said, string(body[:min(1, size)]))
				switch {
				case words[1] == "dial.anna.berlin":
					hello := "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00"
					_, _ = fmt.Fprintf(conn, "MSG %s 1 2\r\n{}\r\n", words[2])
					_, _ = fmt.Fprintf(conn, "MSG tunnel.anna.berlin.%s.out 2 %d\r\n%s\r\n", idOf(t, body), len(hello), hello)
					<-stuck
				case len(words) == 4:
					_, _ = fmt.Fprintf(conn, "HMSG %s 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", words[2])
					return
				}
			}
		})
		defer stop()
		c.Apply(Settings{Name: "anna", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		must(t, c.Reach(t.Context()))
		ctx, leave := context.WithCancel(t.Context())
		end := make(chan error)
		go func() {
			end <- tunnel.Connect(ctx, c, tunnel.Target{Operator: "anna", Box: "berlin", Service: tunnel.SSH}, endless{new(atomic.Bool)})
		}()
		time.Sleep(time.Second)
		leave()
		synctest.Wait()
		close(stuck)
		if err := <-end; !errors.Is(err, tunnel.ErrStopped) {
			t.Error(err)
		}
		if n := len(said); n < 10 || said[n-2] != "\x05" || said[n-1] != "" {
			t.Errorf("%d messages, the last ones %q", n, said[max(0, n-3):])
		}
	})
}

// idOf is that of the connection for which somebody asks.
func idOf(t *testing.T, body []byte) string {
	var d fleet.Dial
	must(t, json.Unmarshal(body, &d))
	return d.ID
}
