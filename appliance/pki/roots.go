package pki

import (
	"cmp"
	"crypto/x509"
	"embed"
	"slices"
	"sync"
)

// The roots of Microsoft's certificates (list of December 2025), as Mozilla's root program distributes them.
//
//go:embed roots/*.pem
var rootFiles embed.FS

// pins are the SHA-256 fingerprints of the files; a file that is not the pinned certificate is not trusted.
var pins = map[string]string{
	"DigiCert_Global_Root_CA.pem":                       "4348A0E9444C78CB265E058D5E8944B4D84F9662BD26DB257F8934A443C70161",
	"DigiCert_Global_Root_G2.pem":                       "CB3CCBB76031E5E0138F8DD39A23F9DE47FFC35E43C1144CEA27D46A5AB1CB5F",
	"DigiCert_Global_Root_G3.pem":                       "31AD6648F8104138C738F39EA4320133393E3A18CC02296EF97C2AC9EF6731D0",
	"DigiCert_TLS_ECC_P384_Root_G5.pem":                 "018E13F0772532CF809BD1B17281867283FC48C6E13BE9C69812854A490C1B05",
	"DigiCert_TLS_RSA4096_Root_G5.pem":                  "371A00DC0533B3721A7EEB40E8419E70799D2B0A0F2C1D80693165F7CEC4AD75",
	"Microsoft_ECC_Root_Certificate_Authority_2017.pem": "358DF39D764AF9E1B766E9C972DF352EE15CFAC227AF6AD1D70E8E4A6EDCBA02",
	"Microsoft_RSA_Root_Certificate_Authority_2017.pem": "C741F70F4B2A8D88BF2E71C14122EF53EF10EBA0CFA5E64CFA20F418853073E0",
}

// The roots of the authority that certifies boxes unless the configuration names another, as Mozilla's root program distributes them.
//
//go:embed public/*.pem
var publicFiles embed.FS

var publicPins = map[string]string{
	"ISRG_Root_X1.pem": "96BCEC06264976F37460779ACF28C5A7CFE8A3C0AAE11A8FFCEE05C0BDDF08C6",
	"ISRG_Root_X2.pem": "69729B8E15A86EFC177A57AFB7171DFC64ADD28C2FCA8CF1507E34453CCB1470",
}

// roots and publicRoots read the files once.
var (
	roots       = sync.OnceValue(func() []*x509.Certificate { return pinned(rootFiles, "roots/", pins) })
	publicRoots = sync.OnceValue(func() []*x509.Certificate { return pinned(publicFiles, "public/", publicPins) })
)

func pinned(files embed.FS, folder string, pins map[string]string) (list []*x509.Certificate) {
	for name, pin := range pins {
		text, err := files.ReadFile(folder + name)
		if err != nil {
			continue // a test counts them
		}
		if c, err := ParseCertificates(text); err == nil && len(c) == 1 && Fingerprint(c[0]) == pin {
			list = append(list, c[0])
		}
	}
	slices.SortFunc(list, func(a, b *x509.Certificate) int { return cmp.Compare(subject(a), subject(b)) })
	return list
}

// Public returns the roots of Let's Encrypt. Peers are not verified by them: its directory is, and the box's own certificates.
func Public() []*x509.Certificate { return slices.Clone(publicRoots()) }

// BuiltInName is the name under which a store serves the built-in trust anchors: `trusted-certificate pki:certificate/BUILT-IN` keeps
// them beside others. It cannot be imported.
const BuiltInName = "BUILT-IN"

// BuiltIn returns the built-in trust anchors in the order of their names.
func BuiltIn() []*x509.Certificate { return slices.Clone(roots()) }

// Roots returns the built-in trust anchors as a pool.
func Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range roots() {
		pool.AddCert(c)
	}
	return pool
}
