// Package word has the words of a configuration that are more than plain text: how each is parsed, printed and completed, and the help for
// words that mean the same wherever they stand.
//
// It owns neither the lines that the words stand in, which are the table's (package lang), nor the values, which are package config's.
package word

import (
	"fmt"
	"maps"

	"viaduct/appliance/config"
)

// Help is the help for words that mean the same wherever they stand behind the first word of a line.
func Help() map[string]string {
	help := map[string]string{
		"called-e164": "Number that is called", "calling-e164": "Number of the caller", "called-uri": "SIP address that is called",
		"calling-uri": "SIP address of the caller", "called-name": "Name of the callee", "calling-name": "Name of the caller",
		"called-ip": "Address that the call came to", "calling-ip": "Address that the call came from",
		"calling-pi": "Whether the caller's number may be shown", "calling-si": "Whether the caller's number was checked",
		"e164": "Any number", "uri": "Any SIP address", "name": "Any name",
		"time": "Time of day", "date": "Date", "day-of-week": "Day of the week",
		"dest-table": "A table that goes on choosing", "dest-interface": "An interface: its peer is called",
		"dest-service": "A service: a hunt group", "none": "Nothing",
		"from-header": "The header From", "to-header": "The header To", "contact-header": "The header Contact", "request-uri": "The request line",
		"p-asserted-identity-header": "The header P-Asserted-Identity", "user-part": "What stands before the @", "host-part": "What stands behind the @",
		"fix":  "A text that is always the same",
		"half": "One direction at a time", "full": "Both directions at once",
		"server": "A server", "client": "A client", "any": "All of them",
		"primary": "Believed when the servers disagree", "secondary": "Asked beside it", "tertiary": "Asked beside both", "quaternary": "Asked beside the three",
		"g711alaw64k": "G.711 A-law, as in Europe", "g711ulaw64k": "G.711 mu-law, as in America", "g722": "G.722",
		"g722-64k": "G.722, as some files write it", "g729": "G.729", "g729a": "G.729 Annex A", "opus": "Opus",
		"10": "10 Mbit/s", "100": "100 Mbit/s", "1000": "1 Gbit/s", "2500": "2.5 Gbit/s", "10000": "10 Gbit/s",
		"zone": "By its name, with summer time", "default-offset": "By its distance from UTC",
		"rx-length": "Milliseconds of a packet that is asked for", "tx-length": "Milliseconds of a packet that is sent when nothing is asked for",
		"silence-suppression": "Send nothing while nobody speaks", "voice-update-frames": "Taken, no effect",
		"forced": "Refuse calls without it", "preferred": "Offer it, and do without where the peer has none", "forbidden": "Never",
		"rtp": "As telephone-events", "signaling": "In SIP INFO", "default": "What suits the peer",
		"inactive": "Nothing is heard on either side", "sendonly": "Music may be sent",
		"remote": "The peer that the interface names", "microsoft-teams": "All networks of Microsoft Teams",
		"auto": "By itself", "tls": "TLS", "tcp": "TCP", "udp": "UDP",
		"permit": "Let it pass", "deny": "Drop it", "ip": "Any protocol", "icmp": "ICMP",
		"graceful": "Once no call is left", "in": "In some minutes, unless cancelled", "force": "Without a question; also an older image",
		"replace": "Make it the whole of the configuration",
		"detail":  "More of each; 0 is least, 5 most", "json": "As records, a line each", "follow": "And new ones as they come",
	}
	for _, cause := range config.Causes() {
		help[string(cause)] = fmt.Sprintf("Cause %d of ITU-T Q.850", cause.Number())
	}
	return help
}

// Topics is the help for keywords with which several statements begin.
func Topics() map[string]string { return maps.Clone(topics) }

var topics = map[string]string{
	"administrator":       "An account that changes the configuration",
	"superuser":           "An account that also manages accounts",
	"operator":            "An account that only looks",
	"address-translation": "Which headers and properties make each other",
	"authentication":      "Checking of identities",
	"bind":                "What this belongs to",
	"call":                "Calls of this identity",
	"calls":               "Calls in progress, and those that ended",
	"call-router":         "Tables, and the way of a call through them",
	"console":             "Sessions at the command line",
	"call-reroute":        "Redirects (3xx)",
	"call-transfer":       "Transfers (REFER)",
	"clear":               "End or forget",
	"clock":               "Time of the box",
	"context":             "IP, call routing, or a SIP gateway",
	"copy":                "Copy a configuration",
	"erase":               "Delete a file",
	"export":              "Print something to keep elsewhere",
	"import":              "Take something into the key store",
	"interface":           "An interface",
	"ip":                  "Internet protocol",
	"sip":                 "Registrations and peers",
	"config":              "What is wrong with the configuration, or different in it",
	"system":              "The box",
	"log":                 "The log of the box",
	"debug":               "Show what happens in this session",
	"pki":                 "Keys and certificates",
	"profile":             "Settings that others use by name",
	"protocol":            "Versions of TLS",
	"register":            "Whether to register",
	"registration":        "Registering with a registrar",
	"reload":              "Restart with the startup-config",
	"retry-timeout":       "Pauses after a failed registration",
	"route":               "Routes",
	"show":                "Look at something",
	"sntp-client":         "Setting of the clock from the network",
	"spoofed":             "Names and addresses to show instead of our own",
	"srtp":                "Encrypted media",
	"tcp":                 "TCP",
	"transport-protocol":  "Transport",
	"use":                 "Settings to use",
	"authenticate":        "How to authenticate",
	"default":             "When no key matches",
	"no":                  "Take a line back",
	"terminal":            "Paging, and the size of this terminal",
	"port":                "Network ports",
	"ethernet":            "Network ports",
	"acl":                 "Packets that may pass",
	"rtp":                 "Packets of voice",
	"adjust-mss":          "Largest segment of TCP",
	"mapping-table":       "A table that changes properties of a call",
}
