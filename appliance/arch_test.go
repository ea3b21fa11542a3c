package appliance_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors lists what each package of ours may import of ours: imports only go down, and a package that is not listed may not exist. The
// star is anything: those that are beside the product (docs/architecture.md).
var floors = map[string]string{
	"sipmsg":       "",
	"bans":         "source status",
	"digest":       "sipmsg",
	"registrar":    "bans config digest health pair printable sipgw sipmsg siptransport status",
	"sipcount":     "status",
	"siptransport": "config pair pki sipcount sipmsg source status printable",
	"siptx":        "sipmsg siptransport source",
	"siplegs":      "siptransport siptx",
	"sipdialog":    "config sipmsg siptransport siptx",
	"sipgw":        "config mailbox overload printable sipcount sipdialog siplegs sipmsg siptransport siptx status",
	"dialoginfo":   "",
	"roster":       "",
	"pair":         "",
	"pair/vrrp":    "pair sockfilter",
	"pair/role":    "config",
	"pair/partner": "flash",
	"pair/link":    "config flash health natswire pair plural printable status",
	"natswire":     "printable",

	"pair/election": "pair status",

	"pair/duty": "config flash health pair pair/election pair/link pair/vrrp plural status",

	"fleet":        "status",
	"fleet/lease":  "fleet printable status",
	"fleet/tunnel": "fleet plural printable status",
	"fleet/report": "cdr config fleet flash health printable records status",
	"fleet/hub":    "config fleet flash license printable",
	"fleet/bus":    "config egress fleet flash natswire printable status",

	"media/reports": "",

	"fleet/member": "config fleet fleet/bus fleet/lease fleet/report fleet/tunnel flash health license plural records status",

	"sipua":    "config printable roster sipdialog sipgw sipmsg siptransport status",
	"sipevent": "config dialoginfo printable roster sipdialog sipgw sipmsg siptransport sipua status",

	"checkup":    "config diag health names pki plural printable route sdp sipmsg siptransport sipua status",
	"internalca": "health pki status store",

	"commit":       "config health plural status",
	"survival":     "config health plural status",
	"drain":        "cli config health status",
	"egress":       "config printable",
	"graph":        "config egress printable status",
	"issuers":      "chains config health lang/check pki printable status store",
	"keyring":      "chains config graph internalca lang/check pki status store",
	"firmware":     "status upload ../image/update",
	"lang/command": "pcapng cdr capture config cli fleet explain lang/answer lang/check lang/device lang/word pasted pki plural printable status logline usermatch",

	"health/history": "flash health",

	"config":      "",
	"calendar":    "printable",
	"expiry":      "calendar cli config health license pki plural status",
	"chains":      "pki plural status",
	"cli":         "",
	"plural":      "",
	"source":      "",
	"exporter":    "config health pki places",
	"webserver":   "config health pki status",
	"snmp":        "config health printable status",
	"status":      "",
	"audit":       "flash printable status",
	"logs":        "config printable",
	"logline":     "printable",
	"pcapng":      "printable",
	"messages":    "masking pcapng sipmsg siptransport status",
	"diag":        "masking printable sipgw sipmsg siptransport status",
	"masking":     "",
	"cdr":         "printable status",
	"hep":         "config masking printable sipmsg siptransport status",
	"records":     "cdr config explain flash health pair plural printable status",
	"starface":    "plural printable",
	"store":       "flash pki plural status",
	"printable":   "",
	"health":      "plural printable",
	"route":       "config printable",
	"sdp":         "audio config printable srtp",
	"license":     "config status",
	"pki":         "config printable plural",
	"names":       "config printable status",
	"pair/files":  "flash pair pki printable store",
	"acme":        "config health pki printable status",
	"mailbox":     "",
	"media/marks": "",
	"media/ports": "",
	"media/wire":  "",
	"media":       "media/marks media/ports media/reports media/wire audio config nexthop pair sockfilter srtp steer",
	"nexthop":     "",
	"audio":       "",
	"srtp":        "",
	"steer":       "sockfilter",
	"voice":       "media",
	"capture":     "sockfilter",
	"sockfilter":  "",
	"netcfg":      "config health netcfg/dhcp pair printable status",
	"netcfg/dhcp": "printable status sockfilter",
	"clock":       "config printable status",
	"flash":       "",
	"pasted":      "",
	"release":     "",
	"timeline":    "status",
	"traffic":     "status",
	"trend":       "status",
	"overload":    "status",
	"presence":    "config graph health plural printable starface status usermatch",
	"party":       "config route sipmsg",
	"negotiation": "config sdp srtp",
	"explain":     "config plural printable route status",
	"course":      "audio status",
	"disturb":     "config party route",
	"forecast":    "config disturb negotiation party route sdp",
	"reach":       "config sdp",
	"callrecord":  "config course explain media printable route sdp sipgw sipmsg status",
	"insistent":   "",
	"giveway":     "insistent",
	"rounds":      "config",
	"lamps":       "dialoginfo sipmsg",
	"callstate":   "giveway status",
	"refusal":     "route sdp sipgw sipmsg",
	"digits":      "",
	"mediaterms":  "config media sdp srtp",
	"callkeep":    "callrecord callstate config media negotiation pair party route sdp sipgw",
	"call":        "callkeep callside callstate pair digits giveway lamps rounds mediaterms refusal callrecord dialoginfo siptransport disturb forecast course negotiation party config route sdp license sipgw sipmsg media printable status mailbox",
	"callside":    "callkeep config media mediaterms negotiation reach sdp sipgw status",
	"whatif":      "forecast config party route status",
	"lang":        "config cli lang/answer lang/check lang/command lang/device lang/older pasted plural printable status lang/word",
	"lang/answer": "cdr cli explain health lang/check plural printable release route sipmsg source status",
	"lang/check":  "calendar config cli fleet health pki printable plural",
	"lang/device": "capture config fleet health lang/check plural status webserver",
	"doors":       "",
	"transfer":    "",
	"dryrun":      "config forecast lang/device plural route",
	"startup":     "config flash health lang/check plural store",
	"lang/older":  "config cli",
	"lang/word":   "config cli fleet",
	"watch":       "cdr config handset health lang/check printable source status",
	"system": "webserver audit egress health/history config cli route sdp pki plural printable source status release health license timeline whatif explain lang lang/check lang/device " +
		"names netcfg netcfg/dhcp clock flash store logs diag ../board " +
		"sipmsg siptransport sipgw sipua sipevent media call graph presence starface " +
		"acme chains checkup commit internalca issuers keyring " +
		"records forecast capture voice pcapng bans exporter hep snmp traffic trend watch " +
		"messages provisioning " +
		"pair pair/duty pair/files pair/partner pair/role firmware doors drain dryrun expiry startup survival registrar fleet fleet/member fleet/report transfer ",
	"api":      "lang/answer webserver explain health plural config cli lang lang/check lang/command lang/device pki sipcount system api/wire printable status",
	"api/wire": "pasted",

	"console":         "api/wire console/client console/edit console/rescue console/session plural printable source flash web",
	"console/session": "api/wire console/block console/client console/edit console/rescue pasted plural printable",
	"console/client":  "api/wire upload",
	"console/rescue":  "console/edit",
	"console/block":   "api/wire pasted",
	"console/edit":    "pasted printable",

	"web/draw": "",
	// Of the web page.
	"web":                     "web/configuration web/overview web/log web/checks web/calls web/peers web/firmware api/wire console/client health printable source status web/live web/machine web/page web/assets web/setup web/who web/terminal console/edit web/certificates web/licenses web/people web/phones web/users",
	"web/page":                "api/wire config console/client printable web/assets",
	"web/live":                "",
	"web/assets":              "",
	"web/configuration":       "api/wire console/client status web/page",
	"web/who":                 "status web/page",
	"web/terminal":            "console/client console/edit console/session web/page",
	"web/machine":             "api/wire config console/client plural printable",
	"web/machine/machinetest": "",
	"web/setup":               "api/wire printable status web/page wizard",
	"web/firmware":            "api/wire console/client printable status web/page",
	"web/calls":               "api/wire cli console/client explain route status web/draw web/page",
	"web/peers":               "cli status web/page",
	"web/certificates":        "api/wire cli printable status web/page",
	"web/steps":               "api/wire status web/page",
	"web/phones":              "cli status web/page",
	"web/people":              "api/wire cli pasted status usermatch web/page web/steps",
	"web/licenses":            "cli status web/draw web/page",
	"web/users":               "cli status web/page",

	"web/overview": "cli console/client health status web/draw web/page",
	"web/checks":   "cli console/client status web/page web/steps",
	"web/log":      "api/wire cli logline printable web/page",

	"upload":    "",
	"wizard":    "cli config",
	"usermatch": "cli config party pasted plural printable route",
	".":         "api api/wire health lang lang/check logs release store system timeline ../board",

	"../board":                      "",
	"../consoled":                   "console api/wire upload printable release ../board",
	"../sbcd":                       ". health media release system timeline ../board logs",
	"../image":                      "../image/update ../board",
	"../image/update":               "",
	"../image/init":                 "api/wire netcfg timeline ../board ../image/update",
	"../image/mkimage":              "release ../image",
	"../image/qemu":                 "../image",
	"../image/flash":                "",
	"lab":                           "*",
	"lab/entra":                     "",
	"lab/fleetlab":                  "*",
	"lab/pairlab":                   "*",
	"lab/proxy":                     "",
	"lab/presencelab":               "*",
	"lab/starfacerest":              "",
	"web/browser":                   "*",
	"lab/cmd/lab":                   "*",
	"interop":                       "*",
	"interop/events":                "*",
	"pki/pkitest":                   "",
	"fleet/lease/leasecheck":        "",
	"siptransport/siptransporttest": "",
	"media/mediatest":               "srtp srtp/srtptest",
	"srtp/srtptest":                 "srtp",
	"fleet/hub/hubtest":             "fleet fleet/hub",
	"license/cmd/issue":             "calendar license",

	"printable/printabletest": "",

	// Beside the box: the hub.
	"fleet/hubcli":  "config fleet fleet/bus fleet/hub fleet/steward fleet/tunnel fleet/view license printable",
	"fleet/cmd/hub": "fleet/hubcli",
	"fleet/steward": "config fleet fleet/hub fleet/lease license",
	"fleet/view":    "fleet fleet/hub fleet/lease fleet/steward license places plural printable status web/assets",

	"handset":           "printable",
	"places":            "source",
	"provisioning":      "bans config handset health places printable provisioning/pnp provisioning/tftp status",
	"provisioning/pnp":  "sipmsg",
	"provisioning/tftp": "places",
}

// owners lists the modules that one package alone may import (the lab checks us with code of its own, so it may too).
var owners = map[string]string{
	"github.com/emiago/sipgo":    "sipmsg siptx sipdialog sipgw sipua sipevent lab",
	"github.com/pion/srtp":       "srtp media lab",
	"github.com/google/nftables": "netcfg",
	"github.com/cilium/ebpf":     "steer",
	"github.com/beevik/ntp":      "clock",
	"github.com/gosnmp/gosnmp":   "snmp",
	"go.bug.st/serial":           "console",

	"github.com/nats-io/nats-server": "fleet pair lab",
}

func TestImportsOnlyGoDown(t *testing.T) {
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		allowed, listed := floors[name]
		if !listed {
			t.Errorf("%s has no floor", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "viaduct/") && allowed != "*" && !slices.Contains(strings.Fields(allowed), short(imported)) {
				t.Errorf("%s imports %s, which is not on a floor below it", p.ImportPath, imported)
			}
			for module, owner := range owners {
				top, _, _ := strings.Cut(name, "/")
				if strings.HasPrefix(imported, module) && !slices.Contains(strings.Fields(owner), top) {
					t.Errorf("%s imports %s: only %s may", p.ImportPath, imported, owner)
				}
			}
		}
	}
}

// fixed are the modules that the customer demands, each doing real work in what ships: the programs, and the image's PID 1.
var fixed = map[string]string{
	"github.com/emiago/sipgo":        "../cmd/sbcd",
	"github.com/pion/srtp/v2":        "../cmd/sbcd",
	"github.com/vishvananda/netlink": "../cmd/sbcd",
	"github.com/beevik/ntp":          "../cmd/sbcd",
	"go.bug.st/serial":               "../cmd/consoled",
	"github.com/gokrazy/gokrazy":     "../image/cmd/init",
}

func TestFixedModulesShip(t *testing.T) {
	for module, program := range fixed {
		deps, err := exec.Command("go", "list", "-deps", program).Output()
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		if !strings.Contains(string(deps), module) {
			t.Errorf("%s is not in %s", module, program)
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

type pkg struct {
	ImportPath, Doc string
	Imports         []string
}

func packages(t *testing.T) (list []pkg) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", "viaduct/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// short turns viaduct/appliance/x into x, viaduct/appliance into a dot, and viaduct/cmd/x and viaduct/image/cmd/x into ../x and ../image/x.
func short(path string) string {
	if rest, ok := strings.CutPrefix(path, "viaduct/appliance/"); ok {
		return rest
	}
	path = strings.TrimPrefix(path, "viaduct/")
	if path == "appliance" {
		return "."
	}
	return "../" + strings.TrimPrefix(strings.Replace(path, "image/cmd/", "image/", 1), "cmd/")
}
