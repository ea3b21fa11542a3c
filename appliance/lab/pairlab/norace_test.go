//go:build !race

package pairlab

const raceFlag = "-race=false"
