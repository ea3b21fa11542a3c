// Package events has the box's SIP events judged by Kamailio's presence server, which we did not write: it is told with PUBLISH and tells with
// NOTIFY.
//
// It holds tests only. Kamailio comes from Debian (see the Makefile) and runs on the loopback; a test fails when it is missing.
package events
