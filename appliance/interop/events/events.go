// Package events has the box's SIP events judged by programs that we did not write: Kamailio as presence server and as the registrar of the box, which is told
// with PUBLISH and tells with NOTIFY who is on the phone and which messages wait; baresip and SIPp as phones, which register and watch.
//
// It holds tests only. The programs come from Debian (see the Makefile) and run on the loopback; a test fails when one is missing.
package events
