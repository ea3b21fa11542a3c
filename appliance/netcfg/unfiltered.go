package netcfg

// Unfiltered reports whether everything of the box may leave by a device, so that a packet of it need not pass the firewall: no access list
// looks at what leaves. It does not wait.
func (n *Net) Unfiltered(device string) bool {
	open := n.unfiltered.Load()
	return open != nil && (*open)[device]
}

func (n *Net) permit(open map[string]bool) { n.unfiltered.Store(&open) }

// withoutLists are the devices of the configuration whose interfaces have no access list for what leaves.
func (j *job) withoutLists() map[string]bool {
	open := map[string]bool{}
	for _, p := range j.ports {
		if !p.unconfigured && p.conf != nil && p.conf.ACLOut.IsZero() {
			open[p.device] = true
		}
	}
	return open
}

// both are the devices that are in either set.
func both(before *map[string]bool, now map[string]bool) map[string]bool {
	common := map[string]bool{}
	if before != nil {
		for device := range now {
			if (*before)[device] {
				common[device] = true
			}
		}
	}
	return common
}
