package sdp

import "encoding/json"

// A description can be written out as JSON and read back, for another box. SDP would not do: a Session is what the box has made of a peer's
// text, with streams chosen and addresses judged.

// bare is a Session without its methods.
type bare Session

type value struct {
	*bare
	Streams []streamValue `json:",omitempty"`
	Chosen  int           `json:",omitempty"`
}

type streamValue struct {
	Media, Proto string
	Formats      []string
	Stream       *Audio `json:",omitempty"`
}

// MarshalJSON writes the description with the streams that it refuses.
func (s *Session) MarshalJSON() ([]byte, error) {
	v := value{bare: (*bare)(s), Chosen: s.chosen}
	for _, r := range s.streams {
		v.Streams = append(v.Streams, streamValue{r.media, r.proto, r.formats, r.audio})
	}
	return json.Marshal(v)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (s *Session) UnmarshalJSON(b []byte) error {
	v := value{bare: (*bare)(s)}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	s.chosen, s.streams = v.Chosen, nil
	for _, r := range v.Streams {
		s.streams = append(s.streams, stream{r.Media, r.Proto, r.Formats, r.Stream})
	}
	return nil
}
