package netcfg

import (
	"fmt"
	"unsafe"

	"viaduct/appliance/status"

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

// speed returns Mbit/s, 0 when the driver does not know, as without a link.
func (p *probe) speed(device string) (mbit int, duplex status.Duplex) {
	cmd := ethtoolCmd{cmd: unix.ETHTOOL_GSET}
	if p.ethtool(device, &cmd) != nil {
		return 0, status.DuplexUnknown
	}
	if s := uint32(cmd.speedHigh)<<16 | uint32(cmd.speed); s != 0xffff && s != 0xffffffff {
		mbit = int(s)
	}
	switch cmd.duplex {
	case 0:
		duplex = status.DuplexHalf
	case 1:
		duplex = status.DuplexFull
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
