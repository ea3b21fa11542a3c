package main

import (
	"context"
	"log"
	"os"
	"time"
)

// startLimit is how long a start may take. Formatting a large card takes minutes.
const startLimit = 5 * time.Minute

// watchdog is the hardware's: when it is not fed for its timeout (15 to 60 s, by the driver), it resets the box.
type watchdog struct{ device *os.File }

// openWatchdog starts it; a box without one is a box without one. The kernel has mounted /dev before PID 1 runs.
func openWatchdog(name string) *watchdog {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		log.Printf("no hardware watchdog: %v", err)
		return &watchdog{}
	}
	w := &watchdog{f}
	w.feed() // the kernel may have run it since long before us
	return w
}

func (w *watchdog) feed() {
	if w.device == nil {
		return
	}
	if _, err := w.device.Write([]byte{0}); err != nil {
		log.Printf("feed watchdog: %v", err)
	}
}

// feedFor feeds the watchdog until stop is called, but no longer than limit: a start that hangs is to be reset.
func (w *watchdog) feedFor(limit time.Duration) (stop func()) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for wait(ctx, feedEvery) {
			w.feed()
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
