package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"viaduct/appliance/lab"
)

// pageAddress is where this machine's browser finds the box's web page; another port when it is taken.
const pageAddress = "127.0.0.1:8443"

// enterWithPage is lab.Enter with the socket of the web page, which is opened on this machine before and handed on.
func enterWithPage() (net.Listener, error) {
	if lab.Inside() {
		lab.Enter()
		f := os.NewFile(lab.FirstFile, "page")
		defer f.Close()
		l, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("socket of the web page: %w", err)
		}
		return l, nil
	}
	l, err := net.Listen("tcp", pageAddress)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("socket of the web page: %w", err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("socket of the web page: %w", err)
	}
	defer f.Close()
	lab.Enter(f)
	return l, nil
}

// webPage is the box's consoled with its web page, and the way to it from this machine.
type webPage struct {
	world    *lab.World
	listener net.Listener
	process  *lab.Process
	password string
	all      sync.WaitGroup
}

// pageAccount is who may log in.
const pageAccount = "lab"

// showPage switches the web page on, makes an account for it, and waits until it answers.
func (r *runner) showPage(ctx context.Context, l net.Listener) (*webPage, error) {
	w := &webPage{world: r.world, listener: l, password: rand.Text()[:10]}
	for _, line := range []string{"superuser " + pageAccount + " password " + w.password, "webserver https"} {
		if _, err := r.box.ExecIn(ctx, []string{"enable", "configure"}, line); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(r.programs.Consoled, "-socket", r.box.Socket, "-state", filepath.Join(r.state, "box", "console"), "-ssh", net.JoinHostPort(lab.BoxLAN.String(), "22"))
	cmd.Stdout, cmd.Stderr = r.programs.Log, r.programs.Log
	var err error
	if w.process, err = r.world.Box.Start(cmd); err != nil {
		return nil, err
	}
	w.all.Go(w.forward)
	ctx, cancel := context.WithTimeout(ctx, 2*stepTimeout)
	defer cancel()
	for {
		if err = w.answers(ctx); err == nil {
			return w, nil
		}
		select {
		case <-w.process.Done():
			return nil, errors.Join(errors.New("consoled has ended, see the log"), w.process.Wait(), w.close())
		case <-ctx.Done():
			w.close()
			return nil, fmt.Errorf("the web page does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// address is that for a browser.
func (w *webPage) address() string { return "https://" + w.listener.Addr().String() }

// answers tries a handshake, from the box's LAN: this machine's network may be out of reach.
func (w *webPage) answers(ctx context.Context) error {
	c, err := w.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) // the box's own certificate: nobody has looked at it yet
}

// dial connects to the page in the box's LAN.
func (w *webPage) dial(ctx context.Context) (net.Conn, error) {
	return w.world.LAN.Dial(ctx, "tcp", "", net.JoinHostPort(lab.BoxLAN.String(), "443"))
}

// forward leads connections into the box's network.
func (w *webPage) forward() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.all.Go(func() {
			defer from.Close()
			to, err := w.dial(context.Background())
			if err != nil {
				return
			}
			defer to.Close()
			var back sync.WaitGroup
			back.Go(func() {
				io.Copy(from, to)
				from.Close()
			})
			io.Copy(to, from)
			to.Close()
			back.Wait()
		})
	}
}

// close ends the page. Connections end with consoled.
func (w *webPage) close() error {
	err := errors.Join(w.listener.Close(), w.process.Stop(5*time.Second))
	w.all.Wait()
	return err
}
