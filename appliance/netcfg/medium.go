package netcfg

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"viaduct/appliance/config"

	"golang.org/x/sys/unix"
)

// medium sets speed and duplex, or negotiation. It warns about a driver that does not allow a choice.
func (j *job) medium(p *port, o *owned) {
	want := p.medium
	if want.Speed == "" || want.Speed == "auto" {
		if !o.fixed && !j.probe.silent(p.device) {
			return // every driver begins with negotiation
		}
		want = config.Medium{Speed: "auto"}
	}
	changed, err := j.probe.setMedium(p.device, want)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		j.warn("%s: this port cannot be set to %s", p.name, mediumText(want))
		return
	case err != nil:
		j.fail("%s: set medium %s: %w", p.name, mediumText(want), err)
		return
	}
	o.fixed = want.Speed != "auto"
	if changed {
		j.change("%s: medium %s", p.device, mediumText(want))
	}
}

// silent reports whether a driver does not negotiate although it can: an earlier sbcd has set its speed.
func (p *probe) silent(device string) bool {
	const canNegotiate = 1 << 6 // SUPPORTED_Autoneg of linux/ethtool.h
	cmd := ethtoolCmd{cmd: unix.ETHTOOL_GSET}
	return p.ethtool(device, &cmd) == nil && cmd.supported&canNegotiate != 0 && cmd.autoneg == 0
}

func mediumText(m config.Medium) string {
	if m.Speed == "auto" {
		return "auto"
	}
	return fmt.Sprintf("%s %s", m.Speed, m.Duplex)
}

// setMedium reports whether the driver was set otherwise before.
func (p *probe) setMedium(device string, m config.Medium) (changed bool, err error) {
	cmd := ethtoolCmd{cmd: unix.ETHTOOL_GSET}
	if err := p.ethtool(device, &cmd); err != nil {
		return false, err
	}
	want := cmd
	want.cmd = unix.ETHTOOL_SSET
	if m.Speed == "auto" {
		want.autoneg, want.advertising = 1, want.supported
		if cmd.autoneg == 1 {
			return false, nil
		}
		return true, p.ethtool(device, &want)
	}
	speed, err := strconv.ParseUint(m.Speed, 10, 32)
	if err != nil {
		return false, fmt.Errorf("medium %q: %w", m.Speed, err)
	}
	want.autoneg, want.speed, want.speedHigh, want.duplex = 0, uint16(speed), uint16(speed>>16), 1
	if m.Duplex == "half" {
		want.duplex = 0
	}
	if cmd.autoneg == 0 && cmd.speed == want.speed && cmd.speedHigh == want.speedHigh && cmd.duplex == want.duplex {
		return false, nil
	}
	return true, p.ethtool(device, &want)
}

// ethtool asks or tells the driver of a device.
func (p *probe) ethtool(device string, cmd *ethtoolCmd) error {
	req := ifreq{data: unsafe.Pointer(cmd)}
	copy(req.name[:unix.IFNAMSIZ-1], device)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}
