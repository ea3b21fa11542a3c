//go:build image

package image

// Kernels and firmware come as Go modules, so go.sum pins them and no binary lies in the repository. Nothing is compiled from
// them: the build tag keeps 130 MB of downloads away from everybody who does not build an image.
import (
	_ "github.com/gokrazy/firmware"
	_ "github.com/gokrazy/kernel.arm64"
	_ "github.com/gokrazy/kernel.rpi"
)
