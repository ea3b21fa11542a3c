package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

func controlSocket(state string) string { return filepath.Join(state, "lab.sock") }

// The last line that a running lab writes says how it went.
const (
	endedWell = "\x00ok"
	endedBad  = "\x00failed"
)

// ask is `lab call ...`: it hands the words to the running lab and prints what happens.
func ask(state string, words []string) int {
	conn, err := net.Dial("unix", controlSocket(state))
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: no lab is running (start one with `make run`)")
		return 1
	}
	defer conn.Close()
	how := "plain"
	if term.IsTerminal(int(os.Stdout.Fd())) {
		how = "colour"
	}
	if _, err := fmt.Fprintln(conn, how, strings.Join(words, " ")); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); line {
		case endedWell:
			return 0
		case endedBad:
			return 1
		default:
			fmt.Println(line)
		}
	}
	fmt.Fprintln(os.Stderr, "lab: the lab has ended")
	return 1
}

// control serves `lab call` until its listener is closed, one caller at a time.
type control struct {
	r  *runner
	l  net.Listener
	wg sync.WaitGroup
}

func newControl(ctx context.Context, r *runner) (*control, error) {
	l, err := net.Listen("unix", controlSocket(r.state))
	if err != nil {
		return nil, fmt.Errorf("listen for `lab call`: %w", err)
	}
	c := &control{r: r, l: l}
	c.wg.Go(func() { c.serve(ctx) })
	return c, nil
}

func (c *control) close() {
	c.l.Close()
	c.wg.Wait()
}

func (c *control) serve(ctx context.Context) {
	for {
		conn, err := c.l.Accept()
		if err != nil {
			return
		}
		c.answer(ctx, conn)
		conn.Close()
	}
}

func (c *control) answer(ctx context.Context, conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(io.LimitReader(conn, 1<<10)).ReadString('\n')
	if err != nil {
		return
	}
	how, words, _ := strings.Cut(line, " ")
	c.r.n.switchTo(conn, how == "colour")
	err = c.call(ctx, strings.Fields(words))
	if err != nil {
		c.r.n.failed(err)
	}
	c.r.n.switchTo(nil, false)
	end := endedWell
	if err != nil {
		end = endedBad
	}
	_, _ = fmt.Fprintln(conn, end)
}

func (c *control) call(ctx context.Context, words []string) error {
	if len(words) < 2 || words[0] != "call" {
		return fmt.Errorf("%q: only call teams|pbx [TIME] is known", strings.Join(words, " "))
	}
	stay := 20 * time.Second
	if len(words) > 2 {
		d, err := time.ParseDuration(words[2])
		if err != nil || d < 0 || d > time.Hour {
			return fmt.Errorf("time %q: something like 20s or 5m", words[2])
		}
		stay = d
	}
	switch words[1] {
	case "teams":
		return c.r.fromTeams(ctx, stay)
	case "pbx":
		return c.r.fromPBX(ctx, stay)
	}
	return fmt.Errorf("%q: call teams or call pbx", words[1])
}
