package system

import (
	"context"
	"os"
	"strings"
	"time"
)

// A console leaves these orders for the next start when sbcd does not answer.
const (
	orderRestart  = "restart"
	orderPrevious = "previous" // start with the startup-config before the last one
	orderFactory  = "factory"  // start with nothing
)

// takeOrder reads the order in file and removes it: it is for one start only.
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

// obey restarts the box when an order comes while it runs: the console leaves one when it gets no answers, even if calls still work.
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
				s.noteBox("restart ordered at a console that got no answers")
				s.restart(false)
				return nil
			}
		}
	}
}
