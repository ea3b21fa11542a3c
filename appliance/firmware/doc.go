// Package firmware hands images to PID 1 (image/cmd/init), which installs them: PID 1 alone knows the medium, and it checks the bundle.
//
// The package owns the talk with PID 1: what the slots hold, an image on its way there from a file or a web server, the restart of the
// machine. Nobody here holds the image. It does not own the bundle and the rules of slots and trials (image/update), or the reload of the box
// (package system). It has no goroutines of its own.
package firmware
