package sipua

import "viaduct/appliance/sipgw"

// options answers what every peer pings with. Teams wants the Contact with our name and Allow (teams.md A.19).
func (a *Agent) options(r *sipgw.ServerRequest) { r.Respond(200, r.Capabilities()...) }
