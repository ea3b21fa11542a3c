package update

// The partitions of the medium, by number.
const (
	PartBoot = 1 + iota
	PartRootA
	PartRootB
	PartData
)

// DataSize is how many bytes of the data partition an image brings, all zero.
const DataSize = 128 << 20
