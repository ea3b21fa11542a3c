package console

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"go.bug.st/serial"

	"viaduct/appliance/console/edit"
)

// reopen is how long a serial line that failed is left alone (a USB adapter that was pulled).
const reopen = 2 * time.Second

// serial serves one serial line: login after login, until the context ends.
func (c *console) serial(ctx context.Context, device string) {
	said := ""
	for ctx.Err() == nil {
		err := c.serialLine(ctx, device)
		if text := fmt.Sprint(err); err != nil && ctx.Err() == nil && text != said {
			c.Log.Warn("serial line failed", "name", device, "err", err)
			said = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopen):
		}
	}
}

// serialLine serves the line until it fails.
func (c *console) serialLine(ctx context.Context, device string) error {
	port, err := serial.Open(device, &serial.Mode{BaudRate: 115200, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit})
	if err != nil {
		return fmt.Errorf("open %s: %w", device, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	scr := edit.NewScreen(whole{port})
	var reader sync.WaitGroup
	reader.Go(func() { scr.Keys.Pump(ctx, port) })
	stop := context.AfterFunc(ctx, func() { port.Close() }) // ends the reader's read
	defer func() {
		cancel()
		if stop() {
			port.Close()
		}
		reader.Wait()
	}()
	for {
		scr.Fresh()
		who, err := c.login(ctx, scr, door{tty: "serial"})
		if err != nil {
			return err
		}
		scr.Keys.Idle = who.Idle
		if err := c.newSession(scr, who.User, "serial").Run(ctx); err != nil {
			return err
		}
		scr.Fresh()
		if _, _, err := scr.Read("press Enter to log in "); err != nil {
			return err
		}
	}
}

// whole writes all of a piece, or fails: a write to a tty may be short.
type whole struct{ w io.Writer }

func (w whole) Write(p []byte) (int, error) {
	for n := 0; ; {
		m, err := w.w.Write(p[n:])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
		if m == 0 {
			return n, io.ErrShortWrite
		}
	}
}
