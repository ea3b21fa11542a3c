package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/appliance/api/wire"
)

const (
	healthEvery    = 5 * time.Second
	healthTimeout  = 5 * time.Second
	healthPatience = 2 * time.Minute // a service that does not answer for so long hangs: a restart takes seconds
	feedEvery      = time.Second     // the shortest timeout of the drivers is 15 s
)

// check asks a service how it is.
type check struct {
	name string
	ask  func(context.Context) error
}

// unfit is the answer of a service that lives and cannot do its work: no reason to restart the box, and none to trust an image on trial.
type unfit []string

func (u unfit) Error() string { return strings.Join(u, "; ") }

func healthChecks() []check {
	return []check{{"sbcd", askSBCD}, {"consoled", askConsole}}
}

// askSBCD asks for a prompt, which goes through the socket, the language and the running configuration, and then whether there can
// be calls.
func askSBCD(ctx context.Context) error { return askAt(ctx, socket) }

func askAt(ctx context.Context, socket string) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	if err := askPrompt(ctx, client); err != nil {
		return err
	}
	return askHealth(ctx, client)
}

func askHealth(ctx context.Context, client http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sbcd"+wire.PathHealth, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s", response.Status)
	}
	var h wire.Health
	if err := json.NewDecoder(response.Body).Decode(&h); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if len(h.Unfit) > 0 {
		return unfit(h.Unfit)
	}
	return nil
}

func askPrompt(ctx context.Context, client http.Client) error {
	body, err := json.Marshal(wire.ExecRequest{TTY: "health"})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sbcd"+wire.PathExec, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for d := json.NewDecoder(response.Body); ; {
		var a wire.Answer
		if err := d.Decode(&a); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if a.Done {
			return nil
		}
	}
}

// askConsole waits for the greeting of its SSH server.
func askConsole(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:22")
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	greeting := make([]byte, 4)
	if _, err := io.ReadFull(conn, greeting); err != nil {
		return err
	}
	if string(greeting) != "SSH-" {
		return fmt.Errorf("greeting %q", greeting)
	}
	return nil
}

// watcher decides from the health of the services whether the box goes on.
type watcher struct {
	checks        []check
	feed, restart func()
	// A new firmware that is on trial: confirm is called once all services have answered, until it returns nil. When that has not
	// happened within limit, the box is restarted. nil: no trial.
	confirm func() error
	limit   time.Duration
}

// watch asks the services until ctx ends, and feeds the watchdog as long as they are well; when one is not, it restarts the box once
// and lets the watchdog starve. A service counts from its first good answer on: one that never comes up would be no better after
// a reset, and the box would not stay up long enough to be helped. On trial it is: then an older firmware comes back.
func (w watcher) watch(ctx context.Context) {
	var ill atomic.Bool
	var feeder sync.WaitGroup
	feeder.Go(func() {
		for wait(ctx, feedEvery) {
			if !ill.Load() {
				w.feed()
			}
		}
	})
	defer feeder.Wait()
	start, seen := time.Now(), make([]time.Time, len(w.checks))
	said := ""
	for {
		all := true
		for i, c := range w.checks {
			err := c.answer(ctx)
			var sick unfit
			lives := err == nil || errors.As(err, &sick)
			if lives {
				if seen[i].IsZero() {
					log.Printf("%s answers", c.name)
				}
				seen[i] = time.Now()
			}
			if sick != nil && w.confirm != nil && sick.Error() != said {
				said = sick.Error()
				log.Printf("trial: %s: %s", c.name, said)
			}
			switch {
			case err == nil:
				continue
			case lives:
			case seen[i].IsZero():
			case time.Since(seen[i]) > healthPatience && ill.CompareAndSwap(false, true):
				log.Printf("%s has not answered since %v (%v): restarting the box", c.name, seen[i].Format(time.TimeOnly), err)
				w.restart()
			}
			all = false
		}
		if w.confirm != nil {
			if all {
				if err := w.confirm(); err != nil {
					log.Printf("trial: %v", err)
				} else {
					w.confirm = nil
				}
			}
			if w.confirm != nil && time.Since(start) > w.limit && ill.CompareAndSwap(false, true) {
				log.Printf("trial: not healthy within %v: restarting the box", w.limit)
				w.restart()
			}
		}
		if !wait(ctx, healthEvery) {
			return
		}
	}
}

func (c check) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return c.ask(ctx)
}

// wait tells whether ctx has not ended meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// restart asks gokrazy, which listens for the signal in this process, to end the services and restart the box.
func restart() {
	if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
		log.Printf("restart: %v", err)
	}
}
