// Package pcapng writes captures that Wireshark, tshark and sngrep read, of messages whose packets were never seen: each payload gets an IP
// header and one of UDP or TCP. In TCP the sequence numbers of each direction run on, so that readers put streams together.
//
// It owns the file format (draft-ietf-opsawg-pcapng) and the headers. It does not own what is written: payloads come without their secrets.
// Comments and names are made printable here. It has no goroutines.
package pcapng
