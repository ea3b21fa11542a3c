package check

// checkRecords looks at what is sent of call records.
func checkRecords(c *checker) {
	r := c.cfg.CallRecords
	if r == nil || r.Syslog.Facility == "" {
		return
	}
	if s := c.cfg.Syslog; s == nil || len(s.Remotes) == 0 {
		c.add(c.at(r, "Syslog"), Warning, "no server is told of calls: there is no syslog-client with a line `remote`", "")
	}
}
