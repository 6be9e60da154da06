package block

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// Version is the version of the format that is written, and the only one that is read.
const Version = 3

// Meta is what is known of a part without reading it: FORMAT.md, section 1.
type Meta struct {
	Version int    `json:"version"`
	MinTime int64  `json:"min_time"` // of the samples, Unix milliseconds
	MaxTime int64  `json:"max_time"`
	Samples int64  `json:"samples"`
	Series  int    `json:"series"`
	Groups  int    `json:"groups"`
	Data    uint32 `json:"data_crc32c"`  // last checksum of the data file
	Index   uint32 `json:"index_crc32c"` // and of the index
	Sum     uint32 `json:"crc32c"`       // of this file with a zero here; set in the file only
}

// archiveSpan is the time, in milliseconds, from which on a part is kept long and read in pieces only.
const archiveSpan = 12 * 60 * 60 * 1000

// Archived tells whether the part is one to encode smaller, and slower to decode.
func (m Meta) Archived() bool { return m.MaxTime-m.MinTime >= archiveSpan }

// checksum returns the checksum of the file.
func (m Meta) checksum() (uint32, error) {
	m.Sum = 0
	b, err := json.MarshalIndent(m, "", "  ")
	return crc32.Checksum(b, castagnoli), err
}

// encode returns the bytes of the file.
func (m Meta) encode() (_ []byte, err error) {
	if m.Sum, err = m.checksum(); err != nil {
		return nil, err
	}
	return json.MarshalIndent(m, "", "  ")
}

func writeMeta(fs vfs.FS, name string, m Meta) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func readMeta(fs vfs.FS, name string) (Meta, error) {
	f, err := fs.Open(name)
	if err != nil {
		return Meta{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return Meta{}, err
	}
	var m Meta
	if err := json.Unmarshal(b, &m); err != nil {
		return Meta{}, fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err)
	}
	if m.Version != Version {
		as := m
		as.Version = Version
		if sum, err := as.checksum(); err != nil || sum == m.Sum {
			return Meta{}, fmt.Errorf("%w: %s fails its checksum: the version is not what was written", ErrCorrupt, name)
		}
		return Meta{}, fmt.Errorf("%s has version %d, this hearth reads %d: run the hearth that wrote it", name, m.Version, Version)
	}
	// The bytes must be the very ones that the values give: so the checksum covers all of them.
	again, err := m.encode()
	if err != nil {
		return Meta{}, err
	}
	if !bytes.Equal(b, again) || m.MinTime > m.MaxTime {
		return Meta{}, fmt.Errorf("%w: %s fails its checksum", ErrCorrupt, name)
	}
	m.Sum = 0
	return m, nil
}
