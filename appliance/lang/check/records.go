package check

// checkHEP looks at the way to the capture server.
func checkHEP(c *checker) {
	h := c.cfg.HEP
	if h == nil || h.Remote.Host == "" {
		return
	}
	switch t := h.TLS.In(c.cfg); {
	case h.Remote.Transport != "tls":
	case t == nil && h.TLS.Name == "":
		c.add(c.at(h, "Remote"), Error, "nothing says which server to trust: nothing is sent without use profile tls", "")
	case t != nil && !t.AuthOutgoing:
		c.in(t, Warning, "hep-client sends messages over TLS without verifying the server's certificate", "authentication outgoing")
	}
}

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
