// Package image builds the flashable image of a box, from sources and pinned modules alone: no root, no tools of the host but
// the go command, and two builds of one commit are byte-identical.
//
// It owns the layout of the medium (disk.go), the file systems on it (fat16.go, squashfs.go), what is in them (boot.go, root.go) and
// what differs between boards for that (boards.go). It does not own what runs on the box: PID 1 is image/cmd/init, and which
// device is which port says package board. It has no goroutines.
package image
