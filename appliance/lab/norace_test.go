//go:build !race

package lab

const raceFlag = "-race=false"
