package device

import (
	"time"

	"viaduct/appliance/status"
)

// Provisioning is the settings that phones fetch here.
type Provisioning interface {
	Provisioning() status.Provisioning
	// OpenProvisioning lets phones fetch for the first time for a while, and returns until when. CloseProvisioning ends that; false: nothing was open.
	OpenProvisioning(d time.Duration, by string) (time.Time, error)
	CloseProvisioning(by string) bool
	// ProvisioningTemplate is the template of this name as it is: an administrator's, or else the built-in one. ImportProvisioningTemplate takes another one
	// in its place, if phones could be set up with it, and EraseProvisioningTemplate the built-in one.
	ProvisioningTemplate(name string) (status.ProvisioningTemplate, error)
	ImportProvisioningTemplate(name string, text []byte) error
	EraseProvisioningTemplate(name string) error
}
