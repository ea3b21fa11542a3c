// Command qemu starts an image in an emulator, with the box's serial line in this terminal. See docs/image.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/term"

	"viaduct/image"
)

// leave is Ctrl-].
const leave = 0x1d

func main() {
	ssh := flag.String("ssh", "127.0.0.1:2222", "`address` here that leads to 192.168.1.1:22 on port ethernet 0 0")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: qemu [-ssh ADDRESS] IMAGE")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *ssh); err != nil {
		fmt.Fprintln(os.Stderr, "qemu:", err)
		os.Exit(1)
	}
}

func run(disk, ssh string) error {
	work, err := os.MkdirTemp("", "viaduct-qemu")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	runtime.LockOSThread() // the emulator ends with the thread that started it, and this one ends with the program
	m := image.Machine{
		Disk: disk, Work: work,
		LAN: image.Wire{Net: "192.168.1.0/24", Host: "192.168.1.2", Forwards: []string{ssh + "-192.168.1.1:22"}},
		WAN: image.Wire{Net: "203.0.113.0/24", Host: "203.0.113.2"},
	}
	fmt.Println("Ctrl-] cuts the power. The prompt comes after some five seconds.")
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		state, err := term.MakeRaw(fd)
		if err != nil {
			return err
		}
		defer term.Restore(fd, state)
	}
	keys := make(chan byte)
	go func() { // ends with the process
		defer close(keys)
		for b := make([]byte, 1); ; {
			if _, err := io.ReadFull(os.Stdin, b); err != nil {
				return
			}
			if b[0] == leave {
				stop()
				return
			}
			keys <- b[0]
		}
	}()
	for ctx.Err() == nil { // it ends when the box restarts
		if err := once(ctx, m, keys); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// once runs the emulator until the box restarts or the power is cut.
func once(ctx context.Context, m image.Machine, keys <-chan byte) error {
	cmd, err := m.Command(ctx)
	if err != nil {
		return err
	}
	line, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	// Not os.Stdout itself: QEMU would make the terminal answer reads at once, ours among them, and the first pause would end the keys.
	cmd.Stdout, cmd.Stderr = struct{ io.Writer }{os.Stdout}, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case b, ok := <-keys:
			if !ok {
				keys = nil
				continue
			}
			if _, err := line.Write([]byte{b}); err != nil {
				return errors.Join(err, <-ended)
			}
		}
	}
}
