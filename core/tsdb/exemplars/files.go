package exemplars

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/fields"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// The types of records: FORMAT.md.
const (
	recHeader = 1
	recBatch  = 2
)

const (
	version    = 1
	flushBytes = 64 << 10 // that many wait at most
	tagSeries  = 0
	tagOne     = 1
)

// files are what exemplars are written to: one at a time, to whose end they are appended. When as many came as the ring
// has, a new one is begun with all that is in the ring, and the old one goes.
type files struct {
	fs      vfs.FS
	dir     string
	number  uint64 // of the one that is written; 0 if none is
	f       vfs.File
	count   int    // exemplars in it
	series  uint64 // in it
	pending []byte // of a batch
	waiting int    // exemplars in pending
	failing bool
}

func (fl *files) name(n uint64) string {
	return filepath.Join(fl.dir, fmt.Sprintf("%08d.exemplars", n))
}

// numbers returns the files that there are, ascending.
func (fl *files) numbers() ([]uint64, error) {
	es, err := fl.fs.ReadDir(fl.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []uint64
	for _, e := range es {
		if base, ok := strings.CutSuffix(e.Name(), ".exemplars"); ok {
			if n, err := strconv.ParseUint(base, 10, 63); err == nil {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return out, err
}

// write adds an exemplar to what is to be written.
func (fl *files) write(s *Store, it *item) {
	fl.encode(it)
	fl.waiting++
	if len(fl.pending) >= flushBytes {
		fl.flush(s)
	}
}

// encode appends an exemplar to what is pending, and before the first of its series in this file the labels of that.
func (fl *files) encode(it *item) {
	of := it.of
	if of.id == 0 || of.file != fl.number {
		fl.series++
		of.id, of.file = fl.series, fl.number
		fl.pending = append(fl.pending, tagSeries)
		fl.pending = appendLabels(binary.AppendUvarint(fl.pending, of.id), of.labels)
	}
	fl.pending = binary.AppendUvarint(append(fl.pending, tagOne), of.id)
	fl.pending = binary.AppendVarint(fl.pending, it.Ts)
	fl.pending = binary.LittleEndian.AppendUint64(fl.pending, math.Float64bits(it.Value))
	has := byte(0)
	if it.HasTs {
		has = 1
	}
	fl.pending = appendLabels(append(fl.pending, has), it.Labels)
}

func appendLabels(b []byte, ls labels.Labels) []byte {
	b = binary.AppendUvarint(b, uint64(ls.Len()))
	ls.Range(func(l labels.Label) {
		for _, t := range [...]string{l.Name, l.Value} {
			b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
		}
	})
	return b
}

// flush writes what is pending. If that fails, the exemplars stay in memory, and a new file is begun with all of them
// as soon as the disk takes it.
func (fl *files) flush(s *Store) {
	if fl.failing || fl.f == nil || fl.count+fl.waiting > max(len(s.ring), 1000) {
		if len(fl.pending) > 0 || fl.failing {
			fl.renew(s)
		}
		return
	}
	if len(fl.pending) == 0 {
		return
	}
	_, err := fl.f.Write(wal.AppendRecord(nil, fl.number, recBatch, fl.pending))
	fl.count += fl.waiting
	fl.pending, fl.waiting = fl.pending[:0], 0
	if err != nil {
		fl.failed(s, err)
	}
}

func (fl *files) failed(s *Store, err error) {
	s.m.failures.Inc()
	if !fl.failing {
		s.log.Warn("Exemplars are not written to disk; they are kept in memory, and written when the disk takes them", "dir", fl.dir, "err", err)
	}
	fl.failing = true
	fl.pending, fl.waiting = fl.pending[:0], 0
}

// renew begins a file with all that the ring has, and removes the others.
func (fl *files) renew(s *Store) {
	old := fl.f
	ns, err := fl.numbers()
	n := fl.number + 1
	if len(ns) > 0 {
		n = max(n, ns[len(ns)-1]+1)
	}
	if err == nil {
		err = fl.fs.MkdirAll(fl.dir)
	}
	if err != nil {
		fl.failed(s, err)
		return
	}
	fl.number, fl.series, fl.count, fl.pending, fl.waiting = n, 0, 0, fl.pending[:0], 0
	tmp := fl.name(n) + ".tmp"
	f, err := fl.fs.Create(tmp)
	if err != nil {
		fl.failed(s, err)
		return
	}
	fl.f = nil
	write := func(typ byte, data []byte) {
		if err == nil {
			_, err = f.Write(wal.AppendRecord(nil, n, typ, data))
		}
	}
	write(recHeader, binary.AppendUvarint(nil, version))
	full := *fl // encodes, and never flushes
	for k := range s.ring {
		it := s.ring[(s.next+k)%len(s.ring)]
		if it == nil {
			continue
		}
		full.encode(it)
		if len(full.pending) >= flushBytes {
			write(recBatch, full.pending)
			full.pending = full.pending[:0]
		}
	}
	if len(full.pending) > 0 {
		write(recBatch, full.pending)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fl.fs.Rename(tmp, fl.name(n))
	}
	if err == nil {
		err = fl.fs.SyncDir(fl.dir)
	}
	if err != nil {
		f.Close()
		fl.failed(s, errors.Join(err, ignoreGone(fl.fs.Remove(tmp))))
		return
	}
	fl.f, fl.series, fl.failing = f, full.series, false
	if old != nil {
		old.Close()
	}
	for _, k := range ns {
		if err := fl.fs.Remove(fl.name(k)); err != nil {
			s.log.Warn("A file of exemplars that is not needed any more stays", "file", fl.name(k), "err", err)
		}
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (fl *files) close() error {
	if fl.f == nil {
		return nil
	}
	err := fl.f.Sync()
	return errors.Join(err, fl.f.Close())
}

// load reads all files into the ring.
func (s *Store) load() error {
	ns, err := s.files.numbers()
	if err != nil {
		return err
	}
	for _, n := range ns {
		if err := s.read(n); err != nil {
			return err
		}
	}
	return nil
}

// read reads a file. What is damaged of it is passed over, with what needs it.
func (s *Store) read(n uint64) error {
	name := s.files.name(n)
	f, err := s.files.fs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r := wal.NewReader(f, name, n, 0)
	known := map[uint64]labels.Labels{}
	for {
		typ, data, err := r.Next()
		var d *wal.Damage
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &d):
			if !d.Tail {
				s.damaged(name, err)
			}
			continue
		case err != nil:
			return err
		case typ == recHeader:
			if v, k := binary.Uvarint(data); k <= 0 || v != version {
				return fmt.Errorf("%s has version %d, this hearth reads %d: start the newer one, or move the file away to go on without its exemplars", name, v, version)
			}
			continue
		case typ != recBatch:
			err = errNotRecord
		default:
			err = s.take(data, known)
		}
		if err != nil {
			s.damaged(name, fmt.Errorf("record before %d: %w", r.Offset(), err))
		}
	}
}

func (s *Store) damaged(name string, err error) {
	s.m.damage.Inc()
	s.log.Warn("A file of exemplars is damaged: what can be read of it is kept", "file", name, "err", err)
}

// take puts the exemplars of a batch into the ring. Of a series that is not known, as its labels are in a record that is
// damaged, they are passed over.
func (s *Store) take(data []byte, known map[uint64]labels.Labels) error {
	r := fields.Reader{B: data}
	for len(r.B) > 0 && !r.Bad {
		tag := r.B[0]
		r.B = r.B[1:]
		id := r.Uint()
		switch tag {
		case tagSeries:
			known[id] = readLabels(&r)
		case tagOne:
			e := exemplar.Exemplar{Ts: r.Int()}
			if len(r.B) < 9 {
				return errNotRecord
			}
			e.Value = math.Float64frombits(binary.LittleEndian.Uint64(r.B))
			e.HasTs = r.B[8] == 1
			r.B = r.B[9:]
			e.Labels = readLabels(&r)
			if ls, ok := known[id]; ok && !r.Bad && len(s.ring) > 0 {
				if _, err := s.add(ls, e); err != nil && !errors.Is(err, storage.ErrOutOfOrder) {
					return err
				}
			}
		default:
			return errNotRecord
		}
	}
	if r.Bad {
		return errNotRecord
	}
	return nil
}

func readLabels(r *fields.Reader) labels.Labels {
	var b labels.ScratchBuilder
	for n := r.Count(); n > 0 && !r.Bad; n-- {
		name := string(r.Bytes())
		b.Add(name, string(r.Bytes()))
	}
	b.Sort()
	return b.Labels()
}
