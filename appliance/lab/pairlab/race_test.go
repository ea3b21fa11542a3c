//go:build race

package pairlab

// The programs that the test starts watch for races when it does.
const raceFlag = "-race=true"
