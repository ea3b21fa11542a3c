package explain

import (
	"slices"
	"strings"

	"viaduct/appliance/status"
)

// Select returns the records that a search finds in a list, oldest first, as the archive does on the flash.
func Select(records []status.Record, s status.RecordSearch) (found status.RecordsFound) {
	end := len(records)
	if s.Before != "" {
		end = max(0, slices.IndexFunc(records, func(r status.Record) bool { return r.ID == s.Before }))
	}
	for _, r := range slices.Backward(records[:end]) {
		if s.Last > 0 && len(found.Records) == s.Last {
			found.Older = found.Records[s.Last-1].ID
			break
		}
		found.Reached = r.Started
		if Selected(&r, s) {
			found.Records = append(found.Records, r)
		}
	}
	slices.Reverse(found.Records)
	return found
}

// Selected reports whether a record is among those that are searched for, whatever Before and Last say.
func Selected(r *status.Record, s status.RecordSearch) bool {
	return (s.Call == "" || isCall(r, s.Call)) &&
		(s.Number == "" || hasNumber(s.Number, r.Calling, r.CallingMapped, r.Called, r.CalledMapped)) &&
		(s.Called == "" || hasNumber(s.Called, r.Called, r.CalledMapped)) &&
		(s.Since.IsZero() || !r.Started.Before(s.Since)) && (s.Until.IsZero() || r.Started.Before(s.Until)) &&
		(s.Result == "" || isResult(r, s.Result)) && (s.Code == 0 || r.Code == s.Code) &&
		(s.Interface == "" || passes(r, s.Interface))
}

// isCall reports whether a record is that of a call, by its ID or the Call-ID of one of its legs.
func isCall(r *status.Record, id string) bool {
	return strings.EqualFold(r.ID, id) || r.CallID == id || slices.ContainsFunc(r.Attempts, func(a status.Attempt) bool { return a.CallID == id })
}

// hasNumber reports whether a part is in one of some numbers.
func hasNumber(part string, numbers ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(numbers, func(n string) bool { return strings.Contains(strings.ToLower(n), part) })
}

// passes reports whether a call came by an interface, or was to go out by it.
func passes(r *status.Record, iface string) bool {
	return r.From == iface || r.To == iface || slices.ContainsFunc(r.Attempts, func(a status.Attempt) bool { return a.Interface == iface })
}

func isResult(r *status.Record, result status.RecordResult) bool {
	connected := !r.Connected.IsZero()
	switch result {
	case status.ResultAnswered:
		return connected
	case status.ResultFailed:
		return Failed(*r)
	case status.ResultMissed:
		return !connected && missed(r)
	case status.ResultRefused:
		return !connected && r.By != status.ByCaller && !missed(r)
	case status.ResultOneWay:
		return connected && r.OneWay() != ""
	}
	return false
}

// missed reports whether a call that was not connected ended because nobody took it.
func missed(r *status.Record) bool {
	if r.By == status.ByCaller {
		return !elsewhere(r.Reason)
	}
	m := meaningOf(*r)
	return m.brief == codes[480].brief || m.brief == notAvailable || m.brief == codes[408].brief
}
