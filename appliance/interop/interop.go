// Package interop calls the box with peers that we did not write: SIPp and baresip, each as the PBX and as
// Teams, Twinkle as a phone of the PBX, and three makers' phones as phones of the box: baresip, Twinkle and Linphone.
//
// It holds tests only. The simulated peers of package lab are strict, but they share our reading of the standards; a real
// phone's parser, its timers and libsrtp do not. The programs come from Debian (see the Makefile); a test fails when one is
// missing.
package interop
