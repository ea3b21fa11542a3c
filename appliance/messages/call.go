package messages

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"viaduct/appliance/masking"
	"viaduct/appliance/pcapng"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Fill adds to a call the messages of its legs, without their secrets, in the order in which they came and went.
func (s *Store) Fill(t *status.CallTrace) {
	type numbered struct {
		number  int64
		message status.TraceMessage
	}
	var all []numbered
	for n := range t.Legs {
		leg := &t.Legs[n]
		d, known := s.Dialog(leg.CallID)
		leg.Kept, leg.Shed = known && len(d.Messages) > 0, d.Shed
		for _, m := range d.Messages {
			line := Read(m.Text)
			all = append(all, numbered{m.Number, status.TraceMessage{
				Time: m.At, Leg: n, Sent: m.Sent, Again: m.Again, Transport: m.Transport.String(), Local: m.Local, Remote: m.Remote,
				Method: line.Method, Code: line.Code, Reason: line.Reason, SDP: line.SDP, Size: m.Size, Text: masking.SameLength(string(m.Text)),
			}})
		}
	}
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	for _, m := range all {
		t.Messages = append(t.Messages, m.message)
	}
}

// Capture writes the messages of a call as a file of pcapng: those of TLS as TCP, in the clear. Packets of voice stand between them, in the
// order of their times; their Interface is not used.
func Capture(out io.Writer, program string, t status.CallTrace, voice []pcapng.Packet) error {
	about := fmt.Sprintf("SIP of call %s: %s calls %s. Keys, credentials and digits are replaced by x; TLS is deciphered; headers of IP, UDP and TCP are made up.", t.ID, t.Calling, t.Called)
	w := pcapng.New(out, program, about)
	interfaces := map[string]int{}
	for _, l := range t.Legs {
		switch {
		case !l.Kept:
			about = "No messages of " + l.CallID + " are kept any more."
		case l.Shed > 0:
			about = fmt.Sprintf("%d messages of %s are not kept.", l.Shed, l.CallID)
		default:
			about = ""
		}
		if _, known := interfaces[l.Interface]; !known || about != "" {
			interfaces[l.Interface] = w.Interface(l.Interface, about)
		}
	}
	spoken := 0
	if len(voice) > 0 {
		spoken = w.Interface("voice", "RTP of both peers as it came, without encryption; digits are left out.")
	}
	said := func(p pcapng.Packet) {
		p.Interface = spoken
		w.Packet(p)
	}
	for _, m := range t.Messages {
		for len(voice) > 0 && voice[0].Time.Before(m.Time) {
			said(voice[0])
			voice = voice[1:]
		}
		p := pcapng.Packet{
			Interface: interfaces[t.Legs[m.Leg].Interface], Time: m.Time, From: m.Remote, To: m.Local, Sent: m.Sent,
			Stream: m.Transport != siptransport.UDP.String(), Payload: []byte(m.Text), Length: m.Size,
		}
		var notes []string
		if m.Sent {
			p.From, p.To = p.To, p.From
		}
		if m.Again {
			notes = append(notes, "the same message once more")
		}
		if by, _ := siptransport.ParseTransport(m.Transport); by.Secure() {
			notes = append(notes, "deciphered TLS")
		}
		p.Comment = strings.Join(notes, ", ")
		w.Packet(p)
	}
	for _, p := range voice {
		said(p)
	}
	return w.Close()
}
