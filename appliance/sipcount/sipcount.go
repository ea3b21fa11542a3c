// Package sipcount counts the SIP messages of one interface, in both directions: requests by method, responses by code, and repetitions.
//
// It owns what is told apart: a fixed list, so that nothing that a peer sends makes a new counter or a new name. It does not own which
// interface a message belongs to (package siptransport). Counting takes neither a lock nor memory.
package sipcount

import (
	"bytes"
	"slices"
	"strconv"
	"sync/atomic"

	"viaduct/appliance/status"
)

// Way is a direction, as the box sees it.
type Way uint8

const (
	Received Way = iota
	Sent
)

// methods are told apart, frequent ones first. All others share the last counter.
var methods = [...]string{"INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "other"}

// others is the place of methods that are not told apart.
const others = len(methods) - 1

// codes are the responses that are told apart. Others are counted by their class, because a peer may use any.
var codes = [...]int{100, 180, 181, 182, 183, 200, 202, 302, 400, 401, 403, 404, 407, 408, 415, 420, 480, 481, 482, 483, 484, 486, 487, 488, 491,
	500, 501, 502, 503, 504, 600, 603, 604, 606, 607}

// classes are 1xx to 6xx.
const classes = 6

// placeOf is the counter of each code.
var placeOf = func() (place [(classes + 1) * 100]uint8) {
	for code := 100; code < len(place); code++ {
		n := slices.Index(codes[:], code)
		if n < 0 {
			n = len(codes) + code/100 - 1
		}
		place[code] = uint8(n)
	}
	return place
}()

// CodeName is how a code is counted: "486", or "4xx" for one that is not told apart.
func CodeName(code int) string { return codeAt(int(placeOf[min(max(code, 100), len(placeOf)-1)])) }

// codeAt names a counter of responses.
func codeAt(n int) string {
	if n < len(codes) {
		return strconv.Itoa(codes[n])
	}
	return strconv.Itoa(n-len(codes)+1) + "xx"
}

// Counts are the counters of one interface. All methods take a nil one, for messages that belong to none.
type Counts struct{ ways [2]counters }

type counters struct {
	requests  [len(methods)]atomic.Uint64
	responses [len(codes) + classes]atomic.Uint64
	repeated  atomic.Uint64
}

// Request counts a request.
func (c *Counts) Request(w Way, method string) {
	if c != nil {
		c.ways[w].requests[methodOf(method)].Add(1)
	}
}

// Response counts a response. There are no codes beyond 699.
func (c *Counts) Response(w Way, code int) {
	if c != nil && code >= 100 && code < len(placeOf) {
		c.ways[w].responses[placeOf[code]].Add(1)
	}
}

// Repeated counts a message that is the same as one before it; it counts as a request or response as well.
func (c *Counts) Repeated(w Way) {
	if c != nil {
		c.ways[w].repeated.Add(1)
	}
}

// Written counts a message of ours by its first line. Keep-alives are none.
func (c *Counts) Written(m []byte) {
	if c == nil {
		return
	}
	first, rest, found := bytes.Cut(m, []byte(" "))
	switch {
	case !found:
	case string(first) != "SIP/2.0":
		c.ways[Sent].requests[methodOf(first)].Add(1)
	case len(rest) >= 3:
		code := 0
		for _, digit := range rest[:3] {
			code = 10*code + int(digit-'0')
		}
		c.Response(Sent, code)
	}
}

// methodOf is the counter of a method. Names of methods are in capitals, and nothing else is the same (RFC 3261 7.1).
func methodOf[T string | []byte](name T) int {
	for n, m := range methods[:others] {
		if string(name) == m {
			return n
		}
	}
	return others
}

// Figures are the counters that have counted anything.
func (c *Counts) Figures() status.SIPTraffic {
	if c == nil {
		return status.SIPTraffic{}
	}
	return status.SIPTraffic{Received: c.ways[Received].figures(), Sent: c.ways[Sent].figures()}
}

func (c *counters) figures() (m status.SIPMessages) {
	for n := range c.requests {
		if k := c.requests[n].Load(); k > 0 {
			m.Requests = append(m.Requests, status.SIPCount{Of: methods[n], N: k})
		}
	}
	for n := range c.responses {
		if k := c.responses[n].Load(); k > 0 {
			m.Responses = append(m.Responses, status.SIPCount{Of: codeAt(n), N: k})
		}
	}
	m.Repeated = c.repeated.Load()
	return m
}
