//go:build race

package election

// A world has one goroutine, so the race detector has nothing to see in it: it gets one, and no flaws.
func init() { usual, flawless = 1, true }
