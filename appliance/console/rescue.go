package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// rescue is what a console can do while sbcd does not answer: say why, from the log that sbcd leaves beside its socket, and
// leave an order there for its next start. Whoever stands at the box may do that without a password: he could as well take
// the flash card out. Over the network nobody can.
type rescue struct {
	log, orders string // files
}

func newRescue(socket string) *rescue {
	base := strings.TrimSuffix(socket, ".sock")
	return &rescue{log: base + ".log", orders: base + ".rescue"}
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

// why is the end of sbcd's log.
func (r *rescue) why() string {
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

// order leaves an order for sbcd.
func (r *rescue) order(word string) error {
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

// menu says what can be done; the keys of a login, the words of a session.
func (r *rescue) menu(words bool) string {
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

// pressed waits for a key of the menu for as long as one try to reach sbcd takes, and does what it says once it is confirmed.
func (r *rescue) pressed(ctx context.Context, scr *screen) {
	if !scr.keys.wait(0, retry) {
		if scr.keys.ended() != nil { // nothing to wait for any more
			select {
			case <-time.After(retry):
			case <-ctx.Done():
			}
		}
		return
	}
	key := scr.keys.key()
	for _, o := range orders {
		if key != string(o.key) {
			continue
		}
		scr.print(o.does + "? (y/n) ")
		const patient = 10 * time.Second
		if !scr.keys.wait(0, patient) || scr.keys.key() != "y" {
			scr.println("no")
			return
		}
		scr.println("yes")
		if err := r.order(o.word); err != nil {
			scr.println("% " + err.Error())
		}
		return
	}
}

// typed does what a session at the box types while sbcd is down; false when it is no order.
func (r *rescue) typed(scr *screen, line string) bool {
	for _, o := range orders {
		if strings.TrimSpace(line) != o.word {
			continue
		}
		if err := r.order(o.word); err != nil {
			scr.println("% " + err.Error())
		} else {
			scr.println("sbcd will " + o.does)
		}
		return true
	}
	return false
}
