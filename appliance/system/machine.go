package system

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/capture"
	"viaduct/appliance/config"
	"viaduct/appliance/diag"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/logs"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"

	"golang.org/x/sys/unix"
)

// Serial is the serial number of the board.
func (s *System) Serial() string { return s.o.Board.SerialNumber() }

// System describes the software, the board and their load.
func (s *System) System() status.System {
	v := status.System{
		Product: "Viaduct SBC", Release: s.o.Release.Version, Commit: s.o.Release.Commit, Built: s.o.Release.Built, Board: s.o.Board.Name(), Serial: s.o.Board.SerialNumber(),
		GoVersion: runtime.Version(), Started: s.start, Memory: memory(), Start: s.o.Start.Steps(), Overload: s.sip.Overload(),
		Processors: processors(), Draining: s.drains.Status(),
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		v.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	}
	if t, ok := s.o.Board.Temperature(); ok {
		v.Temperature = &t
	}
	var m unix.Sysinfo_t
	if unix.Sysinfo(&m) == nil {
		v.Uptime = time.Duration(m.Uptime) * time.Second
		v.RAM = status.Space{Free: uint64(m.Freeram+m.Bufferram) * uint64(m.Unit), Total: uint64(m.Totalram) * uint64(m.Unit)}
	}
	var f unix.Statfs_t
	if unix.Statfs(s.o.StateDir, &f) == nil {
		v.Flash = status.Space{Free: f.Bavail * uint64(f.Bsize), Total: f.Blocks * uint64(f.Bsize)}
	}
	return v
}

// processors reads /proc/stat, whose unit is a hundredth of a second on every architecture.
func processors() (list []status.Processor) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 9 || !strings.HasPrefix(words[0], "cpu") || words[0] == "cpu" {
			continue
		}
		var p status.Processor
		for n, w := range words[1:9] { // what follows is counted in these already
			ticks, _ := strconv.ParseInt(w, 10, 64)
			spent := time.Duration(ticks) * 10 * time.Millisecond
			if n == 3 || n == 4 { // idle, and idle while something is written
				p.Idle += spent
			} else {
				p.Busy += spent
			}
		}
		list = append(list, p)
	}
	return list
}

func memory() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() - sample[1].Value.Uint64()
}

// Log returns the last n lines of the log.
func (s *System) Log(n int) []string { return s.o.Ring.Last(n) }

// FollowLog calls each for every new line of the log until ctx ends or each fails.
func (s *System) FollowLog(ctx context.Context, each func(line string) error) error {
	return s.o.Ring.Follow(ctx, each)
}

// Clock returns the time and its source.
func (s *System) Clock() status.Clock { return s.clock.Status() }

// SyncClock asks the time servers now and steps the clock.
func (s *System) SyncClock(ctx context.Context) error { return s.clock.Sync(ctx) }

// Ping sends ICMP echo requests.
func (s *System) Ping(ctx context.Context, p device.Ping, report func(string)) error {
	addrs, err := s.resolver.Lookup(ctx, p.Host)
	if err != nil {
		return err
	}
	return diag.Ping(ctx, diag.Echoes{To: addrs[0], Source: p.Source, Count: p.Count, Size: p.Size, Whole: p.Whole}, report)
}

// Traceroute shows the routers on the way to a host.
func (s *System) Traceroute(ctx context.Context, host string, report func(string)) error {
	addrs, err := s.resolver.Lookup(ctx, host)
	if err != nil {
		return err
	}
	return diag.Traceroute(ctx, addrs[0], report)
}

// Sessions lists the consoles that are logged in, the oldest first.
func (s *System) Sessions() []status.Session { return s.sessions.List() }

// Attend keeps a session in the list of `who` and gives it what it debugs, until ctx ends or each fails.
func (s *System) Attend(ctx context.Context, info status.Session, each func(text string) error) error {
	return s.sessions.Attend(ctx, info, each)
}

// Debug switches a topic on or off for the session on a terminal; topic "all" is every one.
func (s *System) Debug(tty, topic string, on bool) error { return s.sessions.Debug(tty, topic, on) }

// Capture takes the packets of a port.
func (s *System) Capture(ctx context.Context, slot, port int, o capture.Options, each func(capture.Frame) error) (capture.Result, error) {
	o.Device = s.o.Board.PortName(slot, port)
	return capture.Run(ctx, o, each)
}

// DebugCalls shows the calls of a number or a peer in the session on a terminal.
func (s *System) DebugCalls(tty, text string) error { return s.sessions.DebugCalls(tty, text) }

// Lookup asks the name servers of the box.
func (s *System) Lookup(ctx context.Context, host string) ([]string, error) {
	a, err := s.resolver.Ask(ctx, host)
	var list []string
	for _, addr := range a.Addrs {
		list = append(list, addr.String())
	}
	if known := s.resolver.Cached(host); err != nil && len(known) > 0 {
		list = append(list, fmt.Sprintf("the last answer is still in use: %s", strings.Trim(fmt.Sprint(known), "[]")))
	}
	return list, err
}

// network reads the state of the configured ports from the kernel. An error goes to the log, and the state is empty.
func (s *System) network() status.Network {
	n, err := s.net.State(s.Running())
	if err != nil {
		s.log.Warn("network state not read", "err", err)
	}
	return n
}

// IPInterfaces lists the interfaces of every IP context with their state in the kernel.
func (s *System) IPInterfaces() []status.IPInterface {
	return netcfg.Interfaces(s.Running(), s.network().Ports)
}

// IPRoutes lists the kernel's routes.
func (s *System) IPRoutes() []status.Route { return s.network().Routes }

// Neighbours lists the hosts of the attached networks that the kernel knows.
func (s *System) Neighbours() ([]status.Neighbour, error) { return s.net.Neighbours() }

// Ports lists the physical ports.
func (s *System) Ports() []status.Port {
	return slices.DeleteFunc(s.network().Ports, func(p status.Port) bool { return p.VLAN != 0 })
}

// NameServers lists the name servers in use.
func (s *System) NameServers() []status.NameServer { return s.resolver.Status() }

// sendSyslog sends the log to the syslog servers until ctx ends.
func (s *System) sendSyslog(ctx context.Context) error {
	if s.o.Syslog == nil {
		return nil
	}
	return s.o.Syslog.Run(ctx, logs.SyslogNeeds{
		Lookup: s.resolver.Lookup,
		TLS:    func(p *config.TLSProfile, host string) (*tls.Config, error) { return pki.ClientConfig(p, s, host) },
		Away: func(server, why string) {
			if why == "" {
				s.health.Clear(health.SyslogAway, server)
				return
			}
			s.health.Set(health.SyslogAway, health.Args{"server": server, "why": why})
		},
	})
}
