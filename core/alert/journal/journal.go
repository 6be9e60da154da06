// Package journal keeps on disk a state that lives in memory and changes entry by entry: each change is appended, and
// now and then the whole state is written anew, which drops what has been overtaken. What an entry means is the
// caller's business; replaying a file in order, later entries winning, must give the state back.
//
// The file is 8 bytes, "hrthjrn1", then records: length of the entry, its CRC-32C, the CRC-32C of these two, each of 4
// bytes, little endian; the entry. The checksum of the head finds the next record behind damage, and tells a record
// that was cut off by the end from one whose length is wrong. Append hands a record to the operating system before it returns, so kill -9 takes nothing
// that was appended; a power cut may take what was not yet synced. Of the disk we assume that a rename is atomic.
package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

const (
	magic    = "hrthjrn1"
	headSize = 12
	maxEntry = 16 << 20 // bytes; a longer one is refused, and a longer length on disk is damage
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Journal is an open file of entries. Safe for concurrent use.
type Journal struct {
	fs   vfs.FS
	path string

	rewrite sync.Mutex // one Rewrite at a time
	mu      struct {
		sync.Mutex
		file   vfs.File // nil until the first Append
		size   int64
		dirty  bool     // since the last sync
		broken error    // the file's end is unknown; only Rewrite mends that
		copied bool     // Rewrite is running: later also holds what is appended
		later  [][]byte // entries Rewrite has to add
		closed bool
	}
}

// Open reads the file at path, or nothing if there is none; neither it nor its folder is created before the first
// entry. A torn record at the end is cut off: it was never acknowledged. Other damage loses the records that it
// covers: the file is kept beside as path.damaged, and Damage tells how much.
func Open(fsys vfs.FS, path string) (*Journal, [][]byte, Damage, error) {
	j := &Journal{fs: fsys, path: path}
	data, err := read(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil, Damage{}, nil
	}
	if err != nil {
		return nil, nil, Damage{}, err
	}
	entries, good, lost := parse(data)
	damage := Damage{Bytes: lost}
	switch {
	case lost > 0:
		damage.Kept = path + ".damaged"
		if err := fsys.Rename(path, damage.Kept); err != nil {
			return nil, nil, damage, fmt.Errorf("set aside damaged %s: %w", path, err)
		}
		if err := j.Rewrite(func() ([][]byte, error) { return entries, nil }); err != nil {
			return nil, nil, damage, err
		}
		return j, entries, damage, nil
	case good < len(data):
		if err := fsys.Truncate(path, int64(good)); err != nil {
			return nil, nil, damage, fmt.Errorf("cut torn record off %s: %w", path, err)
		}
	}
	j.mu.size = int64(good)
	return j, entries, damage, nil
}

// Damage tells what of a file could not be read.
type Damage struct {
	Bytes int    // in damaged records, or after them; 0 if all is well
	Kept  string // where the damaged file is now
}

// Append writes one entry. On an error it is not on disk, and neither is half of it.
func (j *Journal) Append(entry []byte) error {
	if len(entry) > maxEntry {
		return fmt.Errorf("append to %s: an entry of %d bytes is over the limit of %d", j.path, len(entry), maxEntry)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.closed {
		return fmt.Errorf("append to %s: %w", j.path, fs.ErrClosed)
	}
	if j.mu.copied {
		j.mu.later = append(j.mu.later, entry)
	}
	if j.mu.broken != nil {
		return fmt.Errorf("append to %s, which awaits its rewriting: %w", j.path, j.mu.broken)
	}
	var record []byte
	if j.mu.file == nil {
		if err := j.makeDir(); err != nil {
			return err
		}
		f, err := j.fs.OpenAppend(j.path)
		if err != nil {
			return err
		}
		j.mu.file = f
		if err := j.fs.SyncDir(filepath.Dir(j.path)); err != nil {
			return err
		}
	}
	if j.mu.size == 0 {
		record = append(record, magic...)
	}
	record = appendRecord(record, entry)
	if _, err := j.mu.file.Write(record); err != nil {
		if cut := j.fs.Truncate(j.path, j.mu.size); cut != nil {
			j.mu.broken = errors.Join(err, cut)
		}
		return fmt.Errorf("append to %s: %w", j.path, err)
	}
	j.mu.size += int64(len(record))
	j.mu.dirty = true
	return nil
}

// Sync returns when all that was appended is on stable storage.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.broken != nil {
		return j.mu.broken
	}
	if !j.mu.dirty || j.mu.file == nil {
		return nil
	}
	if err := j.mu.file.Sync(); err != nil {
		// What the operating system dropped is unknown after a failed sync: only a new file is sure.
		j.mu.broken = fmt.Errorf("sync %s: %w", j.path, err)
		return j.mu.broken
	}
	j.mu.dirty = false
	return nil
}

// Rewrite replaces the file by the entries of state, which may run beside Append: what is appended from now on comes
// after them. On an error the old file stays, and stays in use.
func (j *Journal) Rewrite(state func() ([][]byte, error)) error {
	j.rewrite.Lock()
	defer j.rewrite.Unlock()
	j.mu.Lock()
	if j.mu.closed {
		j.mu.Unlock()
		return fmt.Errorf("rewrite %s: %w", j.path, fs.ErrClosed)
	}
	j.mu.copied = true
	j.mu.Unlock()
	err := j.replace(state)
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) replace(state func() ([][]byte, error)) (err error) {
	var f vfs.File
	fresh := j.path + ".new"
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.mu.copied, j.mu.later = false, nil
		if err != nil && f != nil {
			f.Close()
			err = errors.Join(err, ignoreAbsent(j.fs.Remove(fresh)))
		}
	}()
	entries, err := state()
	if err != nil {
		return err
	}
	if err := j.makeDir(); err != nil {
		return err
	}
	if f, err = j.fs.Create(fresh); err != nil {
		return err
	}
	data := []byte(magic)
	for _, e := range entries {
		data = appendRecord(data, e)
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil { // the long part, while Append goes on
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var tail []byte
	for _, e := range j.mu.later {
		tail = appendRecord(tail, e)
	}
	if len(tail) > 0 {
		if _, err := f.Write(tail); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := j.fs.Rename(fresh, j.path); err != nil {
		return err
	}
	if j.mu.file != nil {
		j.mu.file.Close() // its file has no name any more; nothing of it matters
	}
	j.mu.file, j.mu.size = f, int64(len(data)+len(tail))
	j.mu.dirty, j.mu.broken = false, nil
	j.mu.later = nil
	f = nil // now the journal's; an error below must not close it
	return j.fs.SyncDir(filepath.Dir(j.path))
}

// makeDir makes the folder of the file, if it is not there, so that a power cut does not take it.
func (j *Journal) makeDir() error {
	dir := filepath.Dir(j.path)
	if _, err := j.fs.Stat(dir); err == nil {
		return nil
	}
	if err := j.fs.MkdirAll(dir); err != nil {
		return err
	}
	return j.fs.SyncDir(filepath.Dir(dir))
}

// Broken tells that Append refuses entries until Rewrite has succeeded, and why.
func (j *Journal) Broken() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.broken
}

// Size returns the bytes on disk.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.size
}

// Close syncs and closes the file. It may be called twice.
func (j *Journal) Close() error {
	err := j.Sync()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.closed {
		return nil
	}
	j.mu.closed = true
	if j.mu.file != nil {
		err = errors.Join(err, j.mu.file.Close())
		j.mu.file = nil
	}
	return err
}

func appendRecord(dst, entry []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(entry)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(entry, castagnoli))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
	return append(dst, entry...)
}

// parse returns the entries of a file, where the last good record ends, and how many bytes are damaged. What is not
// whole at the end is a torn write, not damage: a part of a record, a last record with a wrong checksum, zeros.
func parse(data []byte) (entries [][]byte, good, lost int) {
	if len(data) < len(magic) && magic[:len(data)] == string(data) {
		return nil, 0, 0
	}
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return nil, 0, len(data)
	}
	at := len(magic)
	good = at
	for at < len(data) {
		next := at
		for next < len(data) && !isHead(data[next:]) {
			next++
		}
		if next == len(data) {
			if len(data)-at < headSize || len(bytes.Trim(data[at:], "\x00")) == 0 {
				return entries, good, lost
			}
			return entries, good, lost + len(data) - at
		}
		lost, at = lost+next-at, next
		end := at + headSize + int(binary.LittleEndian.Uint32(data[at:]))
		if end > len(data) {
			return entries, good, lost
		}
		entry := data[at+headSize : end]
		switch {
		case crc32.Checksum(entry, castagnoli) == binary.LittleEndian.Uint32(data[at+4:]):
			entries, good = append(entries, entry), end
		case end < len(data):
			lost += end - at
		}
		at = end
	}
	return entries, good, lost
}

// isHead tells whether data begins with the head of a record.
func isHead(data []byte) bool {
	return len(data) >= headSize && binary.LittleEndian.Uint32(data) <= maxEntry &&
		crc32.Checksum(data[:8], castagnoli) == binary.LittleEndian.Uint32(data[8:])
}

func read(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
