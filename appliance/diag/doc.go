// Package diag helps to find faults: ping, traceroute, and the debug output of sessions at consoles.
//
// It owns the list of sessions, because debug output goes to them, and it masks secrets in messages. It does not own the log (logs) nor
// the messages of the engines. Attend, Ping and Traceroute run on the goroutines of their callers.
package diag
