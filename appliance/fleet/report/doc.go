// Package report keeps the hub up to date about its box: how it is, each alarm that is raised, changed or cleared, and the records of calls.
//
// It owns what the hub has of these, and the journal of alarms, a small log on flash. It does not own the connection to the hub (fleet.Link), nor
// the records: their files are their spool, read by a records.Reader.
//
// Alarms and records are sent in their order, each until the hub has it, with an id that stays the same when one is sent again: after a kill or a
// power cut that is the case, while none is left out. A single message that the hub refuses for ever is passed over and counted.
//
// Goroutines: Run, and while the box belongs to a fleet four that it waits for: the writer of the journal, a sender of alarms, one of records, and
// the heartbeat. Without a fleet nothing runs.
package report
