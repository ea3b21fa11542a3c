package link

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"viaduct/appliance/natswire"
)

// engine is the box's own server of NATS: it has no socket, and no store. The other box is a client of it that may publish under six subjects and
// subscribe to nothing; this box is the one that listens.
//
// It is no node of a cluster with the engine of the other box. What comes over a route has no bound: a box that was taken over would have this one make
// room for a gigabyte with a single line (RMSG), and subscribe without an end.
type engine struct {
	server *server.Server
	secret string // of this box, for its own connection
}

const (
	ownUser   = "own"
	otherUser = "other"
)

// startTime bounds how long an engine may take to start.
const startTime = 10 * time.Second

func startEngine() (*engine, error) {
	secret := make([]byte, 0, 32)
	for len(secret) < 32 {
		secret = place{random(), random(), random()}.append(secret)
	}
	e := &engine{secret: hex.EncodeToString(secret)}
	nothing := &server.SubjectPermission{Deny: []string{">"}}
	o := &server.Options{
		ServerName: "viaduct", DontListen: true, NoSigs: true, NoLog: true, NoSystemAccount: true, NoHeaderSupport: true, NoSublistCache: true,
		MaxConn: 8, MaxSubs: 4, MaxControlLine: 1 << 10, MaxPayload: maxMessage, MaxPending: 8 << 20, WriteDeadline: silence, AuthTimeout: 2,
		PingInterval: time.Minute, MaxPingsOut: 2, DisableShortFirstPing: true, NoAuthUser: otherUser,
		Users: []*server.User{
			{Username: ownUser, Password: e.secret, Permissions: &server.Permissions{Publish: nothing, Subscribe: &server.SubjectPermission{Allow: []string{">"}}}},
			{Username: otherUser, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: subjects}, Subscribe: nothing}},
		},
	}
	var err error
	if e.server, err = server.NewServer(o); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	e.server.Start()
	if !e.server.ReadyForConnections(startTime) {
		e.stop()
		return nil, errors.New("the engine does not start")
	}
	return e, nil
}

func (e *engine) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// listen passes on what the other box publishes, until ctx or the engine ends.
func (e *engine) listen(ctx context.Context, deliver func(subject string, message []byte)) error {
	conn, err := e.server.InProcessConn()
	if err != nil {
		return fmt.Errorf("connect to the engine: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in, err := greet(conn, hello{User: ownUser, Password: e.secret})
	if err != nil {
		return fmt.Errorf("connect to the engine: %w", err)
	}
	if _, err := io.WriteString(conn, "SUB > 1\r\n"); err != nil {
		return fmt.Errorf("listen at the engine: %w", err)
	}
	for {
		o, err := in.Next()
		if err != nil {
			return fmt.Errorf("listen at the engine: %w", err)
		}
		switch o.Verb {
		case "MSG":
			deliver(o.Subject, o.Data)
		case "PING":
			if _, err := io.WriteString(conn, "PONG\r\n"); err != nil {
				return fmt.Errorf("listen at the engine: %w", err)
			}
		case "-ERR":
			return fmt.Errorf("listen at the engine: it says %q", o.Text)
		}
	}
}

// hello is CONNECT.
type hello struct {
	Verbose  bool   `json:"verbose"`
	Pedantic bool   `json:"pedantic"`
	User     string `json:"user,omitempty"`
	Password string `json:"pass,omitempty"`
	Lang     string `json:"lang"`
	Version  string `json:"version"`
}

// greet says hello to an engine. When it returns, the engine has taken us.
func greet(conn net.Conn, h hello) (*natswire.Reader, error) {
	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	in := natswire.NewReader(conn, maxMessage)
	o, err := in.Next()
	if err != nil {
		return nil, err
	}
	if o.Verb != "INFO" {
		return nil, natswire.Garbled("it does not begin with INFO")
	}
	h.Lang, h.Version = "go", "1"
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %s\r\nPING\r\n", text); err != nil {
		return nil, err
	}
	for {
		switch o, err = in.Next(); {
		case err != nil:
			return nil, err
		case o.Verb == "PONG":
			_ = conn.SetDeadline(time.Time{})
			return in, nil
		case o.Verb == "-ERR":
			return nil, fmt.Errorf("it says %q", o.Text)
		case o.Verb == "MSG":
			return nil, natswire.Garbled("a message before its greeting")
		}
	}
}
