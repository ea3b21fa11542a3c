package sipgw

import (
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// Incoming is a new call that arrives.
type Incoming struct {
	Leg       *Leg
	Interface config.InterfaceID // of the peer it came from
	Identity  string             // of the phone that calls; "": another peer, or an emergency call of a phone that has not shown who it is
	Request   *sipmsg.Request
	Replaces  *Leg // whose place it wants to take (RFC 3891); nil: it is a call of its own
	Hops      int  // how often the call has passed through this box before
}

// Invite says how a leg is to be called.
type Invite struct {
	Interface   config.InterfaceID
	RequestURI  string // sent byte for byte
	From, To    sipmsg.NameAddr
	ContactUser string // user part of our Contact; may be empty
	Headers     []sipmsg.Header
	Body        []byte        // SDP, or nil
	Parts       []sipmsg.Part // of the body, beside the SDP
	Hops        int           // how often the call has passed through this box, this time included
	Identity    string        // whose credentials answer a challenge: the name of an identity of the gateway's location services
	Urgent      bool          // to be tried even where a call is believed to fail

	// Targets are phones that ring at the same time, each with its URI in place of RequestURI; none: the call goes to the interface's peer. They
	// are one leg: each that rings is an early dialog, as behind a proxy that forks, the first that answers has the call, and its best refusal is
	// the leg's (RFC 3261 16.7). What fails on the way to one is no word about the interface.
	Targets []siptransport.PhoneTarget
}

// RequestID names a request inside a dialog that waits for its response.
type RequestID string

// LegInfo is what `show calls` prints about a leg. It does not change.
type LegInfo struct {
	CallID    string
	Interface config.InterfaceID
	Peer      string // host:port/transport: whom we called, or where the INVITE came from
}

// Event is one of the types below.
type Event interface{ event() }

// Progress is a provisional response to our INVITE; Code 100 says that the peer is alive.
type Progress struct {
	Code        int
	Reason      string
	Body        []byte
	ContentType string
	Headers     func(name string) []string
}

// Answered is a 2xx to our INVITE or re-INVITE. The ACK has been sent, except when we had made no offer.
type Answered struct {
	Body        []byte
	ContentType string
	Reinvite    bool
	Headers     func(name string) []string
}

// Acked is the ACK for our 200; its body is an answer when ours was an offer.
type Acked struct {
	Body        []byte
	ContentType string
}

// Failed ends an INVITE of ours, or tells that a re-INVITE was refused (then the call goes on as before).
type Failed struct {
	Code       int // 408 and 503 also stand for local failures
	Reason     string
	Cause      int    // Q.850 cause of the Reason header, 0 none
	Text       string // Reason and Warning headers, printable, for the log and the call record
	RetryAfter time.Duration
	Contacts   []string // of a 3xx: values of Contact
	Local      bool     // nothing came from the peer: DNS, TCP, TLS, timeout
	Reinvite   bool
	Err        error // why, when Local
}

// Cancelled says that the caller gave up; 487 has been sent and the leg has ended.
type Cancelled struct {
	Reason string // value of the Reason header, "" none
}

// Offered is a re-INVITE or an UPDATE; it must be answered with Respond. Body is nil when it holds no offer.
type Offered struct {
	ID          RequestID
	Method      string // "INVITE", "UPDATE"
	Body        []byte
	ContentType string
}

// Ended ends an established leg: BYE (which has been answered), or the dialog died. It ends any other that came in when its gateway closes.
type Ended struct {
	Reason string // value of the Reason header, or why the dialog died
	Code   int    // 0 for a BYE, else the response that killed it (408, 481), 408 also for the session timer and a missing ACK; 503: its gateway closes
}

// Refreshed says that Leg.State is another one than before, where no other event says so: the session timer begins anew, or the peer is
// reached elsewhere.
type Refreshed struct{}

// Info is an INFO in the dialog; it must be answered with Respond.
type Info struct {
	ID          RequestID
	ContentType string
	Body        []byte
}

// Refer is a REFER in the dialog; it must be answered with Respond. It comes only where the interface accepts transfers.
type Refer struct {
	ID                  RequestID
	ReferTo, ReferredBy string // byte for byte
	Seq                 uint32 // CSeq number: the id of the subscription that it makes (RFC 3515 2.4.6)
	Quiet               bool   // Refer-Sub: false, no NOTIFY is wanted (RFC 4488)
}

// Notified tells how a REFER of ours goes on: the status in the peer's NOTIFY, or with which it refused. After a Final one
// nothing more comes.
type Notified struct {
	Code  int
	Final bool
}

func (Progress) event()  {}
func (Answered) event()  {}
func (Acked) event()     {}
func (Failed) event()    {}
func (Cancelled) event() {}
func (Offered) event()   {}
func (Ended) event()     {}
func (Refreshed) event() {}
func (Info) event()      {}
func (Refer) event()     {}
func (Notified) event()  {}
