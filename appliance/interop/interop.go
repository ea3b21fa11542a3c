// Package interop calls the box with peers that we did not write: SIPp as the PBX, baresip as the Teams side.
//
// It holds tests only. The simulated peers of package lab are strict, but they share our reading of the standards; a real
// phone's parser, its timers and libsrtp do not. The programs come from Debian (see the Makefile); a test fails when one is
// missing.
package interop
