package call

// Settled reports whether another box could go on with all calls as they are now.
func Settled(m *Manager) bool { return len(m.unsettled()) == 0 }
