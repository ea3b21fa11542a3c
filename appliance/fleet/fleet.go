// Package fleet is what the boxes of a fleet and their hub say to each other: names, subjects and messages, all as JSON over NATS.
//
// It owns the words of that talk and nothing that talks. A hub has an account for each customer; every subject here is one of such an account, so
// that customers share none. Fields that one side does not know are ignored; Version goes up with a change that would be misunderstood.
package fleet

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/status"
)

// Version is that of the messages.
const Version = 1

// CheckName says why a name of a box, an operator or a customer is none: 1 to 32 of a to z, 0 to 9 and the hyphen, which neither begins nor ends
// it. It is a token of subjects as it stands.
func CheckName(name string) error {
	if len(name) == 0 || len(name) > 32 {
		return fmt.Errorf("a name has 1 to 32 characters, not %d", len(name))
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-' && i > 0 && i < len(name)-1:
		default:
			text := fmt.Sprintf("%q is not a name: it has small letters, digits and hyphens between them", name)
			if near := NearName(name); near != "" {
				text += ", such as " + near
			}
			return errors.New(text)
		}
	}
	return nil
}

// NearName makes a name of a text that is none, "" if nothing of it would remain.
func NearName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, text)
	return strings.Trim(name[:min(len(name), 32)], "-")
}

// What a box publishes, and asks the hub. A box may use the subjects of its own name alone.
func StatusOf(box string) string { return "box." + box + ".status" } // Status; the last one is kept
func AlarmsOf(box string) string { return "box." + box + ".alarms" } // Alarm, kept; with an id that begins with the name of the box and a slash
func CallsOf(box string) string  { return "box." + box + ".calls" }  // status.Record, kept, with such an id
func LeaseOf(box string) string  { return "box." + box + ".lease" }  // LeaseRequest, answered with LeaseReply
func RetireOf(box string) string { return "box." + box + ".retire" } // Retire, answered with Answer: the key with which the box is connected ends at once

// What the hub keeps of alarms and records, on subjects where the hub alone speaks. NATS answers whoever has a message kept wherever he likes, so a box
// that could have it done could have the answer kept as a message of another box.
func KeptAlarmsOf(box string) string { return "kept." + box + ".alarms" }
func KeptCallsOf(box string) string  { return "kept." + box + ".calls" }

// NewsFor is where the hub tells a box, with an empty message, that limits or pools have changed: it asks for its leases again.
func NewsFor(box string) string { return "to." + box + ".lease" }

// DialOf is where an operator asks a box for a connection: Dial, answered with Answer. The hub lets an operator use its own name alone, so the
// box knows who it is.
func DialOf(operator, box string) string { return "dial." + operator + "." + box }

// SeenOf is where an operator asks the hub for the last sign of a box, with an empty message, answered with Seen.
func SeenOf(operator, box string) string { return "seen." + operator + "." + box }

// Tunnel is the subject of one direction of a connection; see package tunnel.
func Tunnel(operator, box, id string, toBox bool) string {
	direction := "out"
	if toBox {
		direction = "in"
	}
	return "tunnel." + operator + "." + box + "." + id + "." + direction
}

// Inbox is the prefix of the inboxes of a box or an operator, where answers come: none can listen to those of another.
func Inbox(name string) string { return "_INBOX_" + name }

// Streams of a customer's account. The hub makes them.
const (
	AlarmStream  = "ALARMS"         // kept.*.alarms
	CallStream   = "CALLS"          // kept.*.calls
	StatusStream = "STATUS"         // box.*.status, the last of each box
	MaxMessage   = 256 << 10        // octets of a message of a box, at most;
	MaxAlarm     = 16 << 10         // of an Alarm,
	MaxStatus    = 64 << 10         // and of a Status
	Heartbeat    = 30 * time.Second // a box sends its status at least so often,
	Lost         = 75 * time.Second // and is not connected when none came for so long
)

// Status is how a box is. What is a text of a peer is printable.
type Status struct {
	Version  int           `json:"version"` // of the messages
	Box      string        `json:"box"`
	Serial   string        `json:"serial"`
	Firmware string        `json:"firmware"`
	Board    string        `json:"board"`
	Time     time.Time     `json:"time"`           // of the box
	Started  time.Time     `json:"started"`        // of sbcd
	Calls    int           `json:"calls"`          // in progress
	Alarms   []Alarm       `json:"alarms"`         // raised now, the worst first, 50 at most
	More     int           `json:"more,omitempty"` // alarms beyond those
	Licenses []status.Pool `json:"licenses"`
	Remote   []string      `json:"remote,omitempty"` // services that operators may connect to: ssh, https
	Unsent   int64         `json:"unsent,omitempty"` // octets of alarms and records that the hub does not have yet
}

// Alarm is an alarm that was raised, changed or cleared.
type Alarm struct {
	ID       string    `json:"id,omitempty"` // of this message, unique for the box; a message that comes again has the same; "" in a Status
	Time     time.Time `json:"time"`         // of the change; in a Status: since when
	Alarm    string    `json:"alarm"`        // as in docs/alarms.md
	Subject  string    `json:"subject,omitempty"`
	Severity string    `json:"severity"`
	What     string    `json:"what"` // raised, changed, cleared
	Text     string    `json:"text"`
	Cure     string    `json:"cure,omitempty"`
}

// LeaseRequest asks for licenses of one kind. Want is all that the box is to have, not what comes on top: asked twice it gives the same.
type LeaseRequest struct {
	Version  int    `json:"version"`
	Kind     string `json:"kind"`     // sip-sessions, srtp-channels
	Serial   string `json:"serial"`   // of the box: leases are bound to it
	Want     int    `json:"want"`     // 0 gives all back
	Has      int    `json:"has"`      // what the box counts on until it is answered, at most Want: it lowers its own count before it asks
	Sequence uint64 `json:"sequence"` // goes up with each request of the box for this kind, over restarts, too; the hub obeys none that is not newer
}

// LeaseReply is the hub's answer.
type LeaseReply struct {
	Error    string   `json:"error,omitempty"`   // why nothing was changed, as a sentence
	Refused  bool     `json:"refused,omitempty"` // the hub gives this box nothing: what it has ends with its time, and no grace follows
	Sequence uint64   `json:"sequence"`          // the last that the hub has obeyed for this box and kind
	Lease    string   `json:"lease,omitempty"`   // signed, see license.SignLease; "": the box has none
	Left     int      `json:"left"`              // seconds of the lease that are left: the box's clock may be wrong, so it counts them from its question on
	Keys     []string `json:"keys,omitempty"`    // the license keys of the pool, by which the box judges the lease
	Min      int      `json:"min"`               // what the hub keeps for this box
	Max      int      `json:"max"`               // what it may have at most
	Free     int      `json:"free"`              // in the pool for this box, above what it has
}

// Retire ends a key. Next is the public key that the box has made in its place, for the operator to compare; it is not taken by this.
type Retire struct {
	Next string `json:"next"`
}

// Dial asks for a connection to a service of the box.
type Dial struct {
	ID      string `json:"id"`      // of the connection: 32 hex digits, chosen at random
	Service string `json:"service"` // ssh, https
}

// Seen is the last sign of a box.
type Seen struct {
	Time time.Time `json:"time,omitzero"` // when the hub took it; zero: there is none
}

// Answer is the answer to a request that asks for nothing else.
type Answer struct {
	Error string `json:"error,omitempty"` // as a sentence
}
