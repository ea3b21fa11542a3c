package lang

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/explain"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// busyBox is a box with something to show.
type busyBox struct{ *box }

func (busyBox) Alarms() []health.Alarm {
	return []health.Alarm{
		{ID: "relay-down", Severity: health.Critical, Text: "the media relay does not run: no descriptors left", Advice: "When it lasts, reload.", Cure: []string{"reload"}, Since: noon},
		{ID: "link-down", Severity: health.Error, Text: "port eth00 has no link", Advice: "Look at the cable.", Since: noon.Add(time.Minute)},
	}
}

func (busyBox) Clock() status.Clock {
	return status.Clock{Now: noon, Synced: true, Server: "192.0.2.123", Stratum: 2, Last: noon.Add(-time.Minute), Offset: 1500 * time.Microsecond,
		Adjustable: true, Drift: -12.3456, Interval: 64 * time.Second, Next: noon.Add(4 * time.Second), Servers: []status.TimeServer{
			{Role: "primary", Host: "ntp.example.org", Address: netip.MustParseAddrPort("192.0.2.123:123"), Stratum: 2, Offset: 1500 * time.Microsecond, Distance: 12 * time.Millisecond, Last: noon.Add(-time.Minute), Used: true},
			{Role: "secondary", Host: "192.0.2.9", Address: netip.MustParseAddrPort("192.0.2.9:123"), Error: "the server refuses to serve (RATE)"},
		}}
}

func (busyBox) IPInterfaces() []status.IPInterface {
	return []status.IPInterface{{Context: "ROUTER", Name: "if_eth01", Port: "eth01", State: status.LinkUp, MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/28")},
		DHCP: &status.Lease{State: status.LeaseBound, Address: netip.MustParsePrefix("203.0.113.7/28"), Router: netip.MustParseAddr("203.0.113.1"), Server: netip.MustParseAddr("203.0.113.1"),
			NameServers: []netip.Addr{netip.MustParseAddr("203.0.113.2")}, Routes: []status.Route{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Gateway: netip.MustParseAddr("203.0.113.1")}, {Prefix: netip.MustParsePrefix("198.51.100.1/32")}}, Renew: noon.Add(time.Hour), Expires: noon.Add(2 * time.Hour)}}}
}

func (busyBox) Licenses() status.Licenses {
	return status.Licenses{Serial: "00A0BA0F2439", Pools: []status.Pool{{Name: "sip-sessions", BuiltIn: 4, Installed: 20, Leased: 57, Total: 81, Alloc: 1, Free: 80}, {Name: "srtp-channels", BuiltIn: 8, Installed: 20, Total: 28, Free: 28}},
		Features: []status.Feature{{Name: "sip-tls-srtp", Enabled: true}, {Name: "transcoding", Enabled: false}},
		Keys:     []status.LicenseKey{{Key: "AQEAFAAA", ID: "f90fe3dd9d", About: "license 17: 20 sip-sessions, any system, of issuer lab"}, {Key: "BBBB", ID: "a7851e709e", About: "not in force: the issuer is unknown"}}}
}

func (busyBox) EraseLicense(key string) (string, error) {
	if key != "BBBB" {
		return "", errors.New("no such key is installed")
	}
	return "license 18: 1 srtp-channels", nil
}

func (busyBox) CallCount() int { return 1 }

func (busyBox) Coming() *device.Coming {
	return &device.Coming{At: noon.Add(9*time.Minute + 2*time.Second)}
}

func (busyBox) Calls() []status.Call {
	return []status.Call{{ID: "17", State: status.CallConnected, From: "if_teams", To: "if_pbx", Calling: "+4930123", Called: "222", Started: noon.Add(-time.Hour), Connected: noon.Add(-65 * time.Second),
		Legs: []status.Leg{{Interface: "if_teams", Peer: "52.112.1.1:5061", CallID: "a@b", Codec: "PCMA/8000", Suite: "AES_CM_128_HMAC_SHA1_80", Digits: status.DigitsInfo,
			Media: status.Media{Received: 10, Sent: 11, Lost: 1, JitterMS: 0.5, RoundTripMS: 31.2, BurstRatio: 1.5, MOS: 4.31}}}}}
}

func (busyBox) CallInProgress(id string) (status.Record, bool) {
	if id != "17" {
		return status.Record{}, false
	}
	return status.Record{Version: 2, ID: id, Started: noon.Add(-time.Hour), Connected: noon.Add(-65 * time.Second), From: "if_teams", To: "if_pbx", Calling: "+4930123", Called: "222",
		Attempts: []status.Attempt{{Interface: "if_pbx", Called: "222", Outcome: status.Answered, Code: 200, Started: noon.Add(-70 * time.Second), Ended: noon.Add(-65 * time.Second)}}}, true
}

func (busyBox) CallRecords(n int) ([]status.Record, error) {
	return []status.Record{
		{Version: 2, ID: "15", CallID: "x@y", Peer: "192.168.1.100:5060/udp", Started: noon.Add(-2 * time.Hour), Ended: noon.Add(-2 * time.Hour), From: "if_pbx", To: "if_teams",
			Calling: "222", Called: "user.01", CallingMapped: "+49222", CalledMapped: "+4930123", By: status.ByCallee, Code: 486, Reason: "Busy Here",
			Licenses: status.LicensesInUse{Sessions: 1, SessionsTotal: 4, Channels: 1, ChannelsTotal: 8},
			Route:    []status.RouteStep{{Table: "routing-table rt", Entry: "route default", Action: "go", Before: `called-e164 "user.01"`, After: "dest-service hg"}},
			Attempts: []status.Attempt{
				{Interface: "if_teams_2", Calling: "+49222", Called: "+4930123", Chosen: status.ChosenFirst, Outcome: status.Skipped, Text: "the peer of if_teams_2 does not answer OPTIONS: no response"},
				{Interface: "if_teams", Peer: "sip.pstnhub.microsoft.com:5061/tls", CallID: "c-1", Calling: "+49222", Called: "+4930123", Chosen: status.ChosenUnreached, Outcome: status.Refused,
					Code: 486, Cause: 34, Text: "Q.850;cause=34"}}},
		{ID: "16", CallID: "a@b", Started: noon.Add(-time.Hour), Connected: noon.Add(-time.Hour), Ended: noon.Add(-59 * time.Minute), From: "if_teams", To: "if_pbx",
			Calling: "+4930123", Called: "222", By: status.ByCaller, Code: 200,
			Media: []status.RecordMedia{{Codec: "PCMA/8000", Suite: "AES_CM_128_HMAC_SHA1_80", Media: status.Media{Received: 3000, Sent: 2990, Lost: 2, JitterMS: 0.5, RoundTripMS: 31.2, BurstRatio: 1.5, MOS: 4.31}},
				{Codec: "PCMA/8000", Media: status.Media{Received: 2990, Sent: 3000, Foreign: 7, JitterMS: 0.1}}}},
		{Version: 2, ID: "18", CallID: "c@d", Started: noon.Add(-30 * time.Minute), Connected: noon.Add(-29 * time.Minute), Ended: noon.Add(-28 * time.Minute), From: "if_pbx", To: "if_teams",
			Calling: "222", Called: "user.01", CallingMapped: "+4971234567222", CalledMapped: "+4971234567890", By: status.ByCallee, Code: 200,
			Media: []status.RecordMedia{{Side: status.ByCaller, Codec: "PCMA/8000", Media: status.Media{Received: 3000, MOS: 4.41}},
				{Side: status.ByCallee, Codec: "PCMA/8000", SilentS: 48, Media: status.Media{Received: 600, MOS: 4.2}}}},
	}[max(0, 3-n):], nil
}

func (b busyBox) FindCalls(s status.RecordSearch) (status.RecordsFound, error) {
	all, err := b.CallRecords(3)
	return explain.Select(all, s), err
}

func (busyBox) Connections() []status.Connection {
	c := status.Connection{Interface: "if_teams_1", Transport: "tls", Local: netip.MustParseAddrPort("203.0.113.5:40000"), Remote: netip.MustParseAddrPort("52.114.75.24:5061"),
		Opened: noon.Add(-time.Hour), Used: noon.Add(-time.Minute),
		TLS: &status.TLS{Version: "TLS 1.3", Suite: "TLS_AES_256_GCM_SHA384", Subject: "CN=sip.pstnhub.microsoft.com", Issuer: "CN=Microsoft TLS G2 RSA CA OCSP 04,O=Microsoft Corporation,C=US", NotAfter: noon.AddDate(0, 3, 0)}}
	from := c
	from.Accepted, from.TLS = true, &status.TLS{Version: "TLS 1.2", Suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}
	return []status.Connection{c, from}
}

func (busyBox) Traffic(last time.Duration) status.Traffic {
	if last != 24*time.Hour {
		return status.Traffic{Since: noon.Add(-last)}
	}
	busy := []status.Failure{{Outcome: status.Refused, Code: 486, N: 3}, {Outcome: status.Unreached, N: 2}}
	return status.Traffic{Since: noon.Add(-last), Calls: 20, Answered: 15, Most: 4, Talk: 50 * time.Minute, OneWay: 1, Failed: []status.Failure{{Code: 486, N: 3}, {Code: 503, N: 2}},
		Interfaces: []status.InterfaceTraffic{{Interface: "if_pbx", Calls: 20, Answered: 15, MOS: 4.31}, {Interface: "if_teams_1", Outgoing: true, Calls: 20, Answered: 15, Failed: busy, Unheard: 1}}}
}

func (busyBox) CallArchive() status.CallRecords {
	return status.CallRecords{Days: 7, First: "2026-11-16", Octets: 1_234_567, Limit: 256 << 20, Syslog: "local1", Post: &status.RecordPost{
		URL: "https://records.example.com/sbc", Waiting: 2222, Accepted: noon.Add(-time.Hour), Since: noon.Add(-50 * time.Minute), Refused: 1, Deleted: true,
		Failing: "the server answers 503 Service Unavailable",
	}}
}

func (busyBox) Registrations() []status.Registration {
	return []status.Registration{
		{Identity: "user.01", AOR: "user.01@pbx", Registrar: "192.168.1.100", State: status.Registered, Expires: noon.Add(90 * time.Second), Code: 200, Reason: "OK", Next: noon.Add(time.Minute)},
		{Identity: "user.02", AOR: "user.02@pbx", Registrar: "192.168.1.100", State: status.RegistrationFailed, Expires: noon.Add(-88 * time.Second), Error: "no response", Next: noon.Add(12 * time.Second)},
		{Identity: "user.03", AOR: "user.03@pbx", Registrar: "192.168.1.100", State: status.RegistrationFailed, Code: 403, Reason: "Forbidden", Next: noon.Add(5 * time.Minute)},
	}
}

func (busyBox) Peers() []status.Peer {
	return []status.Peer{
		{Interface: "if_teams_1", Peer: "sip.pstnhub.microsoft.com:5061", State: status.PeerDown, Since: noon.Add(-time.Minute), Last: noon.Add(-time.Minute), Heard: noon.Add(-time.Hour), HeardFrom: netip.MustParseAddr("52.114.16.74"), Answer: "timeout", Skipped: "does not answer OPTIONS: timeout",
			Messages: status.SIPTraffic{
				Received: status.SIPMessages{Requests: []status.SIPCount{{Of: "INVITE", N: 120}, {Of: "ACK", N: 118}, {Of: "BYE", N: 60}}, Responses: []status.SIPCount{{Of: "100", N: 52}, {Of: "200", N: 210}, {Of: "4xx", N: 1}}},
				Sent:     status.SIPMessages{Requests: []status.SIPCount{{Of: "INVITE", N: 57}, {Of: "OPTIONS", N: 900}}, Responses: []status.SIPCount{{Of: "100", N: 120}}, Repeated: 5},
			}},
		{Interface: "if_teams_2", Peer: "sip2.pstnhub.microsoft.com:5061", State: status.PeerRefuses, Since: noon.Add(-time.Minute), Answer: "403 Forbidden", RTT: 31 * time.Millisecond},
		{Interface: "if_pbx", Peer: "192.168.1.100", State: status.PeerUnasked, Heard: noon.Add(-time.Second), Answer: "no penalty-box: it is not asked with OPTIONS"},
	}
}

func (busyBox) SNMP() status.SNMP {
	return status.SNMP{Engine: "800000000563e1b0a4c2d19f7788c0ffee", Boots: 3, Community: true, V3Users: 1, Listeners: []netip.AddrPort{netip.MustParseAddrPort("192.168.1.1:161")},
		Requests: 1200, Communities: 2, Strangers: 5, Traps: 4, TrapsLost: 1, Refused: "wrong community from 192.168.1.77"}
}

func (busyBox) Web() status.Web {
	return status.Web{Port: 443, Redirect: 80, Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("2001:db8::1")}, Subject: "sbc01", Names: []string{"sbc01", "192.168.1.1"},
		KeyType: "EC P-256", SHA256: strings.Repeat("0A", 32), NotBefore: noon, NotAfter: noon.Add(397 * 24 * time.Hour), Tokens: 1, SetUp: true,
		Problem: "it has ended on 2026-11-01", Due: "it does not name 2001:db8::1"}
}

func (busyBox) SetupCode() string { return "01234567" }

func (busyBox) HEP() status.HEP {
	return status.HEP{State: status.HEPAway, Server: "homer.example.com:9060/tls", Since: noon.Add(-5 * time.Minute), Waiting: 12, Sent: 1200, Shed: 3, Failed: noon.Add(-20 * time.Second),
		Error: "tls: failed to verify certificate: x509: certificate is valid for other.example.com,\n> show version, not homer.example.com"}
}

func (busyBox) Fleet() status.Fleet {
	return status.Fleet{Name: "berlin", State: status.FleetConnected, Since: noon.Add(-2 * time.Hour), Hub: "hub.example.com:443", Key: "UBERLIN", Remote: []string{"ssh", "https"},
		Leases: []status.PoolLease{
			{Kind: "sip-sessions", State: status.PoolLeaseHeld, Count: 12, Want: 40, Min: 4, Max: 20, Until: noon.Add(20 * time.Hour), Grace: noon.Add(740 * time.Hour), Why: "the pool is empty\n> reload"},
			{Kind: "srtp-channels"},
		},
		Tunnels: []status.Tunnel{{Operator: "anna", Service: "ssh", Since: noon.Add(-5 * time.Minute), Idle: noon.Add(-time.Second), In: 2048, Out: 3 << 20}},
		Sent:    []status.FleetSent{{What: "alarms", Last: noon.Add(-time.Minute)}, {What: "call-records", Waiting: 4096, Lost: true, Refused: 1, Failing: "the hub does not answer\n> reload"}},
	}
}

func (busyBox) FleetKey() (fleet.KeyFile, error) {
	return fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: "UBERLIN"}, nil
}

func (busyBox) Redundancy() status.Redundancy {
	return status.Redundancy{
		State: status.PairActive, Since: noon.Add(-2 * time.Hour), Why: "box 2 was not heard on any path\n> reload", Router: 51, Key: strings.Repeat("0a", 32), Box: 1, Priority: 254, Reign: 4,
		Ports: []status.PairPort{
			{Name: "if_eth00", Device: "eth00", Virtual: []string{"192.168.1.1/24"}, Own: "192.168.1.2/24", Others: "192.168.1.3", Held: true, Carrier: true, Witness: "heard", Asked: "192.168.1.100", There: true, Foreign: 7},
			{Name: "if_eth01", Device: "eth01", Virtual: []string{"203.0.113.5/29"}, Own: "203.0.113.6/29", Others: "203.0.113.4", Held: true, Witness: "silent", Asked: "203.0.113.1", Why: "it has no carrier\n> reload"},
			{Name: "if_eth02", Device: "eth02", Direct: true, Own: "10.99.0.1/30", Others: "10.99.0.2", Carrier: true, Witness: "none", There: true},
		},
		Other:       status.PairOther{Box: 2, Serial: "00A0BA0F2440", Release: "1.9.0", Role: "standby", Eligible: true, Priority: 200, Heard: noon.Add(-time.Second), Linked: true},
		Replication: status.PairReplication{Synced: true, Entries: map[string]int{"call": 100, "media": 200, "file": 1, "held": 2}, Octets: 512_000, Last: noon, Refused: 3},
		Differences: []status.PairDifference{{What: "firmware", Here: "2.0.0", There: "1.9.0"}, {What: "licenses", Here: strings.Repeat("90d5b3a1", 8), There: ""}},
		Switches:    []status.PairRoleChanged{{At: noon.Add(-2 * time.Hour), Role: "active", Why: "box 2 was not heard on any path", Calls: 12}},
	}
}

func (busyBox) RedundancyKey() (string, error) { return strings.Repeat("0a", 32), nil }

func (busyBox) Presence() status.Presence {
	return status.Presence{Services: []status.PresenceService{
		{Name: "TEAMS", State: status.PresenceWorking, Since: noon.Add(-time.Hour), Tenant: "contoso.com", Application: "11111111-2222-3333-4444-555555555555", Cloud: "global", Interval: 10 * time.Second,
			Polled: noon.Add(-4 * time.Second), Latency: 120 * time.Millisecond, Read: noon.Add(-20 * time.Minute), Directory: 40, Matched: 3,
			Reports: status.PresenceSink{State: status.SinkTelling, Since: noon.Add(-time.Minute)}, Starface: status.PresenceSink{State: status.SinkFailing, Since: noon.Add(-time.Minute), Error: "the password is wrong"},
			Problems: []status.PresenceProblem{{User: "carl@contoso.com", Why: "no identity is called carl\n> reload"}},
			Counters: status.PresenceCounters{Polls: 360, Failed: 1, Throttled: 2, Changes: 12, Reports: 3},
			Users: []status.PresenceUser{
				{Name: "anna@contoso.com", ID: "4f2a", Identity: "user.01", Extension: "21", State: "do-not-disturb", Activity: "Presenting", Since: noon.Add(-5 * time.Minute), Heard: noon.Add(-4 * time.Second), Refuse: 486, Published: true, Starface: true, Line: status.LineFree, Error: "STARFACE: the password is wrong"},
				{Name: "berta@contoso.com", ID: "4f2b", Identity: "user.02", Extension: "22", State: "available", Activity: "InACall", Since: noon.Add(-time.Minute), Heard: noon.Add(-4 * time.Second), Echo: true, Line: status.LineBusy, Busy: noon.Add(-time.Minute), Session: status.SessionSet, Until: noon.Add(9 * time.Minute), Before: "away"},
				{Name: "doris@contoso.com", ID: "4f2d", Identity: "user.04", Line: status.LineCarried},
			}},
		{Name: "LAB", State: status.PresenceRefused, Since: noon.Add(-time.Minute), Tenant: "fabrikam.com", Cloud: "gcc-high", Interval: 10 * time.Second, Error: "the secret has expired (AADSTS7000222)", Cure: "Make a new one, or better sign in with a certificate.", Held: noon.Add(30 * time.Second), ReadError: "no answer", Left: 1},
		{Name: "OFF", State: status.PresenceShutdown, Tenant: "x.com", Cloud: "global"},
	}}
}

func (busyBox) Events() status.Events {
	return status.Events{
		Subscriptions: []status.Subscription{
			{Gateway: "lan", Identity: "user.01", Event: "dialog", Resource: "sip:21@192.168.1.100", State: status.SubscriptionActive, Since: noon.Add(-time.Hour), Busy: true, Calls: 1, Heard: noon},
			{Gateway: "lan", Identity: "user.01", Event: "message-summary", Resource: "sip:21@192.168.1.100", State: status.SubscriptionActive, Since: noon.Add(-time.Hour), Waiting: true, New: 2, Heard: noon},
			{Gateway: "lan", Identity: "user.02", Event: "dialog", Resource: "sip:22@192.168.1.100", State: status.SubscriptionActive, Since: noon.Add(-time.Hour), Heard: noon},
			{Gateway: "lan", Identity: "user.03", Event: "dialog", Resource: "sip:23@192.168.1.100", State: status.SubscriptionRefused, Since: noon.Add(-time.Minute), Code: 489, Error: "489 Bad Event\n> reload"},
		},
		Publications: []status.Publication{{Service: "TEAMS", Interface: "SWITCH/if_pbx", Event: "asterisk-devicestate", State: status.PublicationFailed, Since: noon.Add(-time.Minute), Users: 12, Busy: 3, Error: "no response"}},
		Lines:        []status.EventLine{{Interface: "SWITCH/if_pbx", User: "24", Identity: "user.04", Busy: true, Since: noon.Add(-time.Minute), Expires: noon.Add(time.Hour)}},
		Watchers: []status.Watcher{
			{Interface: "SWITCH/if_pbx", Peer: "192.168.1.21", User: "21", Identity: "user.01", Event: "dialog", Busy: true, Since: noon.Add(-time.Minute), Expires: noon.Add(time.Hour), Notified: 3},
			{Interface: "SWITCH/if_phones", Peer: "10.108.2.51", User: "22", Identity: "22", Event: "dialog", Ringing: true, Since: noon.Add(-time.Minute), Expires: noon.Add(time.Hour), Notified: 3},
			{Interface: "SWITCH/if_phones", Peer: "10.108.2.51", User: "21", Identity: "21", Event: "message-summary", Waiting: true, Since: noon.Add(-time.Minute), Expires: noon.Add(time.Hour), Notified: 3},
			{Interface: "SWITCH/if_pbx", Peer: "192.168.1.22", User: "user.01", Identity: "user.01", Event: "presence", Since: noon.Add(-time.Hour), Expires: noon.Add(time.Minute), Notified: 1},
		},
	}
}

func (busyBox) Phones() []status.Phone {
	return []status.Phone{
		{Location: "LS_PHONES", Identity: "21", Aliases: []string{"+4972115104221"}, DisplayName: "Anna Meier", CallerID: "+4972115104221", Most: 4, Bindings: busyBox{}.Bindings()},
		{Location: "LS_PHONES", Identity: "22", CallerID: "22", Most: 4},
	}
}

func (busyBox) Bindings() []status.Binding {
	return []status.Binding{
		{Location: "LS_PHONES", Identity: "21", Contact: "sip:21@10.108.2.51:5062", Source: netip.MustParseAddrPort("10.108.2.51:5062"), Transport: "udp", UserAgent: "Yealink SIP-T46S 66.86.0.15\n> reload",
			Since: noon.Add(-time.Hour), Refreshed: noon.Add(-time.Minute), Expires: noon.Add(4 * time.Minute)},
		{Location: "LS_PHONES", Identity: "21", State: status.BindingWaiting, Contact: "sip:21@10.108.2.60:41000;transport=tls", Source: netip.MustParseAddrPort("10.108.2.60:41000"), Transport: "tls", UserAgent: "snomD735/10.1.64.14",
			Instance: "<urn:uuid:1>", Since: noon.Add(-time.Minute), Refreshed: noon.Add(-time.Minute), Expires: noon.Add(4 * time.Minute)},
	}
}

func (busyBox) ClearBindings(identity string) int { return map[string]int{"21": 2}[identity] }

func (busyBox) RestartPhone(_ context.Context, identity string) ([]status.PhoneRestart, error) {
	if identity != "21" && identity != "+4972115104221" {
		return nil, errors.New("no phone of " + identity + " has registered")
	}
	return []status.PhoneRestart{{Identity: "21", Phone: "10.108.2.51:5062/udp", Model: "Yealink SIP-T46S 66.86.0.15", Code: 200}, {Identity: "21", Phone: "10.108.2.60:41000/tls", Error: "no answer\n> reload"}}[:len(identity)/8+1], nil
}

func (busyBox) Provisioning() status.Provisioning {
	return status.Provisioning{
		Open: noon.Add(12 * time.Minute), OpenedBy: "anna",
		Services: []status.ProvisioningService{
			{Name: "PROV", State: status.ProvisioningServing, URL: "http://10.108.2.1:8080/", Phones: []status.ProvisionedPhone{
				{MAC: "00:15:65:aa:bb:cc", Model: "yealink-t46s", Identities: []string{"21"}, Address: netip.MustParseAddr("10.108.2.51"), Fetched: noon.Add(-time.Hour), Fetches: 3, Device: "Yealink T46S", Firmware: "66.86.0.15"},
				{MAC: "7c:2f:80:00:00:01", Model: "gigaset-n670", Identities: []string{"23", "24"}, Refused: noon.Add(-time.Minute), Refusals: 1, Why: "nothing is opened\n> reload", From: netip.MustParseAddr("10.108.2.52")},
			}},
			{Name: "OTHER", State: status.ProvisioningFailed, Error: "its address is not in the LAN"},
		},
		Strangers: []status.ProvisionedPhone{{MAC: "00:04:13:00:00:01", From: netip.MustParseAddr("10.108.2.60"), Device: "Snom D735", Firmware: "10.1.64.14", Refused: noon.Add(-time.Minute), Refusals: 4}},
		Templates: []status.ProvisioningUsed{{Name: "gigaset"}, {Name: "snom", Own: true}, {Name: "yealink", Own: true, Fault: "line 3: unexpected {{end}}"}},
		Upstreams: []status.ProvisioningForeign{{Host: "prov.example.test", Passed: 2, Failed: 1, Error: "x509: certificate signed by unknown authority"}},
	}
}

func (busyBox) OpenProvisioning(d time.Duration, by string) (time.Time, error) {
	if d > time.Hour {
		return time.Time{}, errors.New("there is no provisioning-service that is not shut down")
	}
	return noon.Add(d), nil
}

func (busyBox) CloseProvisioning(by string) bool { return by != "" }

func (busyBox) ProvisioningTemplate(name string) (status.ProvisioningTemplate, error) {
	t := status.ProvisioningTemplate{ProvisioningUsed: status.ProvisioningUsed{Name: name}, Text: "#!version:1.0.0.1\n{{range .Accounts}}account.{{.Number}}.label = {{.Label}}\n{{end}}"}
	if name == "snom" {
		t.Fault = "line 3: unexpected {{end}}"
	}
	return t, nil
}

func (busyBox) ImportProvisioningTemplate(name string, text []byte) error {
	if !strings.HasPrefix(string(text), "#!version") {
		return errors.New("the first line is not #!version:1.0.0.1, without which phones take nothing: nothing was changed")
	}
	return nil
}

func (busyBox) EraseProvisioningTemplate(string) error { return nil }

func (busyBox) Survivals() []status.Survival {
	return []status.Survival{
		{Name: "S/PBX", Watch: "IF_PBX", State: status.SurvivalLost, Since: noon.Add(-10 * time.Minute), Active: noon.Add(-10 * time.Minute), Why: "does not answer OPTIONS: no response\n> reload", Times: 2,
			Routes: []status.SurvivalRoute{{From: "IF_TEAMS", To: "service PHONES"}, {From: "IF_PHONES", To: "interface IF_TEAMS", Over: "FIRST"}}},
		{Name: "TEAMS", Watch: "IF_TEAMS", State: status.SurvivalLosing, Since: noon.Add(-10 * time.Second), Next: noon.Add(20 * time.Second), Why: "has said 503", Routes: []status.SurvivalRoute{{From: "IF_PBX", To: "table RT"}}},
		{Name: "WELL", Watch: "IF_X", State: status.SurvivalWell, Since: noon.Add(-time.Hour), Why: "does not answer", Times: 1},
	}
}

func (busyBox) TestPresence(_ context.Context, name string, report func(status.CheckStep)) (status.Checkup, error) {
	if name != "" && name != "TEAMS" {
		return status.Checkup{}, errors.New("there is no presence-service " + name)
	}
	out := status.Checkup{Of: "presence", Steps: []status.CheckStep{{ID: "presence-tls", Title: "TLS with graph.microsoft.com", Seen: []string{"TLS 1.3"}},
		{ID: "presence-sign-in", Title: "Sign-in to Microsoft Entra", State: status.CheckFailed, Problem: "the secret has expired\n> reload (AADSTS7000222)", Advice: "Make a new one."}}}
	for _, x := range out.Steps {
		report(x)
	}
	return out, nil
}

func (busyBox) GeneratePresenceCertificate(name string, bits, years int, replace bool) (string, []byte, error) {
	if name == "TEAMS" && !replace {
		return "", nil, errors.New("there is one")
	}
	return fmt.Sprintf("certificate %s: %d bits, %d years", name, bits, years), []byte("-----BEGIN CERTIFICATE-----\n"), nil
}

func (busyBox) ACME() []status.ACME {
	return []status.ACME{
		{Name: "sbc", State: status.ACMEIdle, Directory: "https://acme.test/directory", Names: []string{"sbc.example.com"}, Challenge: "dns-persist", Certificate: "pki:certificate/sbc",
			NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(90 * 24 * time.Hour), Renew: noon.Add(61 * 24 * time.Hour), Advised: true, Account: "https://acme.test/account/1",
			Records: []string{`_validation-persist.sbc.example.com. IN TXT "acme.test; accounturi=https://acme.test/account/1"`}},
		{Name: "lan", State: status.ACMEFailed, Directory: "https://acme.test/directory", Names: []string{"lan.example.com"}, Challenge: "http", Certificate: "pki:certificate/lan",
			Failures: 2, Next: noon.Add(6 * time.Hour), Held: noon.Add(6 * time.Hour), Error: "the order fails: the authority says: too many certificates (rateLimited)"},
	}
}

func (busyBox) RenewACME(name string) error {
	if name != "sbc" {
		return errors.New("there is no profile acme " + name + ": `show acme` lists them")
	}
	return nil
}

func (busyBox) TestACME(_ context.Context, _ string, report func(line string)) error {
	report("Clock: right")
	return errors.New("a certificate would not be obtained")
}

func (busyBox) Trace(start device.TraceStart, p []device.PropertyValue) (device.Trace, error) {
	return device.Trace{Steps: []string{"table " + start.Dest.Table.Name + start.Interface.Name + " " + string(p[0].Property) + " " + p[0].Value}, Attempts: []string{"if_pbx"},
		Notes: []string{"mapping-table M has no key for it"}, Result: "The call would go to if_pbx"}, nil
}

func (busyBox) CallTrace(id string) (status.CallTrace, error) {
	if id != "15" {
		return status.CallTrace{}, errors.New("there is no call " + id)
	}
	from, to := netip.MustParseAddrPort("192.168.1.100:5060"), netip.MustParseAddrPort("192.168.1.2:5060")
	return status.CallTrace{ID: "15", Calling: "222", Called: "+4930123", Legs: []status.TraceLeg{{Interface: "if_pbx", CallID: "x@y", Kept: true}}, Messages: []status.TraceMessage{
		{Time: noon, Transport: "udp", Local: to, Remote: from, Method: "INVITE", SDP: true, Size: 28, Text: "INVITE sip:222 SIP/2.0\r\nX: y"},
		{Time: noon.Add(3 * time.Millisecond), Sent: true, Transport: "udp", Local: to, Remote: from, Method: "INVITE", Code: 486, Reason: "Busy Here", Size: 21, Text: "SIP/2.0 486 Busy Here"},
	}}, nil
}

func (busyBox) CallCapture(id string, _ bool) ([]byte, error) {
	if id != "15" {
		return nil, errors.New("there is no call " + id)
	}
	return []byte("\x0a\x0d\x0d\x0a\x00"), nil
}

func (busyBox) Send(_ context.Context, url string, text []byte) error {
	if url != "https://h/x.pcapng" || string(text) != "\x0a\x0d\x0d\x0a\x00" {
		return errors.New("404 Not Found")
	}
	return nil
}

// A capture goes where no terminal is, and else the refusal says how.
func TestTheCaptureOfACall(t *testing.T) {
	l, b := New(), busyBox{newBox()}
	for _, c := range []struct {
		line, text, file string
		terminal         bool
	}{
		{"export call 15", "", "\x0a\x0d\x0d\x0a\x00", false},
		{"export call 15", "% this is a file for Wireshark, which no terminal shows: `ssh NAME@BOX export call 15 > call.pcapng` saves it, `copy call:15 https://HOST/call.pcapng` sends it\n", "", true},
		{"export call 99", "% there is no call 99\n", "", false},
		{"copy call:15 https://h/x.pcapng", "call:15 copied to https://h/x.pcapng: 5 bytes\n", "", true},
		{"copy call:15 https://h/y", "% send to https://h/y: 404 Not Found\n", "", true},
		{"copy call:15 startup-config", "% the messages of a call are sent to http://HOST/PATH or https://HOST/PATH, not to startup-config\n", "", true},
	} {
		var out, file strings.Builder
		s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
		if !c.terminal {
			s.Into = &file
		}
		l.Exec(t.Context(), b, s, c.line, nil, &out)
		if out.String() != c.text || file.String() != c.file {
			t.Errorf("%s says %q and writes %q, want %q and %q", c.line, out.String(), file.String(), c.text, c.file)
		}
	}
	var out strings.Builder
	l.Exec(t.Context(), b, &Session{Class: config.Operator}, "export call 15", nil, &out)
	if !strings.HasPrefix(out.String(), "%") {
		t.Errorf("an operator is given %q", out.String())
	}
	for _, line := range []string{"show calls ladder 1", "export call 1"} {
		h := l.Help(b, &Session{Class: config.Administrator, Mode: []string{"enable"}}, line, len(line))
		for _, id := range []string{"17", "15"} { // in progress, over
			if !slices.ContainsFunc(h.Choices, func(c Choice) bool { return c.Word == id }) {
				t.Errorf("%s is completed with %+v, without %s", line, h.Choices, id)
			}
		}
	}
}

func TestShow(t *testing.T) {
	l := New()
	b := busyBox{newBox()}
	s := &Session{Class: config.Operator}
	for _, line := range []string{"enable", "configure"} {
		r, _ := l.Exec(t.Context(), b, &Session{Class: config.Superuser, Mode: s.Mode}, line, nil, &strings.Builder{})
		s.Mode = r.Mode
	}
	b.cfg, _ = l.Parse([]byte("context cs S\nrouting-table called-e164 T\nroute default dest-table T2\ninterface sip I\nroute call dest-table T\nfleet\nname berlin\nredundancy\n"))
	var out strings.Builder
	shown := []string{
		"show system licenses", "show system licenses detail 1", "show calls", "show calls detail 4",
		"show calls history", "show calls history 1", "show calls history json", "show calls history csv", "show calls history masked", "show calls history json masked", "show call-records", "show calls history failed", "show calls history to 4930 since 3h", "show calls history 1 since 11:00 json", "show calls history since soon", "show calls history number 0123", "show calls history since 11:15 until 11:45", "show calls history result refused", "show calls history result missed", "show calls history code 486", "show calls history interface if_teams before 18", "show calls history failed result missed", "show calls record 15", "show calls record a@b", "show calls record 99", "show calls explain 15", "show calls explain a@b", "show calls explain 17", "show calls explain 99", "show calls statistics", "show calls statistics hour", "show peer", "show peer IF_teams_1", "show peer if_x", "show sip registrations", "show sip penalty-box", "show clock", "show sntp-client", "show dhcp-client", "show ip interface",
		"show calls ladder 15", "show calls ladder 99", "show calls ladder 15 detail",
		"show call-router trace T called-e164 +49123", "show call-router trace I called-e164 +49123 calling-uri sip:a@b", "show config problems", "show alarms", "show alarms history", "show accounts", "show snmp", "show webserver", "show hep-client", "show presence", "show presence Anna@contoso.com", "show presence user.02", "show presence carl@contoso.com", "show presence x", "show phones", "show phones 21", "show phones x", "show sip bindings", "show provisioning", "show provisioning template yealink", "show provisioning template snom", "show survival", "show survival TEAMS", "show survival x", "show sip events", "show fleet", "show fleet key", "show redundancy", "show redundancy key", "show redundancy key 2", "show acme", "show acme lan", "show acme x",
	}
	for _, line := range shown {
		out.WriteString("> " + line + "\n")
		l.Exec(t.Context(), b, s, line, nil, &out)
		out.WriteString("\n")
	}
	golden(t, "testdata/show.golden", out.String())
	for _, x := range command.Admin() {
		if !strings.HasPrefix(x.Line, "show ") {
			continue
		}
		head, _, _ := strings.Cut(x.Line, " [")
		words, _, arguments := strings.Cut(head, " <")
		if !slices.ContainsFunc(append(shown, shownElsewhere...), func(line string) bool {
			return line == words || (arguments || head != x.Line) && strings.HasPrefix(line, words+" ")
		}) {
			t.Errorf("%s: TestShow does not show it: add it to the lines, and what busyBox answers", x.Line)
		}
	}
}

// shownElsewhere are the commands whose answers other tests look at, here or where a whole box runs.
var shownElsewhere = []string{
	"show running-config", "show startup-config", "show config diff", "show system images", "show system", "show uptime", "show call-router", "show version",
	"show context sip-gateway", "show pki", "show pki trusted", "show pki calendar", "show pki peers", "show pki internal-ca", "show ip route", "show arp", "show port ethernet", "show port ethernet 0 0", "show log", "show log follow",
	"show tech-support", "show bans", "show users", "show audit",
}

func TestAdministratorsSeeAndEraseLicenseKeys(t *testing.T) {
	l, b := New(), busyBox{newBox()}
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
	for line, want := range map[string]string{
		"show system licenses detail 1": "\n# license 17: 20 sip-sessions, any system, of issuer lab (ID f90fe3dd9d)\ninstall license AQEAFAAA\n\n# not in force: the issuer is unknown (ID a7851e709e)\ninstall license BBBB\n",
		"erase license BBBB":            "erased: license 18: 1 srtp-channels\n",
		"erase license CCCC":            "% erase license: no such key is installed\n",
	} {
		var out strings.Builder
		l.Exec(t.Context(), b, s, line, nil, &out)
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s:\n%s", line, out.String())
		}
	}
}

func (busyBox) AlarmHistory(n int) []health.Episode {
	return []health.Episode{
		{ID: "link-down", Severity: health.Error, Subject: "eth01", Text: "port eth01 has no link", Raised: noon.Add(-48 * time.Hour), Interrupted: true, Times: 1},
		{ID: "peer-silent", Severity: health.Error, Subject: "IF_TEAMS", Text: "sip.pstnhub.microsoft.com of interface sip IF_TEAMS gets no calls: no answer to OPTIONS", Raised: noon.Add(-time.Hour), Cleared: noon, Lasted: 95*time.Second + time.Millisecond, Times: 3},
		{ID: "deaf", Severity: health.Critical, Text: "no gateway can listen: x", Raised: noon, Times: 1},
	}[:min(n, 3)]
}

func TestAnAlarmIsAcknowledgedByName(t *testing.T) {
	b := &acknowledging{busyBox: busyBox{newBox()}}
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}, User: "anna"}
	for line, want := range map[string]string{
		"clear alarm link-down":       "2 alarms acknowledged\n",
		"clear alarm link-down eth00": "1 alarm acknowledged\n",
		"clear alarm deaf":            "% no such alarm is raised: deaf; `show alarms` lists those that are\n",
	} {
		var out strings.Builder
		New().Exec(t.Context(), b, s, line, nil, &out)
		if out.String() != want {
			t.Errorf("%s: %s", line, out.String())
		}
	}
	if b.by != "anna" || len(b.box.trail) != 3 {
		t.Errorf("by %s, trail %v", b.by, b.box.trail)
	}
}

type acknowledging struct {
	busyBox
	by string
}

func (b *acknowledging) AcknowledgeAlarm(id, subject, by string) int {
	b.by = by
	switch {
	case id != "link-down":
		return 0
	case subject != "":
		return 1
	}
	return 2
}
