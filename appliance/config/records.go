package config

// CallRecords is `call-records`: how long the records of calls are kept, and where else they go.
type CallRecords struct {
	Days   int // keep N: no record is older; default 7
	Syslog RecordSyslog
	Post   RecordPost
}

func (c *CallRecords) SetDefaults() { c.Days = 7 }

// RecordSyslog is `syslog FACILITY [masked]`: a line for each record to the servers of syslog-client.
type RecordSyslog struct {
	Facility string // "local0" to "local7"; "": none
	Masked   bool   // the numbers without their last digits
}

// RecordPost is `post URL [token TOKEN] [masked]`: records in batches to a web server.
type RecordPost struct {
	URL    string // https; "": none
	Token  Secret // of the header Authorization: Bearer; "": none
	Masked bool   // the numbers without their last digits
}

// Records returns what holds for call records, with or without a block `call-records`.
func (c *Config) Records() CallRecords {
	if c.CallRecords != nil {
		return *c.CallRecords
	}
	var r CallRecords
	r.SetDefaults()
	return r
}
