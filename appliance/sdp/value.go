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

// streamValue is what an answer says of a stream that it refuses.
type streamValue struct {
	Media   string   `json:",omitempty"`
	Proto   string   `json:",omitempty"`
	Formats []string `json:",omitempty"`
}

// MarshalJSON writes the description with the streams that it refuses. What can be read from their audio is left out: the choice between
// them was made.
func (s *Session) MarshalJSON() ([]byte, error) {
	v := value{bare: (*bare)(s), Chosen: s.chosen}
	if len(s.streams) > 1 { // one alone is Audio
		for i, r := range s.streams {
			if i == s.chosen {
				r = stream{}
			}
			v.Streams = append(v.Streams, streamValue{r.media, r.proto, r.formats})
		}
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
		s.streams = append(s.streams, stream{media: r.Media, proto: r.Proto, formats: r.Formats})
	}
	return nil
}
