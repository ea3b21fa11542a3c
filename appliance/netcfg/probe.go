package netcfg

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe asks the kernel's drivers about speed and duplex. Netlink does not tell, and /sys shows the namespace in which it was
// mounted, not ours.
type probe struct{ fd int }

func newProbe() (*probe, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open socket for device queries: %w", err)
	}
	return &probe{fd: fd}, nil
}

func (p *probe) Close() error { return unix.Close(p.fd) }

// ethtoolCmd is struct ethtool_cmd of linux/ethtool.h.
type ethtoolCmd struct {
	cmd, supported, advertising                      uint32
	speed                                            uint16
	duplex, port, phy, transceiver, autoneg, support uint8
	maxTx, maxRx                                     uint32
	speedHigh                                        uint16
	mdix, mdixControl                                uint8
	partner                                          uint32
	_                                                [2]uint32
}

// ifreq is struct ifreq with a pointer in its union.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// speed returns Mbit/s and "full" or "half"; 0 and "" when the driver does not know, as without link.
func (p *probe) speed(device string) (mbit int, duplex string) {
	cmd := ethtoolCmd{cmd: unix.ETHTOOL_GSET}
	if p.ethtool(device, &cmd) != nil {
		return 0, ""
	}
	if s := uint32(cmd.speedHigh)<<16 | uint32(cmd.speed); s != 0xffff && s != 0xffffffff {
		mbit = int(s)
	}
	switch cmd.duplex {
	case 0:
		duplex = "half"
	case 1:
		duplex = "full"
	}
	return mbit, duplex
}

// driver returns the name of the kernel's driver, "" when it does not say.
func (p *probe) driver(device string) string {
	info, err := unix.IoctlGetEthtoolDrvinfo(p.fd, device)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.Driver[:])
}
