package diag

import (
	"slices"
	"strings"
)

// filter selects the calls that `debug call NUMBER` or `debug call PEER` shows. A call belongs to it from the first line on that names the
// number or the peer; its other lines and messages are known by its ID and the Call-IDs of its legs.
type filter struct {
	text    string
	keys    map[string]bool // of calls that belong to it: ID and Call-IDs
	order   []string        // of keys, the oldest first
	waiting []waiting       // SIP messages of which it is not known yet, the oldest first
}

// waiting is a message that came before the call's first line.
type waiting struct {
	key   string
	topic string
	text  string
}

// What a filter remembers.
const (
	filterKeys    = 1000
	filterWaiting = 100
)

func newFilter(text string) *filter { return &filter{text: text, keys: map[string]bool{}} }

// names reports whether text has the number or the name as a whole: "30123" is in "+4930123", but not in "301234", and if_pbx is not in if_pbx_2.
func (f *filter) names(text string) bool {
	for rest := text; ; {
		i := strings.Index(rest, f.text)
		if i < 0 {
			return false
		}
		end := i + len(f.text)
		if end == len(rest) || !wordByte(rest[end]) || !wordByte(f.text[len(f.text)-1]) {
			return true
		}
		rest = rest[i+1:]
	}
}

func wordByte(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// takes returns what to show now that text has come, with the keys of the call that it is of: nothing, the text, or also messages that
// waited for it.
func (f *filter) takes(topic, text string, keys ...string) (show []waiting) {
	known := f.names(text)
	for _, k := range keys {
		known = known || f.keys[k]
	}
	if !known {
		if topic == TopicSIP && len(keys) > 0 {
			if len(f.waiting) == filterWaiting {
				f.waiting = slices.Delete(f.waiting, 0, 1)
			}
			f.waiting = append(f.waiting, waiting{keys[0], topic, text})
		}
		return nil
	}
	for _, k := range keys {
		if f.keys[k] {
			continue
		}
		if len(f.order) == filterKeys {
			delete(f.keys, f.order[0])
			f.order = slices.Delete(f.order, 0, 1)
		}
		f.keys[k], f.order = true, append(f.order, k)
		show = append(show, f.release(k)...)
	}
	return append(show, waiting{topic: topic, text: text})
}

// release takes out the messages that waited with a key.
func (f *filter) release(key string) (list []waiting) {
	f.waiting = slices.DeleteFunc(f.waiting, func(w waiting) bool {
		if w.key == key {
			list = append(list, w)
		}
		return w.key == key
	})
	return list
}
