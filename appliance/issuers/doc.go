// Package issuers owns the question whom peers may be trusted by: it remembers the untrusted certificates at which their chains ended, so
// that an administrator can check one and trust it by its fingerprint, and takes such trust back. The box never trusts one by itself.
//
// It changes the trusted certificates of profiles in the running configuration and, alone, in the startup-config. It does not own the
// judgement of a chain (package pki), the key store (store), or the alarm (health): it has the arguments of the alarm. It remembers sixteen
// issuers at most, and each for a day. It has no goroutines; several may use a Book.
package issuers
