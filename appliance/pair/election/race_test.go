//go:build race

package election

// A world has one goroutine, so the race detector has nothing to see in it: it gets one.
func init() { usual = 1 }
