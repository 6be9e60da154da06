package metadata

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/core/internal/fields"
)

// ErrCorrupt is what a file is that cannot be right.
var ErrCorrupt = errors.New("corrupt file of metadata")

const (
	magic    = "HEARTHMD"
	version  = 1
	maxFile  = 1 << 30 // bytes that are read of a file at most
	fileName = "metadata"
)

// types are what families are, by the number that stands for it in a file.
var types = [...]string{"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}

// encode writes statements as FORMAT.md has them.
func encode(all []statement) []byte {
	b := append([]byte(magic), version)
	b = binary.AppendUvarint(b, uint64(len(all)))
	for i := range all {
		st := &all[i]
		b = append(binary.AppendUvarint(b, uint64(len(st.Metric))), st.Metric...)
		b = binary.AppendUvarint(b, uint64(max(slices.Index(types[:], st.Type), 0)))
		for _, text := range [...]string{st.Help, st.Unit} {
			b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
		}
		b = binary.AppendVarint(b, st.seen)
	}
	return seal(b)
}

// seal appends the checksum of b.
func seal(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, checksum(b)) }

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// decode reads what encode has written. An error wraps ErrCorrupt, or tells that the file is of another version.
func decode(b []byte) ([]statement, error) {
	if len(b) < len(magic)+1 || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrCorrupt, magic)
	}
	if v := b[len(magic)]; v != version {
		return nil, fmt.Errorf("its version is %d, this hearth reads %d", v, version)
	}
	body := len(b) - crc32.Size
	if body < len(magic)+1 || binary.LittleEndian.Uint32(b[body:]) != checksum(b[:body]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrCorrupt)
	}
	r := fields.Reader{B: b[len(magic)+1 : body]}
	n := r.Count()
	all := make([]statement, 0, n/4) // a statement takes five bytes at least
	for range n {
		var st statement
		st.Metric = string(r.Bytes())
		kind := r.Uint()
		st.Help, st.Unit = string(r.Bytes()), string(r.Bytes())
		st.seen = r.Int()
		if r.Bad || kind >= uint64(len(types)) || st.Metric == "" || len(st.Metric) > maxName || len(st.Help) > maxText || len(st.Unit) > maxText {
			return nil, fmt.Errorf("%w: statement %d of %d", ErrCorrupt, len(all), n)
		}
		st.Type = types[kind]
		all = append(all, st)
	}
	if r.Bad || len(r.B) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after %d statements", ErrCorrupt, len(r.B), n)
	}
	return all, nil
}

func (s *Store) name() string { return filepath.Join(s.dir, fileName) }

// load fills the table from its file.
func (s *Store) load() {
	all, err := s.read()
	if err != nil {
		s.log.Warn("The file of metadata cannot be read: the table begins empty, and senders fill it again", "file", s.name(), "err", err)
		s.changed = true // so that a file takes its place that can be
		return
	}
	// A clock that was wrong must not keep a statement for ever.
	now := s.clock().UnixMilli()
	slices.SortStableFunc(all, func(a, b statement) int { return cmp.Compare(b.seen, a.seen) })
	for i := range all {
		st := &all[i]
		st.seen = min(st.seen, now)
		s.families[st.Metric] = append(s.families[st.Metric], st)
	}
	s.n = len(all)
	s.shrink()
}

func (s *Store) read() ([]statement, error) {
	f, err := s.fs.Open(s.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	return decode(b)
}

// save writes the table to its file, in place of the one before, if it has changed, or if what the file has of when
// statements were last said is old, or at the end.
func (s *Store) save(now int64, last bool) error {
	s.file.Lock()
	defer s.file.Unlock()
	s.mu.Lock()
	if !s.changed && !(s.n > 0 && (last || now-s.file.written >= stale.Milliseconds()/2)) {
		s.mu.Unlock()
		return nil
	}
	all := make([]statement, 0, s.n)
	for _, of := range s.families {
		for _, st := range of {
			all = append(all, *st)
		}
	}
	s.changed = false
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b statement) int {
		return cmp.Or(strings.Compare(a.Metric, b.Metric), cmp.Compare(b.seen, a.seen), strings.Compare(a.Help, b.Help), strings.Compare(a.Unit, b.Unit), strings.Compare(a.Type, b.Type))
	})
	err := s.replace(encode(all))
	if err == nil {
		s.file.written, s.file.failing = now, false
		return nil
	}
	s.failed.Inc()
	if !s.file.failing {
		s.file.failing = true
		s.log.Warn("Metadata is not written to disk; it is kept in memory, and written when the disk takes it", "file", s.name(), "err", err)
	}
	s.mu.Lock()
	s.changed = true
	s.mu.Unlock()
	return fmt.Errorf("write metadata to %s: %w", s.name(), err)
}

// replace makes b what the file has: after a crash it has that or what it had before.
func (s *Store) replace(b []byte) error {
	if len(b) > math.MaxInt32 {
		return fmt.Errorf("%d bytes are too many", len(b))
	}
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return err
	}
	tmp := s.name() + ".tmp"
	f, err := s.fs.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.fs.Rename(tmp, s.name())
	}
	if err != nil {
		_ = s.fs.Remove(tmp) // the first error counts; the next time it is written over
		return err
	}
	return s.fs.SyncDir(s.dir)
}
