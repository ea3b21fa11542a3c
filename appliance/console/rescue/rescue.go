// Package rescue is what a console can do while sbcd does not answer: show why, from the log that sbcd leaves beside its socket, and leave
// an order for its next start. It owns the words and keys of the orders; what they do is sbcd's. It has no goroutines.
package rescue

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"viaduct/appliance/console/edit"
)

// Rescue shows the end of sbcd's log and leaves orders. A user at the box needs no password for it, as he could take the flash card out
// just as well. Consoles over the network have no rescue.
type Rescue struct {
	log, orders string // names of files
}

func New(socket string) *Rescue {
	base := strings.TrimSuffix(socket, ".sock")
	return &Rescue{log: base + ".log", orders: base + ".rescue"}
}

// The orders, by the key that gives them at a login and the word that gives them in a session.
var orders = []struct {
	key  byte
	word string
	does string
}{
	{'r', "restart", "start it again"},
	{'p', "previous", "start it with the startup-config before the last one"},
	{'f', "factory", "start it with the factory settings; the startup-config stays as it is"},
}

// tailLines is how much of the log is shown.
const tailLines = 10

// Why is the end of sbcd's log.
func (r *Rescue) Why() string {
	f, err := os.Open(r.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 8 << 10
	if fi, err := f.Stat(); err == nil && fi.Size() > most {
		f.Seek(-most, io.SeekEnd)
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || len(text) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "% the end of its log:\n  " + strings.Join(lines[max(0, len(lines)-tailLines):], "\n  ") + "\n"
}

// File is the name of the file for orders.
func (r *Rescue) File() string { return r.orders }

// order leaves an order for sbcd.
func (r *Rescue) order(word string) error {
	f, err := os.OpenFile(r.orders, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("order for sbcd: %w", err)
	}
	_, err = io.WriteString(f, word+"\n")
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("order for sbcd: %w", err)
	}
	return nil
}

// Menu says what can be done; the keys of a login, the words of a session.
func (r *Rescue) Menu(words bool) string {
	var b strings.Builder
	for _, o := range orders {
		name := string(o.key)
		if words {
			name = o.word
		}
		fmt.Fprintf(&b, "  %-9s %s\n", name, o.does)
	}
	return b.String()
}

// Pressed waits up to wait for a key of the menu, asks for a confirmation, and leaves the order.
func (r *Rescue) Pressed(ctx context.Context, scr *edit.Screen, wait time.Duration) {
	if !scr.Keys.Wait(0, wait) {
		if scr.Keys.Ended() != nil { // nothing to wait for any more
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		return
	}
	key := scr.Keys.Key()
	for _, o := range orders {
		if key != string(o.key) {
			continue
		}
		scr.Print(o.does + "? (y/n) ")
		const patient = 10 * time.Second
		if !scr.Keys.Wait(0, patient) || scr.Keys.Key() != "y" {
			scr.Println("no")
			return
		}
		scr.Println("yes")
		if err := r.order(o.word); err != nil {
			scr.Println("% " + err.Error())
		}
		return
	}
}

// Typed leaves the order that a line of a session at the box names; false when it names none.
func (r *Rescue) Typed(scr *edit.Screen, line string) bool {
	for _, o := range orders {
		if strings.TrimSpace(line) != o.word {
			continue
		}
		if err := r.order(o.word); err != nil {
			scr.Println("% " + err.Error())
		} else {
			scr.Println("sbcd will " + o.does)
		}
		return true
	}
	return false
}
