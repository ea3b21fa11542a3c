package lab

import (
	"errors"
	"net/netip"
	"time"

	"viaduct/appliance/license"
)

// The PBX.
var pbxFaults = []fault{
	{
		name: "silent", bites: noneFromTeams, plant: func(r *running) { r.Starface.SetOffline(true) },
		step: "sip starface.meinefirma.de", problem: "does not answer OPTIONS", advice: []string{"Start the PBX"},
		alarm: "registration-failed", tells: []string{"starface.meinefirma.de"},
		cure: func(r *running) { r.Starface.SetOffline(false) },
	},
	{
		name: "password changed", bites: noneFromTeams, plant: func(r *running) { r.Starface.SetPassword("user.01", "einneuespasswort") },
		step: "registrations starface.meinefirma.de", problem: "user.01", advice: []string{"authentication-service", "username user.01 password"},
		alarm: "registration-failed", tells: []string{"user.01", "403 Forbidden", "register now"},
		cure: func(r *running) {
			r.paste("configure", "authentication-service as_starface-sipaccounts", "username user.01 password einneuespasswort", "end", "register now")
		},
	},
}

// Calls.
var callFaults = []fault{
	{
		name: "codec refused", bites: noneFromTeams,
		plant: func(r *running) {
			r.paste("configure", "profile voip pf_voip_starface", "no codec 1", "codec 1 g711ulaw64k", "end")
		},
		step: "codecs starface.meinefirma.de", problem: "488", advice: []string{"codec N g711alaw64k", "profile voip pf_voip_starface"},
		alarm: "codec-refused", tells: []string{"if_sip_starface", "488", "profile voip"},
		cure: func(r *running) { r.paste("configure", "profile voip pf_voip_starface", "codec 2 g711alaw64k", "end") },
	},
	{
		name: "voice blocked one way",
		plant: func(r *running) {
			r.nft(r.WAN, "add table ip hole", "add chain ip hole out { type filter hook postrouting priority 300; }", "add rule ip hole out oifname wan0 meta l4proto udp drop")
		},
		bites: func(r *running) error {
			out, err := r.Teams.Call(r.ctx, Dial{})
			if err != nil {
				return err
			}
			in, err := r.Starface.NextCall(r.ctx)
			for err == nil && isOver(in) {
				in, err = r.Starface.NextCall(r.ctx)
			}
			if err != nil {
				return err
			}
			defer func() { _ = out.Hangup(r.ctx) }()
			if err := errors.Join(out.WaitUp(r.ctx), hears(r.ctx, "Teams", out.Audio, StarfaceTone)); err != nil {
				return err
			}
			if hears(r.ctx, "the PBX", in.Audio, TeamsTone) == nil {
				return errors.New("the PBX hears Teams")
			}
			r.eventually("the alarm", func() error { return r.raised("voice-one-way", true) }) // while the call lasts
			return nil
		},
		step: "voice sip.pstnhub.microsoft.com", problem: "voice of", advice: []string{"Let UDP ", "52.112.0.0/14"},
		alarm: "voice-one-way", tells: []string{"if_sip_microsoft-directrouting-primary sends no voice"},
		cure: func(r *running) { r.nft(r.WAN, "delete table ip hole") },
	},
	{
		name: "licenses used up",
		plant: func(r *running) {
			for range 4 {
				out, in := r.fromPBX(Ring{})
				r.held = append(r.held, [2]*Call{out, in})
			}
		},
		bites: noneFromPBX, step: "licenses", problem: "all 4 licenses sip-sessions are in use", advice: []string{"install license"},
		alarm: "licenses-used-up", tells: []string{"all 4 licenses sip-sessions are in use"},
		cure: func(r *running) {
			authority, keys, err := r.Licenses(map[license.Kind]int{license.SIPSessions: 20, license.SRTPChannels: 20})
			if err != nil {
				r.t.Fatal(err)
			}
			r.paste("configure", authority, keys+"end")
		},
		after: func(r *running) {
			for _, c := range r.held {
				r.end(c[0], c[1])
			}
			r.ended()
		},
	},
}

// The time. Calls go on: the simulated box may not set this machine's clock, so the difference is all that it sees. The cure is the one for a
// server that lies.
var clockFaults = []fault{{
	name: "wrong", plant: func(r *running) { r.NTP.Lie(48 * time.Hour) },
	step: "clock", problem: "48h0m0s", advice: []string{"clock sync", "If they lie, name others"},
	alarm: "time-distrusted", tells: []string{NTPName},
	cure: func(r *running) {
		other, err := newNTP(r.ctx, r.LAN, netip.AddrPortFrom(LANPeerAddr, 123))
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { other.close() })
		r.paste("configure", "sntp-client server primary "+LANPeerAddr.String(), "end")
	},
}}
