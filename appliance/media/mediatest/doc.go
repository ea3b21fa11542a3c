// Package mediatest loads a media relay with calls and measures what they cost: ours, alone or in a box, or rtpengine. The generator is a
// process of its own on the last processor, so that what is counted as the relay's is the relay's alone; the relay has the first.
package mediatest
