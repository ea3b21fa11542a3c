package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
)

// Programs are the box's two programs, built by the caller, and where it keeps its state.
type Programs struct {
	SBCD, Consoled string    // paths
	State          string    // folder; the socket is made in it too
	Log            io.Writer // sbcd's log; nil: nobody reads it
	Verbose        bool      // the log tells every step
	Arguments      []string  // further ones of sbcd
}

// Box is a running box in the box namespace of a world.
type Box struct {
	Socket string

	in       *Namespace
	programs Programs
	process  *Process
	client   *http.Client
}

// StartBox starts sbcd and waits until it answers. Stop it, or it ends with the world.
func (w *World) StartBox(ctx context.Context, p Programs) (*Box, error) {
	return w.StartBoxIn(ctx, w.Box, p)
}

// StartBoxIn is StartBox in the namespace of another box.
func (w *World) StartBoxIn(ctx context.Context, in *Namespace, p Programs) (*Box, error) {
	b := &Box{Socket: filepath.Join(p.State, "sbcd.sock"), in: in, programs: p}
	b.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", b.Socket)
	}}}
	if err := b.Start(ctx); err != nil {
		return nil, err
	}
	w.closers = append(w.closers, b.Stop)
	return b, nil
}

// Start starts sbcd (again).
func (b *Box) Start(ctx context.Context) error {
	args := []string{"-board", "sim", "-state", b.programs.State, "-socket", b.Socket}
	if b.programs.Verbose {
		args = append(args, "-verbose")
	}
	args = append(args, b.programs.Arguments...)
	cmd := exec.Command(b.programs.SBCD, args...)
	cmd.Stdout, cmd.Stderr = b.programs.Log, b.programs.Log
	process, err := b.in.Start(cmd)
	if err != nil {
		return err
	}
	b.process = process
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err = b.Exec(ctx, "show version"); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-process.Done():
			return fmt.Errorf("start sbcd: it ended: %w", errors.Join(process.Wait(), errors.New("see its log")))
		case <-ctx.Done():
			_ = b.Stop()
			return fmt.Errorf("start sbcd: no answer (%v): %w", err, ctx.Err())
		}
	}
}

// stopLimit ends a program that does not end by itself. One that does needs a fraction of it, also on a machine with other work.
const stopLimit = 30 * time.Second

// Stop ends sbcd in order and waits for it.
func (b *Box) Stop() error {
	b.client.CloseIdleConnections()
	if b.process == nil {
		return nil
	}
	err := b.process.Stop(stopLimit)
	b.process = nil
	return err
}

// Kill ends sbcd as a power cut would.
func (b *Box) Kill() error {
	if err := b.process.Cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill sbcd: %w", err)
	}
	<-b.process.Done()
	b.process = nil
	return nil
}

// PID is that of sbcd, 0 when it does not run.
func (b *Box) PID() int {
	if b.process == nil {
		return 0
	}
	return b.process.Cmd.Process.Pid
}

// Exec runs one command as an administrator, as after enable at the console, and returns what it prints.
// A command that fails is an error, which holds what it printed.
func (b *Box) Exec(ctx context.Context, line string) (string, error) {
	return b.ExecIn(ctx, []string{"enable"}, line)
}

// ExecIn is Exec in a mode: enable, configure, and header lines from the outermost on.
func (b *Box) ExecIn(ctx context.Context, mode []string, line string) (string, error) {
	body, err := json.Marshal(wire.ExecRequest{Mode: mode, Line: line, TTY: "lab"})
	if err != nil {
		return "", fmt.Errorf("run %q: %w", line, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://box"+wire.PathExec, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("run %q: %w", line, err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("run %q: %w", line, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return "", fmt.Errorf("run %q: %s: %s", line, resp.Status, text)
	}
	var out strings.Builder
	for d := json.NewDecoder(resp.Body); ; {
		var a wire.Answer
		if err := d.Decode(&a); err != nil {
			return out.String(), fmt.Errorf("run %q: read answer: %w", line, err)
		}
		out.WriteString(a.Text)
		switch {
		case a.Done && a.Status == wire.Error:
			return out.String(), fmt.Errorf("run %q: %s", line, strings.TrimSpace(out.String()))
		case a.Done:
			return out.String(), nil
		}
	}
}

// Paste gives text to a console of the box (consoled -stdio), as a paste, and returns what the console
// prints. It is an error when a line failed; the text tells which.
func (b *Box) Paste(ctx context.Context, text string) (string, error) {
	cmd := b.Console(ctx)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &out
	p, err := b.in.Start(cmd)
	if err != nil {
		return "", err
	}
	if err := p.Wait(); err != nil {
		lines := strings.SplitAfterN(out.String(), "\n", 31)
		return out.String(), fmt.Errorf("paste: %w:\n%s", err, strings.Join(lines[:min(len(lines), 30)], ""))
	}
	return out.String(), nil
}

// Console is the command of one console session; the caller gives it its files and starts it in Box.
func (b *Box) Console(ctx context.Context) *exec.Cmd {
	return exec.CommandContext(ctx, b.programs.Consoled, "-stdio", "-socket", b.Socket)
}

// Metrics is what the box tells Prometheus.
func (b *Box) Metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://box"+wire.PathMetrics, nil)
	if err != nil {
		return "", fmt.Errorf("read metrics: %w", err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err != nil {
		return "", fmt.Errorf("read metrics: %w", err)
	}
	return string(text), nil
}

// Pool is one row of `show system licenses`.
type Pool struct {
	Name                                           string
	BuiltIn, Installed, Leased, Total, Alloc, Free int
}

// Pools reads the license counters from the table that the console prints.
func (b *Box) Pools(ctx context.Context) (map[string]Pool, error) {
	text, err := b.Exec(ctx, "show system licenses")
	if err != nil {
		return nil, err
	}
	pools := map[string]Pool{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 7 {
			continue
		}
		p := Pool{Name: f[0]}
		ok := true
		for i, to := range []*int{&p.BuiltIn, &p.Installed, &p.Leased, &p.Total, &p.Alloc, &p.Free} {
			n, err := strconv.Atoi(f[i+1])
			*to, ok = n, ok && err == nil
		}
		if ok {
			pools[p.Name] = p
		}
	}
	return pools, nil
}

// WaitAlloc waits until so many of a pool are in use, for example 0 when all calls have ended.
func (b *Box) WaitAlloc(ctx context.Context, pool string, n int) error {
	for {
		pools, err := b.Pools(ctx)
		if err != nil {
			return err
		}
		if pools[pool].Alloc == n {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for %d %s in use, there are %d: %w", n, pool, pools[pool].Alloc, ctx.Err())
		}
	}
}

// Records returns the records of the calls that have ended, oldest first, as `show calls history` prints them.
func (b *Box) Records(ctx context.Context) (records []status.Record, err error) {
	text, err := b.Exec(ctx, "show calls history 10000 json")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		var r status.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, fmt.Errorf("read call record %q: %w", line, err)
		}
		records = append(records, r)
	}
	return records, nil
}

// WaitRecords waits until the box has written n call records.
func (b *Box) WaitRecords(ctx context.Context, n int) ([]status.Record, error) {
	for {
		records, err := b.Records(ctx)
		if err != nil || len(records) >= n {
			return records, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return records, fmt.Errorf("wait for %d call records, there are %d: %w", n, len(records), ctx.Err())
		}
	}
}

// Log is text that several programs and goroutines write.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
