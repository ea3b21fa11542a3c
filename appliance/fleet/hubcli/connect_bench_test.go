package hubcli_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/fleet/tunnel"
)

const mebi = 1 << 20

// BenchmarkTunnel has bytes go through one connection or several, and small messages to and fro. Hub and operator are processes of their own, over
// loopback, with the bus in TLS; the box and what stands behind it are the benchmark's. There is no SSH in it, which would cost more than all the rest.
func BenchmarkTunnel(b *testing.B) {
	h := hubtest.Start(b)
	box := newBox(b, h, both)
	o := newOperator(b, h, box, "anna")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go serve(l)
	box.at[tunnel.HTTPS] = l.Addr().String()

	h.Stop(0)
	engine := exec.Command(os.Args[0], "run", "-dir", h.Nodes[0].Dir())
	engine.Env = append(os.Environ(), "HUB_TEST_MAIN=1")
	engine.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := engine.Start(); err != nil {
		b.Fatal(err)
	}
	defer engine.Wait()
	defer engine.Process.Signal(syscall.SIGKILL)
	eventually(b, "the box is back at the hub", func() bool {
		c := o.dials(b)
		defer c.end()
		c.in.Write(order('g', 1))
		n, _ := io.Copy(io.Discard, c.out)
		return n == 1
	})

	for _, x := range []struct {
		name        string
		what        byte
		connections int
	}{{"to the box", 's', 1}, {"from the box", 'g', 1}, {"from the box, 20 at once", 'g', 20}} {
		b.Run(x.name, func(b *testing.B) {
			var all []*dialled
			for range x.connections {
				all = append(all, o.dials(b))
				time.Sleep(500 * time.Millisecond) // more are refused
			}
			b.SetBytes(int64(x.connections) * mebi)
			hub, own, others := cpu(b, engine.Process.Pid), ownCPU(), time.Duration(0)
			b.ResetTimer()
			var carrying sync.WaitGroup
			for _, c := range all {
				carrying.Go(func() { c.carry(b, x.what, int64(b.N)*mebi) })
			}
			carrying.Wait()
			b.StopTimer()
			own, hub = ownCPU()-own, cpu(b, engine.Process.Pid)-hub
			for _, c := range all {
				others += c.end()
			}
			each := func(d time.Duration) float64 {
				return float64(d) / float64(time.Millisecond) / float64(b.N*x.connections)
			}
			b.ReportMetric(each(own), "ms-box/MiB")
			b.ReportMetric(each(hub), "ms-hub/MiB")
			b.ReportMetric(each(others), "ms-operator/MiB")
		})
	}
	b.Run("to and fro", func(b *testing.B) {
		c := o.dials(b)
		defer c.end()
		c.in.Write([]byte{'e'})
		one := make([]byte, 1)
		for b.Loop() {
			c.in.Write(one)
			if _, err := io.ReadFull(c.out, one); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// serve is the service: it gives, takes, or echoes.
func serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			head := make([]byte, 9)
			if io.ReadFull(c, head[:1]); head[0] == 'e' {
				io.Copy(c, struct{ io.Reader }{c})
				return
			}
			io.ReadFull(c, head[1:])
			n := int64(binary.BigEndian.Uint64(head[1:]))
			switch head[0] {
			case 'g':
				for buffer := make([]byte, 64<<10); n > 0; n -= int64(len(buffer)) {
					c.Write(buffer[:min(n, int64(len(buffer)))])
				}
			case 's':
				io.CopyN(io.Discard, c, n)
				c.Write([]byte("taken"))
			}
		}()
	}
}

func order(what byte, n int64) []byte { return binary.BigEndian.AppendUint64([]byte{what}, uint64(n)) }

// dialled is a `hub connect` of an operator.
type dialled struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

func (o *operator) dials(b *testing.B) *dialled {
	c := exec.Command(os.Args[0], "connect", "-operator", o.credentials, "berlin", "https")
	c.Env = append(os.Environ(), "HUB_TEST_MAIN=1")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err1 != nil || err2 != nil || c.Start() != nil {
		b.Fatal("hub connect does not start")
	}
	return &dialled{c, in, out}
}

// end ends it and returns the processor time that it took.
func (d *dialled) end() time.Duration {
	d.in.Close()
	io.Copy(io.Discard, d.out)
	d.cmd.Wait()
	return d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime()
}

// carry moves n octets.
func (d *dialled) carry(b *testing.B, what byte, n int64) {
	d.in.Write(order(what, n))
	if what == 'g' {
		if got, err := io.CopyN(io.Discard, d.out, n); err != nil {
			b.Errorf("%d octets of %d: %v", got, n, err)
		}
		return
	}
	buffer := make([]byte, 64<<10)
	for left := n; left > 0; left -= int64(len(buffer)) {
		if _, err := d.in.Write(buffer[:min(left, int64(len(buffer)))]); err != nil {
			b.Error(err)
			return
		}
	}
	if text, err := io.ReadAll(io.LimitReader(d.out, 5)); string(text) != "taken" {
		b.Errorf("%q, %v", text, err)
	}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpu is the processor time of a process, in hundredths of a second.
func cpu(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var sum time.Duration
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ticks) * 10 * time.Millisecond
	}
	return sum
}
