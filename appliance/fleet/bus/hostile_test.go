package bus

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/status"
)

// Whatever a hub says, it is bounded, and the box goes on.
func TestAHubThatTalksNonsense(t *testing.T) {
	key := newKeyOf(t)
	const info = "INFO {\"nonce\":\"abc\",\"max_payload\":262144}\r\n"
	for name, c := range map[string]struct{ say, why string }{
		"nothing, and the end":      {"", "it has ended the connection"},
		"another protocol":          {"HTTP/1.1 200 OK\r\n", `it does not speak NATS: it says "HTTP/1.1"`},
		"an endless line":           {"INFO " + strings.Repeat("x", 1<<20), "it does not speak NATS: a line of more than 32 KiB"},
		"no INFO":                   {"PING\r\n", "it does not begin with INFO"},
		"an INFO that is none":      {"INFO []\r\n", "an INFO that is none"},
		"small messages alone":      {"INFO {\"nonce\":\"abc\",\"max_payload\":100}\r\n", "it takes messages of 100 octets at most"},
		"no question for a key":     {"INFO {}\r\n", "it does not ask for a key"},
		"an error at once":          {"-ERR 'maximum connections exceeded'\r\n", `it says "maximum connections exceeded"`},
		"an error that is hostile":  {"-ERR '\x1b[2Jevil'\r\n", `it says "\\x1b[2Jevil"`},
		"an error after its name":   {info + "-ERR 'out of order'\r\n", `it says "out of order"`},
		"a line that is too slow":   {info + "-ERR 'Authentication Timeout'\r\n", `it says "Authentication Timeout"`},
		"a message too early":       {info + "MSG a 1 0\r\n\r\n", "a message before its greeting"},
		"a message as large as all": {info + "PONG\r\nMSG a 2 900000000000000000\r\nxxxxx", "with wrong figures"},
		"a message too large":       {info + "PONG\r\nMSG a 2 300000\r\nxxxxx", "a message of 300000 octets, where 262144 are the most"},
		"a size below zero":         {info + "PONG\r\nMSG a 2 -1\r\n", "with wrong figures"},
		"a header beyond its end":   {info + "PONG\r\nHMSG a 2 12 4\r\nxxxx\r\n", "with wrong figures"},
		"too little":                {info + "PONG\r\nMSG a\r\n", "without what belongs to it"},
		"too much":                  {info + "PONG\r\nMSG a b c d e f\r\n", "without what belongs to it"},
		"a message without its end": {info + "PONG\r\nMSG a 2 1\r\nxyz\r\n", "a message without its end"},
		"a word that is none":       {info + "PONG\r\nFOO\r\n", `it says "FOO"`},
		"half a message":            {info + "PONG\r\nMSG a 2 10\r\nxyz", "it has ended the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
					go func() { _, _ = io.Copy(io.Discard, conn) }()
					_, _ = io.WriteString(conn, c.say)
				})
				defer stop()
				b.Apply(Settings{Name: "berlin", Key: key, Hubs: nodes(443), Pin: "00"})
				time.Sleep(10 * time.Millisecond)
				if s := b.until(status.FleetWaiting); !strings.Contains(s.Why, c.why) || strings.ContainsRune(s.Why, '\x1b') {
					t.Errorf("%q", s.Why)
				}
			})
		})
	}
}

// A hub that never answers, or only half.
func TestAHubThatKeepsSilent(t *testing.T) {
	for name, say := range map[string]string{"never": "", "half a line": "INFO {\"nonce\"", "half a greeting": "INFO {\"nonce\":\"abc\",\"max_payload\":262144}\r\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
					_, _ = io.WriteString(conn, say)
					_, _ = io.Copy(io.Discard, conn)
				})
				defer stop()
				b.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
				began := time.Now()
				time.Sleep(attemptTime)
				synctest.Wait()
				if s := b.State(); !strings.HasSuffix(s.Why, ": no answer in time") {
					t.Errorf("after %s: %+v", time.Since(began), s)
				}
			})
		})
	}
}

// A hub that sends what nobody asked for is not listened to, and one that asks without an end is left.
func TestWhatNobodyAskedForIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flood := make(chan struct{})
		b, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			r := greet(t, conn)
			if r == nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, r) }()
			for _, m := range []string{
				"MSG dial.anna.berlin 99 1\r\nx\r\n", "MSG box.paris.status 2 1\r\nx\r\n", "MSG to.berlin 2 1\r\nx\r\n", "MSG to.berlin.lease.now 2 1\r\nx\r\n",
				"MSG _INBOX_berlin.x 1 1\r\nx\r\n", "+OK\r\n", "INFO {\"connect_urls\":[\"evil.example.com:443\"]}\r\n", "MSG to.berlin.lease 2 1\r\ny\r\n",
			} {
				_, _ = io.WriteString(conn, m)
			}
			<-flood
			for {
				if _, err := io.WriteString(conn, strings.Repeat("PING\r\n", 1000)); err != nil {
					return
				}
			}
		})
		defer stop()
		heard := make(chan string, 10)
		_, err := b.Listen("to.berlin.*", func(m fleet.Message) { heard <- m.Subject + " " + string(m.Data) })
		must(t, err)
		b.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		if got := receive(t, heard); got != "to.berlin.lease y" {
			t.Errorf("%q", got)
		}
		if s := b.State(); s.State != status.FleetConnected || s.Hub != "hub.example.com:443" {
			t.Errorf("%+v", s)
		}
		close(flood)
	})
}

// A hub that takes nothing any more is left, and nothing waits for it without an end.
func TestAHubThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := inMemory(t, func(attempt int, node string, conn net.Conn) {
			if greet(t, conn) != nil {
				_, _ = io.WriteString(conn, strings.Repeat("PING\r\n", 1_000_000)) // 6 MB of answers, which it does not read
			}
		})
		defer stop()
		b.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(443), Pin: "00"})
		if s := b.until(status.FleetWaiting); !strings.Contains(s.Why, "takes what is sent too slowly") {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatAStreamSays(t *testing.T) {
	for said, want := range map[string]error{
		`{"stream":"ALARMS","seq":7}`:                  nil,
		`{"stream":"ALARMS","seq":7,"duplicate":true}`: nil,
		`{"error":{"code":503,"err_code":10008,"description":"system temporarily unavailable"},"stream":"A"}`: fleet.ErrAway,
		`{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`:        fleet.ErrRefused,
		`{"error":{"code":429}}`: fleet.ErrAway,
		`{}`:                     fleet.ErrAway,
		``:                       fleet.ErrAway,
		`+OK`:                    fleet.ErrAway,
	} {
		if err := kept([]byte(said)); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v", said, err)
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a", false}, {"a", "a.b", false}, {"a.*", "a.b", true}, {"a.*", "a.b.c", false}, {"a.>", "a.b.c", true}, {"a.>", "a", false},
		{"*.b", "a.b", true}, {"a.*.c", "a.b.c", true}, {"a.*.c", "a..c", false}, {">", "a", true}, {"a", "b", false},
	} {
		if got := fits(c.pattern, c.subject); got != c.want {
			t.Errorf("%s, %s: %v", c.pattern, c.subject, got)
		}
	}
}
