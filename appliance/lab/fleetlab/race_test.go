//go:build race

package fleetlab

// The programs that the test starts watch for races when it does.
const raceFlag = "-race=true"
