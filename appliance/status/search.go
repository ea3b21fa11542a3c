package status

import "time"

// RecordSearch selects records of calls that have ended. The zero value of a field selects by nothing.
type RecordSearch struct {
	Call      string       // the ID of a call, or the Call-ID of one of its legs
	Number    string       // a part of who called or of who was called, as sent or as mapped
	Called    string       // a part of who was called
	Since     time.Time    // it started then or later
	Until     time.Time    // it started before
	Result    RecordResult // what became of it
	Code      int          // SIP status of the call
	Interface string       // SIP interface by which it came, or was to go
	Before    string       // the ID of a record: only older ones
	Last      int          // so many of them, the newest
}

// Selects reports whether the search leaves anything out beside what Before and Last do.
func (s RecordSearch) Selects() bool {
	s.Before, s.Last = "", 0
	return s != RecordSearch{}
}

// RecordResult is a class of results. A call may be of several.
type RecordResult string

const (
	ResultAnswered RecordResult = "answered"
	ResultFailed   RecordResult = "failed"  // it did not come about, or broke: neither ended nor given up by a user
	ResultMissed   RecordResult = "missed"  // nobody answered, or the caller gave up
	ResultRefused  RecordResult = "refused" // by the callee, a peer or the box
	ResultOneWay   RecordResult = "one-way" // voice of one side only
)

// RecordResults are all of them.
func RecordResults() []RecordResult {
	return []RecordResult{ResultAnswered, ResultFailed, ResultMissed, ResultRefused, ResultOneWay}
}

// RecordsFound is what a search has found.
type RecordsFound struct {
	Records []Record `json:"records"` // oldest first
	// Older is the ID with which a search goes on (Before); "": nothing is older. A search that has looked at many records ends before it has
	// found enough.
	Older string `json:"older,omitempty"`
	// Reached is when the oldest call that was looked at started.
	Reached time.Time `json:"reached,omitzero"`
}
