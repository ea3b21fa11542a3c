package board

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Detect returns the board that this program runs on: sim, unless it runs in an image (whose PID 1 is /gokrazy/init).
func Detect() Board { return detect("/") }

func detect(root string) Board {
	choose := func(name string) Board {
		i := slices.IndexFunc(profiles, func(p profile) bool { return p.name == name })
		return &box{profile: profiles[i], root: root}
	}
	if _, err := os.Stat(filepath.Join(root, "gokrazy/init")); err != nil {
		return choose("sim")
	}
	var model string
	for _, name := range []string{"sys/firmware/devicetree/base/model", "sys/firmware/devicetree/base/compatible", "sys/class/dmi/id/sys_vendor"} {
		text, _ := os.ReadFile(filepath.Join(root, name))
		model += string(text) + "\n"
	}
	for _, p := range profiles {
		for _, m := range p.models {
			if strings.Contains(model, m) {
				return choose(p.name)
			}
		}
	}
	return choose("uefi-arm64")
}

// Ports finds the devices of the ports. A port that the profile does not find by path gets the first hardware device that is
// left, in the order of device paths (which is the order of PCI addresses), so that any two ports make a box. What is left then are
// ports 0 2 and on, in that order: the direct path of a pair is one.
func (b *box) Ports() (map[string]string, error) {
	names := map[string]string{}
	if b.sim {
		return names, nil
	}
	class := filepath.Join(b.root, "sys/class/net")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, fmt.Errorf("find ports: %w", err)
	}
	type device struct{ name, path string }
	var devices []device
	for _, e := range entries {
		// Only hardware has a device link: not lo, bridges or tunnels.
		if path, err := filepath.EvalSymlinks(filepath.Join(class, e.Name(), "device")); err == nil {
			devices = append(devices, device{e.Name(), path})
		}
	}
	slices.SortFunc(devices, func(a, b device) int { return strings.Compare(a.path+" "+a.name, b.path+" "+b.name) })
	missing := []string{b.PortName(0, 0), b.PortName(0, 1)}
	take := func(i int, port string) {
		names[devices[i].name] = port
		devices = slices.Delete(devices, i, i+1)
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == port })
	}
	for _, p := range b.ports {
		port := b.PortName(p.slot, p.port)
		if i := slices.IndexFunc(devices, func(d device) bool { return strings.Contains(d.path, p.text) }); i >= 0 && slices.Contains(missing, port) {
			take(i, port)
		}
	}
	for len(missing) > 0 && len(devices) > 0 {
		take(0, missing[0])
	}
	for i, d := range devices {
		names[d.name] = b.PortName(0, 2+i)
	}
	return names, nil
}
