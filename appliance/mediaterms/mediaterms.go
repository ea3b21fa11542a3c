// Package mediaterms is what an agreement of offer and answer means for the relay: addresses, formats, keys, directions.
//
// It owns the step from sdp.Choice to media.Params. It does not own descriptions (package sdp), what has been agreed (negotiation), packets
// (media), nor which sources are let in (reach). It has no state and no goroutines.
package mediaterms

import (
	"fmt"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
	"viaduct/appliance/srtp"
)

// Of are the terms of a side whose peer has agreed on a choice under a profile, with a direction of its own.
func Of(ch *sdp.Choice, d sdp.Direction, profile *config.VoIPProfile) media.Params {
	p := formats(ch)
	p.Remote, p.RemoteRTCP, p.Mux = ch.Addr, ch.RTCPAddr, ch.Mux
	p.LocalKey, p.RemoteKey = key(ch.Local), key(ch.Remote)
	p.Send, p.Receive = d.CanSend(), d.CanReceive()
	p.Received = &media.PayloadTypes{Audio: ch.RxAudio, DTMF: ch.RxDTMF, CN: ch.RxCN}
	for _, f := range ch.Spare {
		p.Spare = append(p.Spare, format(f.Codec, f.Rx))
	}
	p.Claimed = ch.Claimed
	p.Ptime = time.Duration(ch.PacketTime(profile)) * time.Millisecond
	p.Suppress = ch.CN != nil // agreed only when the profile says silence-suppression
	p.Latch = media.LatchHost
	if p.LocalKey != nil && profile.SRTPKeyLifetime > 0 {
		p.LocalKey.Lifetime = ch.Local.Lifetime
	}
	return p
}

// Plain are the terms of RTP between ports of our own.
func Plain(to media.Ports, ch *sdp.Choice) media.Params {
	p := formats(ch)
	p.Remote, p.RemoteRTCP, p.Mux = to.RTP, to.RTCP, to.RTP == to.RTCP
	p.Send, p.Receive = true, true
	for _, c := range ch.Spares() {
		p.Spare = append(p.Spare, format(c, c.PT))
	}
	return p
}

// TrafficClass is the octet that marks a profile's packets, as the relay takes it. Negative: none.
func TrafficClass(p *config.VoIPProfile) int {
	switch {
	case p == nil:
		return 0 // the relay's own choice
	case p.DSCP == 0:
		return -1
	}
	return p.DSCP << 2
}

func key(k *sdp.Crypto) *srtp.Key {
	if k == nil {
		return nil
	}
	return &srtp.Key{Suite: k.Suite, Master: k.Key, MKI: k.MKI}
}

// name is a codec's name for the relay, which tells codecs apart by it.
func name(c sdp.Codec) string { return fmt.Sprintf("%s/%d/%d", c.Name, c.Rate, max(c.Channels, 1)) }

// formats are those of a choice that a peer wants to receive.
func formats(ch *sdp.Choice) media.Params {
	return media.Params{
		AudioPT: ch.Codec.PT, DTMFPT: pt(ch.DTMF), CNPT: pt(ch.CN), Rate: ch.Codec.Rate, Codec: name(ch.Codec), Voice: ch.Codec.Voice(),
		Loss: ch.Codec.Loss(),
	}
}

// format is a further codec of a peer, which sends it under the number received.
func format(c sdp.Codec, received uint8) media.Format {
	return media.Format{Received: received, Wanted: c.PT, Codec: name(c), Voice: c.Voice()}
}

func pt(c *sdp.Codec) uint8 {
	if c == nil {
		return media.NoPT
	}
	return c.PT
}
