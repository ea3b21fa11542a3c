package system

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/firmware"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/logs"
	"viaduct/appliance/watch"
	"viaduct/board"
)

// watched is a System of nothing but its alarms, and its log.
func watched() (*System, *logs.Ring) {
	ring := logs.NewRing(100)
	log := logs.New(nil, logs.NewSyslog(), ring)
	s := &System{log: log, updates: updates{firmware: firmware.New(firmware.Options{})}}
	s.health.Log = log
	s.eye = watch.New(&s.health, func(int, int) string { return "" })
	return s, ring
}

func TestAnEngineThatEndsIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ring := watched()
		ctx, cancel := context.WithCancel(t.Context())
		starts := make(chan time.Duration, 100)
		began := time.Now()
		var mended atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.keep(ctx, Engine{Name: "media", Down: health.RelayDown, Run: func(ctx context.Context) error {
				starts <- time.Since(began)
				if !mended.Load() {
					return errors.New("no descriptors left")
				}
				<-ctx.Done()
				return nil
			}})
		}()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for _, want := range []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second} {
			if at := <-starts; at != want {
				t.Errorf("a start at %v, want %v", at, want)
			}
		}
		if len(starts) > 0 {
			t.Errorf("%d starts too many", len(starts))
		}
		if list := s.health.Current(); len(list) != 1 || !strings.Contains(list[0].Text, "the media relay does not run: no descriptors left") {
			t.Errorf("alarms %v", list)
		}
		if why := s.health.Unfit(); len(why) != 1 {
			t.Errorf("unfit %v", why)
		}
		mended.Store(true)
		time.Sleep(lastPause + steady)
		synctest.Wait()
		if list := s.health.Current(); len(list) > 0 || len(s.health.Unfit()) > 0 {
			t.Errorf("alarms of an engine that runs: %v", list)
		}
		cancel()
		<-done
		if log := ring.Last(100); len(log) != 2 || !strings.Contains(log[0], "msg=\"alarm raised\" alarm=relay-down") || !strings.Contains(log[1], "alarm cleared") {
			t.Errorf("log %q", log)
		}
	})
}

func TestAnEngineThatHasNothingToDo(t *testing.T) {
	for down, want := range map[*health.Warnable]int{health.ServiceDown: 0, health.EngineDown: 1} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := watched()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			go s.keep(ctx, Engine{Name: "x", Down: down, Run: func(context.Context) error { return nil }})
			time.Sleep(time.Second)
			if got := len(s.health.Current()); got != want {
				t.Errorf("%s: %d alarms", down.ID, got)
			}
			cancel()
			synctest.Wait()
		})
	}
}

// The records' folder cannot be made while a file is in its way; the box says so until it is gone.
func TestCallRecordsThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	way := filepath.Join(dir, "cdr")
	if err := os.WriteFile(way, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := boxOf(t, named(t, "sim"), dir, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	says := func() bool {
		return slices.ContainsFunc(s.problems(), func(p check.Problem) bool { return strings.Contains(p.Text, `"records" does not run`) })
	}
	await(t, "the problem", says)
	if s.light() != board.LightAlarm {
		t.Error("the LED says that all is well")
	}
	if err := os.Remove(way); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the problem", func() bool { return !says() })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A box that ends for another reason takes the reload that was to come with it: its timer would restart the next one.
func TestAReloadToComeEndsWithItsBox(t *testing.T) {
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	if _, err := s.Reload(device.Reload{By: "anna", Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	timer := s.coming.timer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if timer.Stop() || s.Coming() != nil {
		t.Error("the reload is still to come")
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// mortal is a relay that ends by itself the first time.
type mortal struct {
	runner
	dies error
}

func (m mortal) Run(ctx context.Context) error {
	if m.dies == nil {
		<-ctx.Done()
	}
	return m.dies
}

// A relay that ends closes the ports of every call: the calls end with it, and the next relay serves the next calls.
func TestARelayThatEndsIsReplaced(t *testing.T) {
	made, lost := 0, 0
	r := newRelay(func() runner {
		if made++; made == 1 {
			return mortal{dies: errors.New("epoll: bad file descriptor")}
		}
		return mortal{}
	}, func() { lost++ })
	if err := r.Run(t.Context()); err == nil || lost != 1 || made != 1 {
		t.Errorf("the first: %v, lost %d, made %d", err, lost, made)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil || lost != 1 || made != 2 {
		t.Errorf("the second: %v, lost %d, made %d", err, lost, made)
	}
}

// bothAt listens over TCP and UDP at one port. Somebody else may have the number that the first one gets at the other.
func bothAt(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 100 {
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp4", tcp.Addr().String())
		if err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

// A socket that could not be opened is tried again, and is no problem any more once it is open.
func TestAGatewayWhosePortIsTakenForAWhile(t *testing.T) {
	tcp, udp := bothAt(t)
	defer tcp.Close()
	defer udp.Close()
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	cfg := config.New()
	cfg.Gateways = []*config.SIPGateway{{Name: "G", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "I", UDPTCP: uint16(tcp.Addr().(*net.TCPAddr).Port)}}}}
	s.sip.Apply(cfg, func(config.AddressBind) netip.Addr { return netip.MustParseAddr("127.0.0.1") })
	if list := s.problems(); len(list) != 2 || !strings.Contains(list[0].Text, "address already in use") {
		t.Fatalf("problems %v", list)
	}
	if why := s.deaf(); why == nil {
		t.Error("a box that hears nothing is fit")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.sip.Run(ctx) }()
	udp.Close()
	tcp.Close()
	await(t, "the end of the problem", func() bool { return len(s.problems()) == 0 })
	if why := s.deaf(); why != nil {
		t.Error(why)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
