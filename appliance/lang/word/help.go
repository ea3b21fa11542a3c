// Package word defines the words of a configuration that are more than plain text: how each is parsed, printed and completed. It also has
// the help for words that mean the same in every line.
//
// The package does not own the lines that use the words (package lang) or the values (package config).
package word

import (
	"fmt"
	"maps"

	"viaduct/appliance/config"
)

// Help returns the help for words that mean the same in every line, unless they are its first word.
func Help() map[string]string {
	help := map[string]string{
		"called-e164": "Called number", "calling-e164": "Calling number", "called-uri": "Called SIP address",
		"calling-uri": "Calling SIP address", "called-name": "Name of the callee", "calling-name": "Name of the caller",
		"called-ip": "IP address that received the call", "calling-ip": "IP address that sent the call",
		"calling-pi": "Whether the caller's number may be shown", "calling-si": "Whether the caller's number was verified",
		"e164": "Any number", "uri": "Any SIP address", "name": "Any name",
		"time": "Time of day", "date": "Date", "day-of-week": "Day of the week",
		"dest-table": "Another table", "dest-interface": "An interface: call its peer",
		"dest-service": "A service: a hunt group, or phones", "none": "Nothing",
		"from-header": "The header From", "to-header": "The header To", "contact-header": "The header Contact", "request-uri": "The request line",
		"p-asserted-identity-header": "The header P-Asserted-Identity", "user-part": "The part before the @", "host-part": "The part after the @",
		"fix":  "A fixed text",
		"half": "One direction at a time", "full": "Both directions at once",
		"server": "A server", "client": "A client", "any": "All of them",
		"primary": "The server to follow if servers disagree", "secondary": "The second server", "tertiary": "The third server", "quaternary": "The fourth server",
		"g711alaw64k": "G.711 A-law, as in Europe", "g711ulaw64k": "G.711 mu-law, as in America", "g722": "G.722",
		"g722-64k": "G.722, in the spelling of some files", "g729": "G.729", "g729a": "G.729 Annex A", "opus": "Opus",
		"10": "10 Mbit/s", "100": "100 Mbit/s", "1000": "1 Gbit/s", "2500": "2.5 Gbit/s", "10000": "10 Gbit/s",
		"zone": "By name, with daylight saving time", "default-offset": "By offset from UTC",
		"rx-length": "Packet length to ask for, in milliseconds", "tx-length": "Packet length to send by default, in milliseconds",
		"silence-suppression": "Send nothing during silence", "voice-update-frames": "Taken, no effect",
		"forced": "Reject calls without it", "preferred": "Offer it, but accept calls without it", "disabled": "Never",
		"inactive": "Media stops in both directions", "sendonly": "Music on hold may be sent",
		"remote": "The peer of this interface", "microsoft-teams": "All networks of Microsoft Teams",
		"auto": "Automatically", "tls": "TLS", "tcp": "TCP", "udp": "UDP",
		"permit": "Let packets pass", "deny": "Drop packets", "icmp": "ICMP",
		"graceful": "When the last call has ended", "force": "Without confirmation",
		"replace":     "Replace the whole configuration",
		"ssh-ed25519": "Ed25519", "ssh-rsa": "RSA",
		"ecdsa-sha2-nistp256": "ECDSA with the curve P-256", "ecdsa-sha2-nistp384": "ECDSA with the curve P-384", "ecdsa-sha2-nistp521": "ECDSA with the curve P-521",
		"detail": "More detail, from 0 to 5", "json": "As JSON, one record per line", "csv": "As a table for spreadsheets, one record per line", "masked": "Without the last three digits of numbers", "follow": "And new lines as they arrive",
	}
	maps.Copy(help, presenceStates)
	for _, cause := range config.Causes() {
		help[string(cause)] = fmt.Sprintf("Cause %d of ITU-T Q.850", cause.Number())
	}
	for n := range 8 {
		help[fmt.Sprintf("local%d", n)] = fmt.Sprintf("Facility %d of RFC 5424", 16+n)
	}
	return help
}

// presenceStates have the words that Teams has for them.
var presenceStates = map[string]string{
	"do-not-disturb": "Do not disturb, also while focusing", "presenting": "Presenting", "in-a-call": "In a call", "in-a-conference": "In a conference call", "in-a-meeting": "In a meeting",
	"busy": "Busy", "away": "Away", "be-right-back": "Be right back", "available": "Available", "offline": "Offline", "out-of-office": "Out of office", "off-work": "Off work, or appears offline",
}

// Topics returns the help for keywords that begin several statements.
func Topics() map[string]string { return maps.Clone(topics) }

var topics = map[string]string{
	"alarms":              "Alarms, present and past",
	"administrator":       "An account that can change the configuration",
	"superuser":           "An account that can also manage accounts",
	"operator":            "An account that can only view",
	"address-translation": "Translation between headers and properties",
	"authentication":      "Authentication",
	"bind":                "Assign to another object",
	"call":                "Calls of this identity",
	"calls":               "Calls in progress and past calls",
	"presence":            "Presence of Teams users",
	"provisioning":        "Let phones fetch their settings, or show who did",
	"remote-management":   "Connections of the hub's operators to this box",
	"fleet":               "The hub that looks after many boxes",
	"redundancy":          "The pair of boxes that this one is one of",
	"hep-client":          "Copies of SIP messages and reports on voice for a capture server",
	"call-records":        "Records of past calls",
	"call-router":         "Tables, and the route of a call through them",
	"check":               "Find out whether calls can work, and what to do where they cannot",
	"webserver":           "The web page, and the same for machines",
	"console":             "Command-line sessions",
	"call-reroute":        "Redirects (3xx)",
	"call-transfer":       "Transfers (REFER)",
	"clear":               "End calls, lift bans, or forget where phones are",
	"clock":               "Time and time zone",
	"context":             "IP, call routing, or a SIP gateway",
	"copy":                "Copy a configuration",
	"drain":               "Take the box, or a part of it, out of service without cutting calls off",
	"erase":               "Delete a file",
	"export":              "Print a certificate or a backup",
	"import":              "Import a certificate, a key or a backup",
	"interface":           "An interface",
	"ip":                  "Internet protocol",
	"sip":                 "Registrations and peers",
	"config":              "Problems of the configuration, and differences",
	"system":              "The box",
	"log":                 "The log of the box",
	"debug":               "Show events in this session as they happen",
	"generate":            "Make a private key, a request for a certificate, or an internal CA",
	"pki":                 "Keys and certificates",
	"profile":             "Named settings",
	"protocol":            "Protocols",
	"service":             "A service: a hunt group, or phones",
	"register":            "Whether to register",
	"registration":        "Registration: ours with a registrar, or that of phones here",
	"reload":              "Restart with the startup-config",
	"retry-timeout":       "Waiting times after a failed registration",
	"route":               "Routes",
	"show":                "Show state or configuration",
	"sntp-client":         "Time synchronisation with NTP",
	"spoofed":             "Names and addresses to use instead of our own",
	"srtp":                "Encrypted media",
	"tcp":                 "TCP",
	"transport-protocol":  "Transport",
	"use":                 "Settings to use",
	"authenticate":        "Method of authentication",
	"default":             "If no key matches",
	"no":                  "Remove a line",
	"terminal":            "Paging and terminal size",
	"port":                "Network ports",
	"ethernet":            "Network ports",
	"acl":                 "Packet filters",
	"acme":                "Certificates that renew themselves",
	"rtp":                 "Media packets",
	"adjust-mss":          "Maximum TCP segment size",
	"mapping-table":       "A table that changes properties of a call",
}
