package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// insideMark tells the second run of a program that it is inside the user namespace already.
const insideMark = "VIADUCT_LAB_INSIDE"

// FirstFile is the number that the first of Enter's files has inside.
const FirstFile = 3

// Inside reports whether this is the second run of a program, see Enter.
func Inside() bool { return os.Getenv(insideMark) != "" }

// Enter makes the running program able to make network namespaces. A program that may do so
// already (root) goes on at once. Any other is run again, with the same arguments and
// files, inside a user namespace in which it counts as root, and Enter exits with its status.
// Call it first in main or TestMain: what ran before it runs twice. Files are handed on, as sockets of this machine's network.
func Enter(files ...*os.File) {
	err := mayUnshare()
	if err == nil {
		return
	}
	if Inside() {
		fmt.Fprintf(os.Stderr, "lab: make a network namespace: %v (even inside a user namespace)\n", err)
		os.Exit(1)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = files
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	// A Ctrl-C reaches both processes, they share the terminal: the inner one decides.
	signal.Ignore(os.Interrupt)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGHUP)
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends, not the process
	cmd.SysProcAttr.Pdeathsig = unix.SIGTERM
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "lab: run in a user namespace: %v\nlab: run it as root, or allow it: sysctl kernel.unprivileged_userns_clone=1 "+
			"(Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)\n", err)
		os.Exit(1)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-ended:
			if code := cmd.ProcessState.ExitCode(); err == nil || code > 0 {
				os.Exit(code)
			}
			os.Exit(1)
		}
	}
}

// mayUnshare tries to leave the network namespace on a thread that is thrown away.
func mayUnshare() error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		result <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	return <-result
}

// Namespace is one network of a world. Sockets made in it work from any goroutine afterwards.
type Namespace struct {
	Name string

	file *os.File
	jobs chan func()   // run on the thread that the namespace keeps
	gone chan struct{} // closed when that thread ends
}

// NewNamespace makes a network of its own beside those of worlds. It is to be closed.
func NewNamespace(name string) (*Namespace, error) { return newNamespace(name) }

// Close ends the namespace. Programs that run in it go on.
func (n *Namespace) Close() error { return n.close() }

func newNamespace(name string) (*Namespace, error) {
	n := &Namespace{Name: name, jobs: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error, 1)
	go n.keep(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	return n, nil
}

// keep owns a thread inside the namespace for as long as the namespace lives. Processes are
// started on it, so that Pdeathsig, which watches the starting thread, means the whole program.
func (n *Namespace) keep(ready chan<- error) {
	runtime.LockOSThread() // not unlocked: the thread must not go back to the others
	defer close(n.gone)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		ready <- err
		return
	}
	file, err := os.Open("/proc/thread-self/ns/net")
	n.file = file
	ready <- err
	if err != nil {
		return
	}
	for job := range n.jobs {
		job()
	}
}

func (n *Namespace) close() error {
	close(n.jobs)
	<-n.gone
	return n.file.Close()
}

// Do runs f on a thread inside the namespace and returns its error. f must return: it must not
// end its goroutine (t.FailNow), and goroutines that it starts are not in the namespace.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			result <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter network namespace %s: %w", n.Name, err)
			return
		}
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine
		result <- err
	}()
	return <-result
}

// Listen is net.ListenConfig.Listen inside the namespace.
func (n *Namespace) Listen(ctx context.Context, network, address string) (l net.Listener, err error) {
	err = n.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenConfig.ListenPacket inside the namespace.
func (n *Namespace) ListenPacket(ctx context.Context, network, address string) (c net.PacketConn, err error) {
	err = n.Do(func() (err error) {
		c, err = new(net.ListenConfig).ListenPacket(ctx, network, address)
		return err
	})
	return c, err
}

// Dial is net.Dialer.DialContext inside the namespace. The address must be literal.
// local, when not "", is the literal address to dial from.
func (n *Namespace) Dial(ctx context.Context, network, local, address string) (c net.Conn, err error) {
	d := net.Dialer{}
	if local != "" {
		switch network {
		case "tcp", "tcp4":
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
		case "udp", "udp4":
			d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(local)}
		}
	}
	err = n.Do(func() (err error) {
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Process is a program running inside a namespace. It is killed when the lab dies.
type Process struct {
	Cmd  *exec.Cmd
	done chan struct{}
	err  error // valid when done is closed
}

// Pin has programs that are started in the namespace from now on stay on one processor.
func (n *Namespace) Pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	result := make(chan error, 1)
	select {
	case n.jobs <- func() { result <- unix.SchedSetaffinity(0, &set) }: // which they inherit
	case <-n.gone:
		return fmt.Errorf("pin %s: %w", n.Name, net.ErrClosed)
	}
	return os.NewSyscallError("sched_setaffinity", <-result)
}

// Start starts a program inside the namespace. Its end is waited for from then on, so give it writers as Stdout and Stderr:
// what StdoutPipe returns is closed at the end, read or not.
func (n *Namespace) Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	// A pipe that a grandchild keeps open must not hold up Wait for ever.
	cmd.WaitDelay = 5 * time.Second
	started := make(chan error, 1)
	select {
	case n.jobs <- func() { started <- cmd.Start() }:
	case <-n.gone:
		return nil, fmt.Errorf("start %s: %w", cmd.Path, net.ErrClosed)
	}
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", cmd.Path, n.Name, err)
	}
	p := &Process{Cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process and returns what exec.Cmd.Wait says.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stop asks the process to end (SIGTERM), kills it after the grace period, and waits for it.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Cmd.Process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.Cmd.Path, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.Cmd.Process.Kill()
		<-p.done
	}
	return nil
}
