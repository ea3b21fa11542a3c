package main

import (
	"log"
	"os"
	"path/filepath"
	"time"

	"viaduct/appliance/netcfg"
	"viaduct/board"
)

const (
	portsWait  = 8 * time.Second // for a USB adapter to be found, at the start
	portsAgain = 5 * time.Second // between looks for one that is plugged in later
	portCount  = 2
)

// ports names the devices of the ports. sbcd wants them: eth00 gives the serial number. A device that comes while others are
// missing is not named at once, since it might get the name of one that is only late.
func ports(box board.Board) {
	ipv6Off("default")
	until := time.Now().Add(portsWait)
	for namePorts(box, time.Now().After(until)) < portCount && time.Now().Before(until) {
		time.Sleep(100 * time.Millisecond)
	}
	go func() {
		for range time.Tick(portsAgain) {
			namePorts(box, true)
		}
	}()
}

// namePorts gives the ports their names and returns how many there are. Unless partly, it does so only when all are there.
func namePorts(box board.Board, partly bool) int {
	names, err := box.Ports()
	if err != nil {
		log.Printf("ports: %v", err)
		return 0
	}
	if len(names) < portCount && !partly {
		return len(names)
	}
	for device, port := range names {
		if device != port {
			log.Printf("port %s is %s", device, port)
			ipv6Off(device)
		}
	}
	if err := netcfg.NamePorts(names); err != nil {
		log.Printf("ports: %v", err)
	}
	return len(names)
}

// ipv6Off keeps the kernel from taking an address from any router on the wire before sbcd has put up its firewall; a configured
// IPv6 address switches it on again.
func ipv6Off(device string) {
	file := filepath.Join("/proc/sys/net/ipv6/conf", device, "disable_ipv6")
	if err := os.WriteFile(file, []byte("1"), 0o644); err != nil && exists(filepath.Dir(file)) {
		log.Printf("ipv6 off: %v", err)
	}
}
