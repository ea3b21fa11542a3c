// Package diag is what helps to find a fault: ping and traceroute, and the debug output that sessions at consoles ask for.
//
// It owns the list of sessions, because debug output goes to them, and takes secrets out of messages that are shown. It does not own
// the log (logs) nor what the engines say. Attend, Ping and Traceroute run on the goroutines of their callers.
package diag
