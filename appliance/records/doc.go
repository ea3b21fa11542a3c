// Package records takes the record of each call that has ended: it writes it to flash, and sends it to syslog servers and to a web server.
//
// It owns the files of the records, how long they are kept, and what has been sent. It does not own what a record says (status.Record, package
// call), nor its other forms (package cdr).
//
// The files are the spool of the web server, too: what has been sent is a position in them, so nothing is kept twice, and the limits of the files
// are those of the spool. Others that send records on read them the same way (Reader). A batch is sent until the server takes it. A record that it
// alone refuses is left out and stays in the files.
//
// Goroutines: Run, which writes, and the poster, for which Run waits.
package records
