package appliance_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/capture"
	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	foreign "viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

// words are the values of string types that are the box's own.
var words = []any{
	status.ByCaller, status.ByCallee, status.ByBox, status.ByMedia, status.ByAdministrator, status.ByTransfer,
	status.Answered, status.Refused, status.Unreached, status.Silent, status.Skipped, status.Unusable, status.Cancelled,
	status.ChosenFirst, status.ChosenHunted, status.ChosenUnreached, status.ChosenEmergency, status.ChosenTransfer, status.ChosenPickup,
	status.KeyCertificate, status.KeyPrivate, status.KeyTrusted,
}

// hostileBox is a box that knows nothing but what attackers have sent it. A method that it lacks ends the test of the command that asks.
type hostileBox struct {
	device.Box
	variant int
	cfg     *config.Config
}

func of[T any](b *hostileBox) T { return foreign.Fill[T](b.variant, words...) }

// fault is an error in every other variant.
func (b *hostileBox) fault() error {
	if b.variant%2 == 0 {
		return nil
	}
	return foreign.Err
}

// known gives the last of some values a name that can be typed.
func known[T any](list []T, name func(*T) *string) []T {
	*name(&list[len(list)-1]) = "15"
	return list
}

func (b *hostileBox) Running() *config.Config { return b.cfg }
func (b *hostileBox) Mutate(_ status.Author, change func(*config.Config) (*config.Config, error)) error {
	cfg, err := change(b.cfg)
	if err == nil {
		b.cfg = cfg
	}
	return err
}
func (b *hostileBox) Env() check.Env                                { return check.Env{Now: time.Now()} }
func (b *hostileBox) Serial() string                                { return "00A0BA0F2439" }
func (b *hostileBox) Note(e status.Audit, more func(*status.Audit)) {}
func (b *hostileBox) ReadFile(string) ([]byte, error) {
	return []byte("system hostname sbc\n"), b.fault()
}
func (b *hostileBox) WriteFile(string, []byte) error { return b.fault() }
func (b *hostileBox) EraseFile(string) error         { return b.fault() }
func (b *hostileBox) Kept() int                      { return 1 }
func (b *hostileBox) Fetch(context.Context, string) ([]byte, error) {
	return []byte(foreign.Text), b.fault()
}
func (b *hostileBox) Send(context.Context, string, []byte) error  { return b.fault() }
func (b *hostileBox) Backup(string) ([]byte, error)               { return []byte("backup\n"), b.fault() }
func (b *hostileBox) CheckBackup([]byte, string) (string, error)  { return foreign.Text, b.fault() }
func (b *hostileBox) Restore([]byte, string) (string, error)      { return foreign.Text, b.fault() }
func (b *hostileBox) Reload(device.Reload) (string, error)        { return foreign.Text, b.fault() }
func (b *hostileBox) Coming() *device.Coming                      { return of[*device.Coming](b) }
func (b *hostileBox) AlarmHistory(int) []health.Episode           { return of[[]health.Episode](b) }
func (b *hostileBox) AcknowledgeAlarm(string, string, string) int { return b.variant % 2 }
func (b *hostileBox) Audit(int, func(status.Audit) bool) ([]status.Audit, error) {
	return of[[]status.Audit](b), b.fault()
}
func (b *hostileBox) Traffic(time.Duration) status.Traffic { return of[status.Traffic](b) }
func (b *hostileBox) LastChange() status.Changed           { return of[status.Changed](b) }
func (b *hostileBox) Trend() status.Trend                  { return of[status.Trend](b) }
func (b *hostileBox) TrafficTotals() status.TrafficTotals  { return of[status.TrafficTotals](b) }
func (b *hostileBox) LastCheck() status.Checkup            { return of[status.Checkup](b) }
func (b *hostileBox) Check(_ context.Context, _ string, report func(status.CheckStep)) status.Checkup {
	c := of[status.Checkup](b)
	for _, x := range c.Steps {
		if report != nil {
			report(x)
		}
	}
	return c
}
func (b *hostileBox) CheckFederation(ctx context.Context, domain string, report func(status.CheckStep)) status.Checkup {
	return b.Check(ctx, domain, report)
}
func (b *hostileBox) CallTrace(string) (status.CallTrace, error) {
	t := of[status.CallTrace](b)
	for n := range t.Messages {
		t.Messages[n].Leg %= len(t.Legs)
	}
	return t, b.fault()
}
func (b *hostileBox) CallCapture(string, bool) ([]byte, error) { return []byte("file"), b.fault() }
func (b *hostileBox) CaptureVoice(string) time.Time            { return time.Time{} }
func (b *hostileBox) ForgetVoice()                             {}
func (b *hostileBox) Web() status.Web                          { return of[status.Web](b) }
func (b *hostileBox) SetupCode() string                        { return "12345678" }
func (b *hostileBox) SNMP() status.SNMP                        { return of[status.SNMP](b) }
func (b *hostileBox) Fleet() status.Fleet                      { return of[status.Fleet](b) }
func (b *hostileBox) FleetKey() (fleet.KeyFile, error) {
	return fleet.KeyFile{Box: "berlin", Key: "UAB"}, b.fault()
}
func (b *hostileBox) GenerateFleetKey(context.Context) (bool, error) {
	return b.variant%2 == 0, b.fault()
}
func (b *hostileBox) Redundancy() status.Redundancy {
	r := of[status.Redundancy](b)
	r.State = status.PairActive
	return r
}
func (b *hostileBox) RedundancyKey() (string, error)         { return anySum, b.fault() }
func (b *hostileBox) SwitchRedundancy(context.Context) error { return b.fault() }
func (b *hostileBox) HEP() status.HEP                        { return of[status.HEP](b) }
func (b *hostileBox) Phones() []status.Phone {
	return known(of[[]status.Phone](b), func(x *status.Phone) *string { return &x.Identity })
}
func (b *hostileBox) Bindings() []status.Binding { return of[[]status.Binding](b) }
func (b *hostileBox) ClearBindings(string) int   { return b.variant }
func (b *hostileBox) RestartPhone(context.Context, string) ([]status.PhoneRestart, error) {
	return of[[]status.PhoneRestart](b), b.fault()
}
func (b *hostileBox) Provisioning() status.Provisioning { return of[status.Provisioning](b) }
func (b *hostileBox) OpenProvisioning(time.Duration, string) (time.Time, error) {
	return time.Time{}, b.fault()
}
func (b *hostileBox) CloseProvisioning(string) bool { return b.variant%2 == 0 }
func (b *hostileBox) ProvisioningTemplate(string) (status.ProvisioningTemplate, error) {
	return of[status.ProvisioningTemplate](b), b.fault()
}
func (b *hostileBox) ImportProvisioningTemplate(string, []byte) error { return b.fault() }
func (b *hostileBox) EraseProvisioningTemplate(string) error          { return b.fault() }
func (b *hostileBox) Survivals() []status.Survival {
	return known(of[[]status.Survival](b), func(x *status.Survival) *string { return &x.Name })
}
func (b *hostileBox) Presence() status.Presence { return of[status.Presence](b) }
func (b *hostileBox) Events() status.Events     { return of[status.Events](b) }
func (b *hostileBox) TestPresence(_ context.Context, _ string, report func(status.CheckStep)) (status.Checkup, error) {
	report(of[status.CheckStep](b))
	return of[status.Checkup](b), b.fault()
}
func (b *hostileBox) GeneratePresenceCertificate(string, int, int, bool) (string, []byte, error) {
	return foreign.Text, []byte("certificate\n"), b.fault()
}
func (b *hostileBox) Drain(device.Drain) error            { return b.fault() }
func (b *hostileBox) EndDrain(device.Drain) (bool, error) { return b.variant%3 == 0, b.fault() }
func (b *hostileBox) Bans() []status.Ban                  { return of[[]status.Ban](b) }
func (b *hostileBox) LiftBans(netip.Addr) int             { return b.variant % 3 }
func (b *hostileBox) ImportCertificate(string, []byte) (string, error) {
	return foreign.Text, b.fault()
}
func (b *hostileBox) ImportPrivateKey(string, []byte, string) (string, error) {
	return foreign.Text, b.fault()
}
func (b *hostileBox) ImportPKCS12(string, []byte, string) (string, error) {
	return foreign.Text, b.fault()
}
func (b *hostileBox) GenerateKey(string, int, bool) (string, error) { return foreign.Text, b.fault() }
func (b *hostileBox) CertificateRequest(string, []string) ([]byte, error) {
	return []byte("request\n"), b.fault()
}
func (b *hostileBox) CreateInternalCA(string, bool) (string, error) { return foreign.Text, b.fault() }
func (b *hostileBox) IssueInternal(string, []string, bool) (string, error) {
	return foreign.Text, b.fault()
}
func (b *hostileBox) InternalCA() status.InternalCA { return of[status.InternalCA](b) }
func (b *hostileBox) ExportCertificate(string) ([]byte, error) {
	return []byte(remark), b.fault()
}
func (b *hostileBox) DeletePKI(status.KeyKind, string) error { return b.fault() }
func (b *hostileBox) PKI() []status.Key                      { return of[[]status.Key](b) }
func (b *hostileBox) UnknownIssuers() []status.UnknownIssuer {
	return known(of[[]status.UnknownIssuer](b), func(x *status.UnknownIssuer) *string { x.SHA256 = anySum; return new(string) })
}
func (b *hostileBox) ACME() []status.ACME    { return of[[]status.ACME](b) }
func (b *hostileBox) RenewACME(string) error { return b.fault() }
func (b *hostileBox) TestACME(_ context.Context, _ string, report func(string)) error {
	report(foreign.Text)
	return b.fault()
}
func (b *hostileBox) BeginCommit(*config.Config, status.Author, time.Duration) error {
	return b.fault()
}
func (b *hostileBox) KeepPassword(*config.Account, bool) {}
func (b *hostileBox) Confirm(status.Author) error        { return b.fault() }
func (b *hostileBox) TakeBack(status.Author) error       { return b.fault() }
func (b *hostileBox) Commit() status.Commit              { return of[status.Commit](b) }
func (b *hostileBox) TrustIssuer(string, status.Author) (string, error) {
	return foreign.Text, b.fault()
}
func (b *hostileBox) UntrustIssuer(string, status.Author) (string, error) {
	return foreign.Text, b.fault()
}
func (b *hostileBox) Calendar() status.Calendar             { return of[status.Calendar](b) }
func (b *hostileBox) ImportCalendar([]byte) (string, error) { return foreign.Text, b.fault() }
func (b *hostileBox) EraseCalendar() error                  { return b.fault() }
func (b *hostileBox) PeerChains() status.PeerChains         { return of[status.PeerChains](b) }
func (b *hostileBox) InstallLicense(string) (string, error) { return foreign.Text, b.fault() }
func (b *hostileBox) EraseLicense(string) (string, error)   { return foreign.Text, b.fault() }
func (b *hostileBox) Licenses() status.Licenses             { return of[status.Licenses](b) }
func (b *hostileBox) Calls() []status.Call {
	return known(of[[]status.Call](b), func(x *status.Call) *string { return &x.ID })
}
func (b *hostileBox) CallInProgress(string) (status.Record, bool) {
	return of[status.Record](b), b.variant%3 == 0
}
func (b *hostileBox) CallCount() int { return 1 }
func (b *hostileBox) CallRecords(int) ([]status.Record, error) {
	return known(of[[]status.Record](b), func(x *status.Record) *string { return &x.ID }), b.fault()
}
func (b *hostileBox) FindCalls(status.RecordSearch) (status.RecordsFound, error) {
	list, err := b.CallRecords(0)
	return status.RecordsFound{Records: list}, err
}
func (b *hostileBox) CallArchive() status.CallRecords      { return of[status.CallRecords](b) }
func (b *hostileBox) EraseCallRecords(int) (int, error)    { return 1, b.fault() }
func (b *hostileBox) ClearCall(string) error               { return b.fault() }
func (b *hostileBox) Registrations() []status.Registration { return of[[]status.Registration](b) }
func (b *hostileBox) Register(string) (int, error)         { return 1, b.fault() }
func (b *hostileBox) Peers() []status.Peer                 { return of[[]status.Peer](b) }
func (b *hostileBox) ReleasePeers(config.InterfaceID) int  { return 1 }
func (b *hostileBox) Connections() []status.Connection     { return of[[]status.Connection](b) }
func (b *hostileBox) Gateways() []status.Gateway           { return of[[]status.Gateway](b) }
func (b *hostileBox) Trace(device.TraceStart, []device.PropertyValue) (device.Trace, error) {
	return of[device.Trace](b), b.fault()
}
func (b *hostileBox) WhatIf(context.Context, *config.Config, time.Time, time.Duration) (status.WhatIf, error) {
	return of[status.WhatIf](b), b.fault()
}
func (b *hostileBox) System() status.System { return of[status.System](b) }
func (b *hostileBox) Unfit() []string       { return []string{foreign.Text} }
func (b *hostileBox) Alarms() []health.Alarm {
	list := of[[]health.Alarm](b)
	list[len(list)-1].Seen = "" // else nobody need look at it
	return list
}
func (b *hostileBox) AlarmCounts() []health.Count        { return of[[]health.Count](b) }
func (b *hostileBox) IPInterfaces() []status.IPInterface { return of[[]status.IPInterface](b) }
func (b *hostileBox) IPRoutes() []status.Route           { return of[[]status.Route](b) }
func (b *hostileBox) Neighbours() ([]status.Neighbour, error) {
	return of[[]status.Neighbour](b), b.fault()
}
func (b *hostileBox) Ports() []status.Port {
	return known(of[[]status.Port](b), func(x *status.Port) *string { x.Slot, x.Port = 0, 0; return new(string) })
}
func (b *hostileBox) NameServers() []status.NameServer { return of[[]status.NameServer](b) }
func (b *hostileBox) Clock() status.Clock              { return of[status.Clock](b) }
func (b *hostileBox) SyncClock(context.Context) error  { return b.fault() }
func (b *hostileBox) Log(int) []string {
	return []string{foreign.Text, fmt.Sprintf("time=2026-11-29T12:00:00Z level=INFO msg=%q call=15 err=%q %q=%q", foreign.Text, foreign.Text, foreign.Text, foreign.Text),
		"time=2026-11-29T12:00:00Z level=ERROR msg=x call=15 peer=" + foreign.Text,
		"time=2026-11-29T12:00:00Z level=ERROR msg=x call=15 peer=" + foreign.Word + " " + foreign.Word + "=y"}
}
func (b *hostileBox) FollowLog(_ context.Context, each func(string) error) error {
	for _, line := range b.Log(0) {
		each(line)
	}
	return b.fault()
}
func (b *hostileBox) Ping(_ context.Context, _ device.Ping, report func(string)) error {
	report(foreign.Text)
	return b.fault()
}
func (b *hostileBox) Traceroute(_ context.Context, _ string, report func(string)) error {
	report(foreign.Text)
	return b.fault()
}
func (b *hostileBox) Lookup(context.Context, string) ([]string, error) {
	return of[[]string](b), b.fault()
}
func (b *hostileBox) Sessions() []status.Session       { return of[[]status.Session](b) }
func (b *hostileBox) Debug(string, string, bool) error { return b.fault() }
func (b *hostileBox) DebugCalls(string, string) error  { return b.fault() }
func (b *hostileBox) Capture(_ context.Context, _, _ int, _ capture.Options, each func(capture.Frame) error) (capture.Result, error) {
	for n := range len(foreign.Text) { // whatever the headers say
		each(capture.Frame{Time: time.Now(), Data: []byte(foreign.Text[n:] + foreign.Text), Length: 100})
	}
	return of[capture.Result](b), b.fault()
}
func (b *hostileBox) Images(context.Context) (status.Images, error) {
	return of[status.Images](b), b.fault()
}
func (b *hostileBox) InstallImage(_ context.Context, file io.ReadCloser, _ bool, report func(string)) error {
	report(foreign.Text)
	return b.fault()
}
func (b *hostileBox) FetchImage(_ context.Context, _ string, _ bool, report func(string)) error {
	report(foreign.Text)
	return b.fault()
}

// remark is what an attacker can write into a file that has several lines anyway.
const remark = "# x\x1b[2J\u202e\xff\n"

var anySum = strings.Repeat("AB", 32)
