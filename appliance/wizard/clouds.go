package wizard

// hub is one of Microsoft's names, in the order in which they are tried.
type hub struct{ suffix, name string }

// cloud is what differs between Microsoft's clouds.
type cloud struct {
	hubs    []hub
	trust   []string
	domains []string
	connect string // the argument of Connect-MicrosoftTeams
	signals []string
	media   []string
}

var clouds = map[string]cloud{
	World: {
		hubs:  []hub{{"primary", "sip.pstnhub.microsoft.com"}, {"secondary", "sip2.pstnhub.microsoft.com"}, {"tertiary", "sip3.pstnhub.microsoft.com"}},
		trust: []string{"microsoft-teams"},
		domains: []string{"microsoft.com", "sip-du-a-eu.pstnhub.microsoft.com", "sip-du-a-us.pstnhub.microsoft.com", "sip-du-a-as.pstnhub.microsoft.com",
			"pstnhub.microsoft.com", "sip.pstnhub.microsoft.com", "sip2.pstnhub.microsoft.com", "sip3.pstnhub.microsoft.com"},
		signals: []string{"52.112.0.0/14", "52.122.0.0/15"},
		media:   []string{"52.112.0.0/14", "52.120.0.0/14"},
	},
	GCCHigh: {
		hubs:    []hub{{"primary", "sip.pstnhub.gov.teams.microsoft.us"}},
		trust:   []string{"52.127.88.0/21"},
		domains: []string{"pstnhub.gov.teams.microsoft.us", "sip.pstnhub.gov.teams.microsoft.us"},
		connect: " -TeamsEnvironmentName TeamsGCCH",
		signals: []string{"52.127.88.0/21"},
		media:   []string{"52.127.88.0/21"},
	},
	DoD: {
		hubs:    []hub{{"primary", "sip.pstnhub.dod.teams.microsoft.us"}},
		trust:   []string{"52.127.64.0/21"},
		domains: []string{"pstnhub.dod.teams.microsoft.us", "sip.pstnhub.dod.teams.microsoft.us"},
		connect: " -TeamsEnvironmentName TeamsDOD",
		signals: []string{"52.127.64.0/21"},
		media:   []string{"52.127.64.0/21"},
	},
}
