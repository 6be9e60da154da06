package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// Record is a record met in a replay. Data is valid during the call only.
type Record struct {
	Type byte
	Pos  Pos // of its end
	Data []byte
	Gap  bool // records are missing between the one before and this one
}

// Report tells what a replay met.
type Report struct {
	Last    uint64    // number of the last segment; 0 if there is none
	Records int       // that were read
	Bytes   int64     // of them, before compression
	Torn    int64     // bytes cut off the end of the last segment: writes that nobody was told of
	Damage  []*Damage // elsewhere; acknowledged samples may be lost
}

// Replay calls f for each record from segment from on, in order. The torn end of the last segment is cut off;
// damage elsewhere is skipped, reported, and shows as Gap in the record that follows. An error is one of f or
// of the disk.
func Replay(fsys vfs.FS, dir string, from uint64, f func(Record) error) (Report, error) {
	var rep Report
	segs, err := Segments(fsys, dir)
	if err != nil {
		return rep, err
	}
	gap, prev := false, uint64(0)
	for i, s := range segs {
		rep.Last = s
		if s < from {
			continue
		}
		gap = gap || prev != 0 && s != prev+1
		prev = s
		if gap, err = replaySegment(fsys, filepath.Join(dir, SegmentName(s)), s, i == len(segs)-1, gap, &rep, f); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

func replaySegment(fsys vfs.FS, name string, segment uint64, last, gap bool, rep *Report, f func(Record) error) (bool, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return gap, err
	}
	defer file.Close()
	var head [SegmentHeader]byte
	n, err := io.ReadFull(file, head[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return gap, err
	}
	if v, ok := otherVersion(head[:n]); ok {
		return gap, fmt.Errorf("%s has version %d, this hearth reads %d: run the hearth that wrote it, and stop it, or delete the log and lose what is in it", name, v, segmentVersion)
	}
	if !bytes.Equal(head[:n], segmentHeader(segment)) {
		if n < SegmentHeader && last { // created, and then the process or the power ended
			rep.Torn += int64(n)
			return gap, fsys.Remove(name)
		}
		rep.Damage = append(rep.Damage, &Damage{File: name, Bytes: int64(n)})
		gap = true
		if n < SegmentHeader {
			return gap, nil
		}
	}
	r := NewReader(file, name, segment, SegmentHeader)
	var batches batchReader
	for {
		typ, data, err := r.Next()
		var d *Damage
		switch {
		case err == io.EOF:
			return gap, nil
		case errors.As(err, &d):
			if d.Tail && last {
				rep.Torn += d.Bytes
				return gap, fsys.Truncate(name, d.Offset)
			}
			rep.Damage = append(rep.Damage, d)
			gap = true
		case err != nil:
			return gap, err
		default:
			at := r.Offset()
			err := batches.read(segment, typ, data, func(typ byte, pos Pos, data []byte) error {
				rep.Records++
				rep.Bytes += int64(len(data))
				err := f(Record{Type: typ, Pos: pos, Data: data, Gap: gap})
				gap = false
				return err
			})
			if errors.Is(err, errBatch) { // its sum is right: whoever wrote it made a mistake
				rep.Damage = append(rep.Damage, &Damage{File: name, Offset: at - HeaderSize - int64(len(data)), Bytes: HeaderSize + int64(len(data))})
				gap = true
			} else if err != nil {
				return gap, err
			}
		}
	}
}

// otherVersion returns the version of a segment whose header is whole, if it is not ours.
func otherVersion(h []byte) (int, bool) {
	if len(h) < SegmentHeader || string(h[:4]) != segmentMagic || binary.LittleEndian.Uint32(h[16:]) != crc32.Checksum(h[:16], castagnoli) {
		return 0, false
	}
	return int(h[4]), h[4] != segmentVersion
}
