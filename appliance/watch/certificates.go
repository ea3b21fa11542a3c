package watch

import (
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
)

// Certificates checks those that the box shows Microsoft Teams: what is not as Teams wants it ends every handshake. The dates have alarms
// of their own.
func (w *Watch) Certificates(cfg *config.Config, keys check.PKIStore, now time.Time) {
	var unfit []health.Args
	for _, t := range cfg.TLS {
		if faults := check.Shown(cfg, t, keys, now); len(faults) > 0 {
			unfit = append(unfit, health.Args{"profile": t.Name, "why": strings.Join(faults, "; ")})
		}
	}
	w.health.Replace(health.CertificateUnfit, unfit)
}
