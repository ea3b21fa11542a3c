// Package cdr has the forms in which call records leave the box beside JSON: rows of a table (CSV), attributes of a log line for syslog, and
// records whose numbers are masked.
//
// It owns the columns, declared once in fields, and what a masked record still says. It does not own the record (status.Record).
package cdr

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/status"
)

// field is a column. Its value is a string, an int or a float64 (0 is nothing), a count, a bool, a time, or an address.
type field struct {
	name  string
	value func(r *status.Record) any
}

// count is a number of which 0 says something.
type count int64

// fields are the columns, in their order. New ones come at the end: whoever reads columns by their number goes on reading the same.
var fields = append([]field{
	{"id", func(r *status.Record) any { return r.ID }},
	{"started", func(r *status.Record) any { return r.Started }},
	{"alerted", func(r *status.Record) any { return r.Alerted }},
	{"connected", func(r *status.Record) any { return r.Connected }},
	{"ended", func(r *status.Record) any { return r.Ended }},
	{"talked_s", talked},
	{"from", func(r *status.Record) any { return r.From }},
	{"to", func(r *status.Record) any { return r.To }},
	{"calling", func(r *status.Record) any { return r.Calling }},
	{"called", func(r *status.Record) any { return r.Called }},
	{"calling_mapped", func(r *status.Record) any { return r.CallingMapped }},
	{"called_mapped", func(r *status.Record) any { return r.CalledMapped }},
	{"emergency", func(r *status.Record) any { return r.Emergency }},
	{"by", func(r *status.Record) any { return string(r.By) }},
	{"code", func(r *status.Record) any { return count(r.Code) }},
	{"cause", func(r *status.Record) any { return r.Cause }},
	{"reason", func(r *status.Record) any { return r.Reason }},
	{"microsoft_code", func(r *status.Record) any { return microsoft(r).Code }},
	{"microsoft_text", func(r *status.Record) any { return microsoft(r).Text }},
	{"one_way", func(r *status.Record) any { return string(r.OneWay()) }},
	{"sessions", func(r *status.Record) any { return licenses(r, r.Licenses.Sessions) }},
	{"sessions_total", func(r *status.Record) any { return licenses(r, r.Licenses.SessionsTotal) }},
	{"channels", func(r *status.Record) any { return licenses(r, r.Licenses.Channels) }},
	{"channels_total", func(r *status.Record) any { return licenses(r, r.Licenses.ChannelsTotal) }},
	{"transfers", func(r *status.Record) any { return r.Transfers }},
	{"holds", func(r *status.Record) any { return r.Holds }},
	{"call_id", func(r *status.Record) any { return r.CallID }},
	{"peer", func(r *status.Record) any { return r.Peer }},
	{"attempts", attempts},
	{"route", tables},
	{"version", func(r *status.Record) any { return count(max(r.Version, 1)) }},
}, slices.Concat(
	side("from", status.ByCaller, figures), side("to", status.ByCallee, figures),
	side("from", status.ByCaller, addresses), side("to", status.ByCallee, addresses),
)...)

// mediaField is a column of the media of one side.
type mediaField struct {
	name  string
	value func(status.RecordMedia) any
}

var (
	figures = []mediaField{
		{"codec", func(m status.RecordMedia) any { return m.Codec }},
		{"srtp", func(m status.RecordMedia) any { return m.Suite }},
		{"received", func(m status.RecordMedia) any { return count(m.Received) }},
		{"sent", func(m status.RecordMedia) any { return count(m.Sent) }},
		{"lost", func(m status.RecordMedia) any { return count(m.Lost) }},
		{"jitter_ms", func(m status.RecordMedia) any { return m.JitterMS }},
		{"round_trip_ms", func(m status.RecordMedia) any { return m.RoundTripMS }},
		{"mos", func(m status.RecordMedia) any { return m.MOS }},
	}
	addresses = []mediaField{
		{"media_local", func(m status.RecordMedia) any { return m.Local }},
		{"media_remote", func(m status.RecordMedia) any { return m.Remote }},
	}
)

// side are columns of the media of one side.
func side(name string, who status.Party, of []mediaField) (list []field) {
	for _, f := range of {
		list = append(list, field{name + "_" + f.name, func(r *status.Record) any {
			for n, m := range r.Media {
				if m.Side == who || m.Side == "" && n == map[status.Party]int{status.ByCaller: 0, status.ByCallee: 1}[who] {
					return f.value(m)
				}
			}
			return ""
		}})
	}
	return list
}

func talked(r *status.Record) any {
	if r.Connected.IsZero() || r.Ended.Before(r.Connected) {
		return count(0)
	}
	return r.Ended.Sub(r.Connected).Round(100 * time.Millisecond).Seconds()
}

func microsoft(r *status.Record) status.MicrosoftText {
	if r.Microsoft == nil {
		return status.MicrosoftText{}
	}
	return *r.Microsoft
}

// licenses is a number of licenses; a record of version 1 has none.
func licenses(r *status.Record, n int) any {
	if r.Version < 2 {
		return ""
	}
	return count(n)
}

// attempts are the destinations in their order, each with what came of it. Numbers are not repeated here.
func attempts(r *status.Record) any {
	var list []string
	for _, a := range r.Attempts {
		text := a.Interface
		if a.Outcome != "" {
			text += " " + string(a.Outcome)
		}
		if a.Code > 0 {
			text += " " + strconv.Itoa(a.Code)
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// tables are the tables that the call went through.
func tables(r *status.Record) any {
	var list []string
	for _, s := range r.Route {
		if n := len(list); s.Table != "" && (n == 0 || list[n-1] != s.Table) {
			list = append(list, s.Table)
		}
	}
	return strings.Join(list, " > ")
}

// text is a value as it is written, "" for nothing. foreign says that it may be what a peer has sent.
func text(v any) (s string, foreign bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		if v != 0 {
			s = strconv.Itoa(v)
		}
	case count:
		s = strconv.FormatInt(int64(v), 10)
	case float64:
		if v != 0 {
			s = strconv.FormatFloat(v, 'f', -1, 64)
		}
	case bool:
		if v {
			s = "yes"
		}
	case netip.AddrPort:
		if v.IsValid() {
			s = v.String()
		}
	case time.Time:
		if !v.IsZero() {
			s = v.UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	return s, false
}

// Key tells a record from all others of its box, also from one of another month whose call has the same ID.
func Key(r status.Record) string {
	return r.Started.UTC().Format("20060102T150405.000") + "-" + r.ID
}
