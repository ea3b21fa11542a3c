package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Engine is what serves the connections of a node.
type Engine string

const (
	Embedded Engine = "embedded" // in this process
	External Engine = "external" // a stock nats-server, which somebody else starts and ends
)

// ParseEngine reads the name of one.
func ParseEngine(name string) (Engine, error) {
	switch e := Engine(name); e {
	case Embedded, External:
		return e, nil
	}
	return "", fmt.Errorf("%q is no engine: it is %s or %s", name, Embedded, External)
}

// engine is the running one.
type engine interface {
	reload(*Listing) error           // accounts.conf has changed: it is of this
	guard(ctx context.Context) error // has an eye on connections until ctx ends
	ended() <-chan struct{}          // it has ended by itself
	stop()
}

// embedded is nats-server as a library.
type embedded struct {
	node    *Node
	s       *server.Server
	boxes   *tls.Config // as it was started with
	routes  *tls.Config
	done    chan struct{}
	allowed atomic.Pointer[map[string]int]
}

// startTime bounds how long an engine may take to listen: a store of many messages is read first.
const startTime = 60 * time.Second

func (n *Node) startEmbedded() (*embedded, error) {
	o, err := n.options()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	s.SetLoggerV2(&engineLog{log: slog.With("node", n.Name())}, false, false, false)
	e := &embedded{node: n, s: s, boxes: o.Websocket.TLSConfig, routes: o.Cluster.TLSConfig, done: make(chan struct{})}
	go func() {
		s.WaitForShutdown()
		close(e.done)
	}()
	s.Start()
	if !s.ReadyForConnections(startTime) {
		e.stop()
		return nil, errors.New("the engine does not start to listen: its messages above say why")
	}
	return e, nil
}

// options reads nats.conf.
func (n *Node) options() (*server.Options, error) {
	o, err := server.ProcessConfigFile(n.path(fileConf))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", n.path(fileConf), err)
	}
	o.NoSigs = true
	o.PidFile = ""      // this process is none that takes the signals of nats-server
	o.SyncAlways = true // a lease that was granted is on the disk: the pool is not overdrawn after a loss of power
	return o, nil
}

func (e *embedded) reload(l *Listing) error {
	allowed := allowances(l)
	e.allowed.Store(&allowed)
	o, err := e.node.options()
	if err != nil {
		return err
	}
	// A reload compares the TLS settings with those in use, to which handshakes write meanwhile: other ones would be a data race. So a certificate that
	// was exchanged is shown after a restart.
	o.Websocket.TLSConfig, o.Cluster.TLSConfig = e.boxes, e.routes
	return e.s.ReloadOptions(o)
}

func (e *embedded) ended() <-chan struct{} { return e.done }

func (e *embedded) stop() {
	e.s.Shutdown()
	<-e.done
}

// external is a stock nats-server with our files.
type external struct{ node *Node }

func (x *external) guard(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (x *external) ended() <-chan struct{} { return nil }
func (x *external) stop()                  {}

// reload signals the server by its pid file. While it does not run there is nothing to do: it reads the files when it starts.
func (x *external) reload(*Listing) error {
	text, err := os.ReadFile(x.node.path(filePID))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read the engine's pid: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("%s holds no pid", x.node.path(filePID))
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(name)) != "nats-server" { // the number is of a server that was killed
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("have the engine read its files: %w", err)
	}
	return nil
}
