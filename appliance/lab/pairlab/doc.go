// Package pairlab is a pair of boxes for tests: two whole boxes between a simulated STARFACE and a simulated Microsoft Teams, with a switch on each
// side and a path between the boxes. Cables come out, boxes die, and both ends of every call say how long they heard nothing.
//
// It owns nothing that ships. What it tests is that the parts work together: those of appliance/pair have their own tests.
package pairlab
