//go:build !race

package fleetlab

const raceFlag = "-race=false"
