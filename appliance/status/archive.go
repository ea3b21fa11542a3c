package status

import "time"

// CallRecords is what is kept of call records, and where they go.
type CallRecords struct {
	Days    int         `json:"days"`            // for which they are kept
	First   string      `json:"first,omitempty"` // day (UTC) of the oldest
	Octets  int64       `json:"octets"`
	Limit   int64       `json:"limit"`             // of Octets: then the oldest go
	Waiting int         `json:"waiting,omitempty"` // records in memory that the flash has not taken
	Syslog  string      `json:"syslog,omitempty"`  // facility; "": they do not go there
	Post    *RecordPost `json:"post,omitempty"`
}

// RecordPost is how far a web server has the records.
type RecordPost struct {
	URL      string    `json:"url"`               // without a query
	Waiting  int64     `json:"waiting"`           // octets of records that it does not have yet
	Accepted time.Time `json:"accepted,omitzero"` // when it took some last
	Failing  string    `json:"failing,omitempty"` // why it takes none
	Since    time.Time `json:"since,omitzero"`
	Refused  uint64    `json:"refused,omitempty"` // single records that it does not want
	Deleted  bool      `json:"deleted,omitempty"` // some were deleted unsent since it had all
}
