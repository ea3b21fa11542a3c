package status

import (
	"encoding/json"
	"net/netip"
	"time"
)

// RecordVersion is the version of Record's schema. Version 1, which says no version, had nothing of route, licenses and changes, and of an
// attempt only who was called and what came back. A reader of one version reads the fields that it knows of any other.
const RecordVersion = 2

// Record is what is kept of a call that has ended: one line of JSON.
type Record struct {
	Version       int            `json:"version,omitempty"`
	ID            string         `json:"id"`
	CallID        string         `json:"call_id"`        // of the caller's leg
	Peer          string         `json:"peer,omitempty"` // from where the call came: host:port/transport
	Started       time.Time      `json:"started"`
	Alerted       time.Time      `json:"alerted,omitzero"` // when the callee rang first
	Connected     time.Time      `json:"connected,omitzero"`
	Ended         time.Time      `json:"ended,omitzero"` // zero: it is in progress
	From          string         `json:"from"`           // SIP interfaces
	To            string         `json:"to,omitempty"`
	Calling       string         `json:"calling"` // as the caller said it
	Called        string         `json:"called"`
	CallingMapped string         `json:"calling_mapped,omitempty"` // as the destination was told it
	CalledMapped  string         `json:"called_mapped,omitempty"`
	Asked         Properties     `json:"asked,omitzero"` // the rest of what the tables were asked with
	Emergency     bool           `json:"emergency,omitempty"`
	Phone         string         `json:"phone,omitempty"`    // the identity of the phone that called
	Survival      string         `json:"survival,omitempty"` // by whose routes it went, because a peer was gone
	Licenses      LicensesInUse  `json:"licenses,omitzero"`  // when the call began, without its own
	Route         []RouteStep    `json:"route,omitempty"`
	Attempts      []Attempt      `json:"attempts,omitempty"`
	By            Party          `json:"by"`   // who ended it
	Code          int            `json:"code"` // SIP status of the call: 200 for one that was connected
	Cause         int            `json:"cause,omitempty"`
	Reason        string         `json:"reason,omitempty"`
	Microsoft     *MicrosoftText `json:"microsoft,omitempty"` // in the Reason with which Teams ended the call
	Transfers     int            `json:"transfers,omitempty"`
	Holds         int            `json:"holds,omitempty"`
	Rekeys        int            `json:"rekeys,omitempty"`
	Media         []RecordMedia  `json:"media,omitempty"` // the caller's side first
}

// ReadRecord reads a line of any version.
func ReadRecord(line []byte) (r Record, err error) {
	if err = json.Unmarshal(line, &r); err == nil && r.Version == 0 {
		r.Version = 1
	}
	return r, err
}

// OneWay is whose voice did not come while the other's did; "" when both came, or none.
func (r *Record) OneWay() Party {
	for _, m := range r.Media {
		if m.SilentS > 0 {
			return m.Side
		}
	}
	return ""
}

// Properties are the properties of a call beside its numbers, before routing.
type Properties struct {
	CalledURI   string `json:"called_uri,omitempty"`
	CallingURI  string `json:"calling_uri,omitempty"`
	CalledName  string `json:"called_name,omitempty"`
	CallingName string `json:"calling_name,omitempty"`
	CalledIP    string `json:"called_ip,omitempty"`
	CallingIP   string `json:"calling_ip,omitempty"`
	CallingPI   string `json:"calling_pi,omitempty"`
	CallingSI   string `json:"calling_si,omitempty"`
}

// LicensesInUse are the licenses in use, and how many there are.
type LicensesInUse struct {
	Sessions      int `json:"sessions"`
	SessionsTotal int `json:"sessions_total"`
	Channels      int `json:"channels"`
	ChannelsTotal int `json:"channels_total"`
}

// RouteStep is one step of a call through the tables.
type RouteStep struct {
	Table  string `json:"table"`
	Entry  string `json:"entry,omitempty"`
	Action string `json:"action"` // of package route
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Party is who ended a call. It is text, because a record may be of a version that knows other parties.
type Party string

const (
	ByCaller        Party = "caller"
	ByCallee        Party = "callee"
	ByBox           Party = "box"
	ByMedia         Party = "media"
	ByAdministrator Party = "administrator"
	ByTransfer      Party = "transfer" // the call was joined with another one, and that ended
)

// Attempt is one destination that a call tried, or passed over.
type Attempt struct {
	Interface string         `json:"interface"`
	Peer      string         `json:"peer,omitempty"` // host:port/transport
	CallID    string         `json:"call_id,omitempty"`
	Calling   string         `json:"calling"`
	Called    string         `json:"called"`
	Account   string         `json:"account,omitempty"` // as which the peer knows the caller
	Started   time.Time      `json:"started,omitzero"`
	Ringing   time.Time      `json:"ringing,omitzero"`
	Ended     time.Time      `json:"ended,omitzero"` // when it was answered, refused or given up
	Chosen    Chosen         `json:"chosen,omitempty"`
	Outcome   Outcome        `json:"outcome,omitempty"` // "": of version 1, or it is under way
	Code      int            `json:"code,omitempty"`    // 0: no answer
	Cause     int            `json:"cause,omitempty"`   // Q.850
	Text      string         `json:"text,omitempty"`    // Reason and Warning of the peer, or why it was not reached or passed over
	Microsoft *MicrosoftText `json:"microsoft,omitempty"`
}

// Chosen is why a destination had its turn.
type Chosen string

const (
	ChosenFirst     Chosen = "first"
	ChosenHunted    Chosen = "hunted"    // the cause of the one before is among those that the hunt group hunts on
	ChosenUnreached Chosen = "unreached" // the one before was silent, not reached or passed over
	ChosenEmergency Chosen = "emergency" // an emergency call tries all
	ChosenTransfer  Chosen = "transfer"  // a peer has asked for a transfer to it
	ChosenPickup    Chosen = "pickup"    // it took the call that rang elsewhere, or took over (Replaces)
	ChosenPhone     Chosen = "phone"     // the phone of the same identity before it did not answer (`fork sequential`)
	ChosenForwarded Chosen = "forwarded" // a phone has forwarded the call to it (3xx)
)

// Outcome is what became of an attempt.
type Outcome string

const (
	Answered  Outcome = "answered"
	Refused   Outcome = "refused"   // by the peer
	Unreached Outcome = "unreached" // nothing came from the peer: no name, no connection, no response
	Silent    Outcome = "silent"    // nothing within the timeout of the hunt group
	Skipped   Outcome = "skipped"   // not tried
	Declined  Outcome = "declined"  // not tried, because its Teams user does not want to be rung (presence-service)
	Unusable  Outcome = "unusable"  // it answered, and nothing could be done with its answer
	Cancelled Outcome = "cancelled" // it was under way when the call ended
)

// MicrosoftText is what Teams says beside the SIP status, in the text of Reason: an id for Microsoft's support, a code of five or six
// digits, and words.
type MicrosoftText struct {
	Code int    `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
	ID   string `json:"id,omitempty"`
}

// RecordMedia are the final figures of one side.
type RecordMedia struct {
	Side    Party          `json:"side,omitempty"`     // "": of version 1, where the caller's comes first
	CallID  string         `json:"call_id,omitempty"`  // of the leg that there was at the end
	Codec   string         `json:"codec,omitempty"`    // "PCMA/8000"
	Suite   string         `json:"suite,omitempty"`    // of SRTP
	SilentS int            `json:"silent_s,omitempty"` // seconds, more than 10, for which nothing came from this peer and packets of the other one did
	Local   netip.AddrPort `json:"local,omitzero"`     // of the box
	Remote  netip.AddrPort `json:"remote,omitzero"`    // as the peer has named it
	Media
	Course *Course `json:"course,omitempty"` // nil: of an older version, or the call was too short
}

// NotHeard stands in a Course for a value that there is none of.
const NotHeard = -1

// Course is how the voice of one peer went over the time of a call: a value for each span, the worst in it, NotHeard if nothing came all the time.
type Course struct {
	StartS       int   `json:"start_s"` // of the first span, in seconds since the call began
	StepS        int   `json:"step_s"`  // length of a span: 5 s, and twice as long each time that there would be more than 64
	LossPermille []int `json:"loss_permille"`
	JitterMS     []int `json:"jitter_ms"`
	R            []int `json:"r,omitempty"` // rating of the E-model (ITU-T G.107), 0 to 93; nil: it is not known for this codec
}

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
