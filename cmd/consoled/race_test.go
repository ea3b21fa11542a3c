//go:build race

package main

// raceEnabled: the race detector's shadow memory is no measure of ours.
const raceEnabled = true
