//go:build race

package lab

// The box that the tests start watches for races when they do.
const raceFlag = "-race=true"
