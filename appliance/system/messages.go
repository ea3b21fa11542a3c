package system

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/explain"
	"viaduct/appliance/messages"
	"viaduct/appliance/pcapng"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// traced hands every SIP message, in and out, to those who take them.
func (s *System) traced(e siptransport.TraceEntry) {
	for _, take := range s.takers {
		take(e)
	}
}

// ended tells those who follow the messages of a call that it is over.
func (s *System) ended(r *status.Record) {
	ids := []string{r.CallID}
	for _, a := range r.Attempts {
		ids = append(ids, a.CallID)
	}
	s.messages.Ended(explain.Failed(*r), ids...)
	s.hep.Ended(r)
}

// CallTrace returns the messages of a call by its ID or a Call-ID: of one in progress, or else of the last one that is recorded.
func (s *System) CallTrace(id string) (status.CallTrace, error) {
	r, found := s.CallInProgress(inProgress(s.calls.Calls(), id))
	if !found {
		past, err := s.FindCalls(status.RecordSearch{Call: id, Last: 1})
		if err != nil {
			return status.CallTrace{}, err
		}
		if id == "" || len(past.Records) == 0 {
			return status.CallTrace{}, fmt.Errorf("there is no call %q: `show calls` and `show calls history` list them", id)
		}
		r = past.Records[0]
	}
	t := traceOf(&r)
	if s.messages.Fill(&t); len(t.Messages) == 0 {
		return t, fmt.Errorf("no messages of call %s are kept: memory holds those of the last calls since the start, those of failed calls longest", t.ID)
	}
	return t, nil
}

// CallCapture returns them as a file of pcapng, on demand with the voice that was kept.
func (s *System) CallCapture(id string, voice bool) ([]byte, error) {
	t, err := s.CallTrace(id)
	if err != nil {
		return nil, err
	}
	var said []pcapng.Packet
	if voice {
		for _, p := range s.voice.Packets(t.ID) {
			said = append(said, pcapng.Packet{Time: p.Time, From: p.From, To: p.To, Payload: p.Data})
		}
	}
	var b bytes.Buffer
	err = messages.Capture(&b, "Viaduct SBC "+s.o.Release.Version, t, said)
	return b.Bytes(), err
}

// CaptureVoice has the voice of the calls of a number, or of one call by its ID, kept for a while, and returns until when.
func (s *System) CaptureVoice(of string) time.Time {
	until := s.voice.Ask(of)
	s.log.Warn("voice is captured", "name", of, "until", until.UTC())
	s.calls.Overhear()
	return until
}

// ForgetVoice ends that and drops what was kept.
func (s *System) ForgetVoice() {
	if s.voice.Forget() {
		s.log.Info("voice is no longer captured")
		s.calls.Overhear()
	}
}

// inProgress is the ID of the call in progress that has this ID or Call-ID, or else the same.
func inProgress(calls []status.Call, id string) string {
	for _, c := range calls {
		if slices.ContainsFunc(c.Legs, func(l status.Leg) bool { return l.CallID == id }) {
			return c.ID
		}
	}
	return id
}

// traceOf are the legs of a call.
func traceOf(r *status.Record) status.CallTrace {
	t := status.CallTrace{ID: r.ID, Calling: r.Calling, Called: r.Called}
	addLeg(&t, r.From, r.CallID)
	for _, a := range r.Attempts {
		addLeg(&t, a.Interface, a.CallID)
	}
	return t
}

// addLeg adds a leg that sent anything, once.
func addLeg(t *status.CallTrace, iface, callID string) {
	if callID != "" && !slices.ContainsFunc(t.Legs, func(l status.TraceLeg) bool { return l.CallID == callID }) {
		t.Legs = append(t.Legs, status.TraceLeg{Interface: iface, CallID: callID})
	}
}
