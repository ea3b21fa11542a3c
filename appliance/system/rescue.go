package system

import (
	"context"
	"os"
	"strings"
	"time"
)

// The orders that a console leaves for the next start when sbcd does not answer it.
const (
	orderRestart  = "restart"
	orderPrevious = "previous" // start with the startup-config before the last one
	orderFactory  = "factory"  // start with nothing
)

// takeOrder reads the order that waits in file, and takes it away: it is for one start only.
func takeOrder(file string) string {
	text, err := os.ReadFile(file)
	if err != nil || len(text) == 0 {
		return ""
	}
	// Emptied rather than removed: the file belongs to the console, which may not be able to make it again.
	if err := os.Truncate(file, 0); err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// obey restarts the box when an order comes while it runs: the console asks when it gets no answers, whatever still works.
func (s *System) obey(ctx context.Context) error {
	if s.o.Rescue == "" {
		return nil
	}
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			if fi, err := os.Stat(s.o.Rescue); err == nil && fi.Size() > 0 {
				s.log.Warn("restart ordered at the console")
				s.restart(false)
				return nil
			}
		}
	}
}
