package api

import (
	"context"
	"errors"
	"time"

	"viaduct/appliance/explain"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// Parts of the status about calls.

// errNoCall is for a call, or a message of one, that is not known.
var errNoCall = errors.New("there is no such call")

func records(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	found, err := find(b, q)
	return list(found.Records), err
}

// history has the records with the place where the search goes on.
func history(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	found, err := find(b, q)
	found.Records = list(found.Records)
	return found, err
}

func find(b device.Box, q StatusQuery) (found status.RecordsFound, err error) {
	s, err := q.search()
	if err != nil {
		return found, err
	}
	return b.FindCalls(s)
}

// explanation tells what became of a call, or how far it has come.
func explanation(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	id, err := q.id()
	if err != nil {
		return nil, err
	}
	r, running := b.CallInProgress(id)
	if !running {
		found, err := b.FindCalls(status.RecordSearch{Call: id, Last: 1})
		if err != nil {
			return nil, err
		}
		if len(found.Records) == 0 {
			return nil, errNoCall
		}
		r = found.Records[0]
	}
	x := status.Explanation{Record: r, Result: explain.Brief(r), Failed: explain.Failed(r)}
	for _, l := range explain.Record(r, b.Running().Clock.Location(), time.Now()) {
		x.Lines = append(x.Lines, status.ExplainedLine(l))
	}
	return x, nil
}

// ladder has the messages of a call without their text.
func ladder(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	t, err := trace(b, q)
	if err != nil {
		return nil, err
	}
	return t.Outline(), nil
}

// message has the text of one message of a ladder, without its secrets.
func message(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	t, err := trace(b, q)
	if err != nil {
		return nil, err
	}
	n, err := q.number("message", 1, len(t.Messages))
	if err == nil && n == 0 {
		err = &badQuery{"message= is missing: the number of a message of the ladder, from 1 on"}
	}
	if err != nil {
		return nil, err
	}
	return t.Messages[n-1], nil
}

func trace(b device.Box, q StatusQuery) (t status.CallTrace, err error) {
	id, err := q.id()
	if err != nil {
		return t, err
	}
	if t, err = b.CallTrace(id); err != nil {
		return t, &noCall{err}
	}
	return t, nil
}

// noCall is why a call has no messages to show.
type noCall struct{ error }

func (*noCall) Is(target error) bool { return target == errNoCall }
