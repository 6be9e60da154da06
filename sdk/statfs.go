package sdk

// FSStat is what the kernel tells of a mounted file system: Linux' struct statfs, as ABI.md lists it.
type FSStat struct {
	Type, BlockSize                     uint64
	Blocks, BlocksFree, BlocksAvailable uint64 // in BlockSize; available is what users other than root may still take
	Files, FilesFree                    uint64 // inodes
	Flags                               uint64 // ST_RDONLY is 1
}

// ReadOnly reports whether the file system is mounted read-only.
func (s FSStat) ReadOnly() bool { return s.Flags&1 != 0 }
