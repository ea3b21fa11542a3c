package sipua

import "viaduct/appliance/sipgw"

// options answers what every peer pings with. Teams wants the Contact with our name and Allow (teams.md A.19).
func (a *Agent) options(r *sipgw.ServerRequest) { r.Respond(200, r.Capabilities()...) }

// notify takes message waiting and the like without noise.
func (a *Agent) notify(r *sipgw.ServerRequest) { r.Respond(200) }
