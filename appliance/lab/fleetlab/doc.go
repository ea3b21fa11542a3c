// Package fleetlab is a small fleet for tests: a hub and three whole boxes, each in a world of its own, behind a firewall that lets nothing out to the
// hub but TCP port 443, and nothing in.
//
// It owns nothing that ships. What it tests is that the parts work together: those of appliance/fleet have their own tests.
package fleetlab
