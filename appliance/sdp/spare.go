package sdp

import (
	"slices"

	"viaduct/appliance/audio"
)

// beside are the codecs of an offer that may be answered beside the chosen one, numbered as in the offer.
func (l Local) beside(offered []Codec, chosen Codec) (list []Codec) {
	for _, c := range profile(l.Profile).codecs() {
		if found, ok := find(offered, c); ok && !c.Same(chosen) && slices.ContainsFunc(l.Also, c.Same) {
			list = append(list, found)
		}
	}
	return list
}

// spare are the ways in which audio may come beside the first. Both descriptions may have further codecs, and each of them may come under the
// number of the peer's description, where that number means nothing in ours: some peers send what they expect to receive. A codec of the
// peer's description that we can convert may come, too: an Asterisk with asymmetric_rtp_codec sends what it has.
func spare(ours, theirs *Audio, c *Choice) (list []Format) {
	for _, mine := range ours.Codecs {
		sent, ok := find(theirs.Codecs, mine)
		if !mine.IsAudio() || !ok {
			continue
		}
		if !mine.Same(c.Codec) {
			list = append(list, Format{Codec: sent, Rx: mine.PT})
		}
		if !slices.ContainsFunc(ours.Codecs, func(o Codec) bool { return o.PT == sent.PT }) {
			list = append(list, Format{Codec: sent, Rx: sent.PT})
		}
	}
	for _, sent := range theirs.Codecs {
		if !Joinable(sent, c.Codec) || slices.ContainsFunc(list, func(f Format) bool { return f.Beside && f.Same(sent) }) {
			continue
		}
		if _, agreed := find(ours.Codecs, sent); !agreed && !slices.ContainsFunc(ours.Codecs, func(o Codec) bool { return o.PT == sent.PT }) {
			list = append(list, Format{Codec: sent, Rx: sent.PT, Beside: true})
		}
	}
	return list
}

// claimed are the dynamic payload types of a description that have a meaning, apart from the events of the audio codec.
func claimed(a *Audio, codec Codec) (set audio.Numbers) {
	event := beside(a.Codecs, TelephoneEvent, codec)
	add := func(pt uint8) {
		if event == nil || event.PT != pt {
			set.Add(pt)
		}
	}
	for _, pt := range a.Numbers {
		add(pt)
	}
	for _, c := range a.Codecs { // of a description that we have made ourselves
		add(c.PT)
	}
	return set
}
