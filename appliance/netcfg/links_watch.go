package netcfg

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LinkEvent says that the link of a device came or went.
type LinkEvent struct {
	Device   string
	Up, Link bool // as in PortState
	Gone     bool // the device itself went away
}

// watcher turns the kernel's messages into link events. It starts with the state of every device, and looks at all of them again when
// the kernel had more events than the socket could hold.
type watcher struct {
	updates chan netlink.LinkUpdate // closed when the subscription ends, on its own or with the context
	last    map[string]LinkEvent
}

func watch(ctx context.Context) (*watcher, error) {
	w := &watcher{last: map[string]LinkEvent{}}
	return w, w.subscribe(ctx)
}

func (w *watcher) subscribe(ctx context.Context) error {
	w.updates = make(chan netlink.LinkUpdate, 16)
	err := netlink.LinkSubscribeWithOptions(w.updates, ctx.Done(), netlink.LinkSubscribeOptions{
		ListExisting:  true,
		ErrorCallback: func(error) {}, // it ends the subscription, which take sees
	})
	if err != nil {
		close(w.updates) // there is no other writer
		return fmt.Errorf("watch links: %w", err)
	}
	return nil
}

// close ends the subscription and waits for its goroutine.
func (w *watcher) close(cancel context.CancelFunc) {
	cancel()
	for range w.updates {
	}
}

// take passes on the news in an update. It opens a closed channel (ok is false) again.
func (w *watcher) take(ctx context.Context, u netlink.LinkUpdate, ok bool, f func(LinkEvent)) error {
	if !ok {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
			return w.subscribe(ctx)
		}
	}
	a := u.Link.Attrs()
	e := LinkEvent{Device: a.Name, Gone: u.Header.Type == unix.RTM_DELLINK}
	if !e.Gone {
		e.Up, e.Link = linkState(a)
	}
	// The kernel tells much more than changes of the link: addresses, wireless scans, bridges.
	if old, known := w.last[e.Device]; !known || old != e {
		w.last[e.Device] = e
		f(e)
	}
	return nil
}
