package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/head"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Finding is a place that is not as it was written.
type Finding struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"` // 0: the file as a whole
	What   string `json:"what"`
}

func (f Finding) String() string {
	if f.Bytes == 0 {
		return f.File + ": " + f.What
	}
	return fmt.Sprintf("%s: %d bytes at offset %d: %s", f.File, f.Bytes, f.Offset, f.What)
}

// Verified is what Verify met.
type Verified struct {
	Dir      string    `json:"dir"`
	Parts    int       `json:"parts"`
	Bytes    int64     `json:"bytes"`      // that were read
	Torn     int64     `json:"torn_bytes"` // at the end of the log: no damage, nobody was told that they are stored
	Findings []Finding `json:"findings"`
	SetAside []string  `json:"set_aside,omitempty"` // parts that were found damaged before
}

// Verify reads every byte of the database in dir that a checksum covers. With decode it also decodes all samples
// of the parts. Damage is in the result; an error is one of the disk or of ctx.
func Verify(ctx context.Context, fsys vfs.FS, dir string, decode bool) (out Verified, err error) {
	err = frozen(fsys, dir, func(view vfs.FS) (bool, error) {
		out = Verified{Dir: dir, Findings: []Finding{}}
		err := out.verify(ctx, view, decode)
		return len(out.Findings) == 0, err
	})
	return out, err
}

func (v *Verified) verify(ctx context.Context, fsys vfs.FS, decode bool) error {
	dirs, damaged, err := directories(fsys, v.Dir)
	if err != nil {
		return err
	}
	if damaged != nil {
		v.Findings = append(v.Findings, finding(damaged))
	}
	for _, d := range dirs {
		switch d.state {
		case SetAside:
			v.SetAside = append(v.SetAside, d.path)
			continue
		case Dead, Unfinished:
			continue
		}
		found, read, err := block.Check(ctx, fsys, d.path, decode)
		if err != nil {
			return err
		}
		v.Parts++
		v.Bytes += read
		for _, f := range found {
			v.Findings = append(v.Findings, Finding(f))
		}
	}
	tombs, found, err := tsdb.CheckTombstones(fsys, v.Dir)
	if err != nil {
		return err
	}
	v.Bytes += tombs
	files, inHead, err := head.Check(ctx, fsys, v.Dir)
	if err != nil {
		return err
	}
	found = append(found, inHead...)
	v.Bytes += files.SnapshotBytes + files.TilesBytes + files.LogBytes
	v.Torn = files.Torn
	for _, f := range found {
		v.Findings = append(v.Findings, finding(f))
	}
	return nil
}

// finding makes one of an error that names its file.
func finding(err error) Finding {
	var d *wal.Damage
	if errors.As(err, &d) {
		return Finding{File: d.File, Offset: d.Offset, Bytes: d.Bytes, What: "no record: its checksum fails"}
	}
	file, what, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		file, what = "", err.Error()
	}
	return Finding{File: file, What: what}
}
