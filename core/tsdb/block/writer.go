package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// Write writes a part with all samples of groups, which must be within mint..maxt, and returns when it is on
// stable storage under the name dir. What it wrote of a part that failed is removed.
func Write(fs vfs.FS, dir string, mint, maxt int64, groups []storage.Columns) (Meta, error) {
	w, err := NewWriter(fs, dir)
	if err != nil {
		return Meta{}, err
	}
	if err := w.Add(groups); err != nil {
		w.Abort()
		return Meta{}, err
	}
	if w.meta.Samples > 0 && (w.meta.MinTime < mint || w.meta.MaxTime > maxt) {
		w.Abort()
		return Meta{}, fmt.Errorf("write part %s of %d..%d: samples are from %d to %d", dir, mint, maxt, w.meta.MinTime, w.meta.MaxTime)
	}
	return w.Finish()
}

// Writer writes a part group by group. It holds one group's block of rows and the index, never all samples.
// For one goroutine.
type Writer struct {
	fs       vfs.FS
	dir      string
	data     *pageWriter
	index    *index.Builder
	meta     Meta
	enc      chunk.Encoder
	buf      []byte
	vals     []float64
	rows     []int32
	lengths  []uint16
	dense    []bool
	distinct map[string]uint32 // columns of the block under way, by their bytes
}

// NewWriter begins the part dir, in a directory of another name.
func NewWriter(fs vfs.FS, dir string) (*Writer, error) {
	w := &Writer{fs: fs, dir: dir, index: index.NewBuilder(), distinct: map[string]uint32{}}
	w.meta = Meta{Version: Version, MinTime: math.MaxInt64, MaxTime: math.MinInt64}
	err := fs.RemoveAll(w.tmp()) // of an attempt that a crash ended
	if err == nil {
		err = fs.MkdirAll(w.tmp())
	}
	if err == nil {
		w.data, err = createPages(fs, filepath.Join(w.tmp(), dataName))
	}
	if err != nil {
		w.Abort()
		return nil, w.wrap(err)
	}
	return w, nil
}

func (w *Writer) tmp() string { return w.dir + ".tmp" }

func (w *Writer) wrap(err error) error { return fmt.Errorf("write part %s: %w", w.dir, err) }

// Add adds the series of groups, of which no label set was added before. Groups with the same common labels
// and times become one; a series that has samples in few of its group's rows gets times of its own where that
// is smaller.
func (w *Writer) Add(groups []storage.Columns) error {
	for _, s := range shelve(groups) {
		if err := w.shelf(s); err != nil {
			return w.wrap(err)
		}
	}
	return nil
}

// Finish makes the part durable and gives it its name.
func (w *Writer) Finish() (Meta, error) {
	meta, err := w.finish()
	if err != nil {
		w.Abort()
		return Meta{}, w.wrap(err)
	}
	return meta, nil
}

func (w *Writer) finish() (Meta, error) {
	if w.meta.Series == 0 {
		return Meta{}, errors.New("it has no samples")
	}
	var err error
	if w.meta.Data, err = w.data.finish(); err != nil {
		return Meta{}, err
	}
	x, err := createPages(w.fs, filepath.Join(w.tmp(), indexName))
	if err != nil {
		return Meta{}, err
	}
	if _, err := w.index.WriteTo(x); err != nil {
		x.abandon()
		return Meta{}, err
	}
	if w.meta.Index, err = x.finish(); err != nil {
		return Meta{}, err
	}
	if err := writeMeta(w.fs, filepath.Join(w.tmp(), metaName), w.meta); err != nil {
		return Meta{}, err
	}
	if err := w.fs.SyncDir(w.tmp()); err != nil {
		return Meta{}, err
	}
	if err := w.fs.Rename(w.tmp(), w.dir); err != nil {
		return Meta{}, err
	}
	return w.meta, w.fs.SyncDir(filepath.Dir(w.dir))
}

// Abort gives the part up and removes what was written.
func (w *Writer) Abort() {
	if w.data != nil {
		w.data.abandon()
	}
	_ = w.fs.RemoveAll(w.tmp()) // what stays is removed by the next Open of the database
}

// group writes the columns of a group and their directory.
func (w *Writer) group(s *shelf) error {
	var records []byte
	n := 0
	for lo := 0; lo < len(s.times); lo += chunk.MaxRows {
		r, err := w.block(s, lo, min(lo+chunk.MaxRows, len(s.times)))
		if err != nil {
			return err
		}
		records = r.append(records)
		n++
	}
	at := w.data.n
	if _, err := w.data.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), records...)); err != nil {
		return err
	}
	w.meta.MinTime = min(w.meta.MinTime, s.times[0])
	w.meta.MaxTime = max(w.meta.MaxTime, s.times[len(s.times)-1])
	w.meta.Series += len(s.series)
	w.meta.Groups++
	return w.index.AddGroup(s.common, s.own(), at)
}

// block writes the rows lo..hi-1 of a group.
func (w *Writer) block(s *shelf, lo, hi int) (blockRecord, error) {
	times := s.times[lo:hi]
	r := blockRecord{rows: hi - lo, mint: times[0], maxt: times[len(times)-1], start: w.data.n}
	w.buf = chunk.EncodeTimes(w.buf[:0], times)
	r.timesLen = uint32(len(w.buf))
	w.lengths, w.dense = w.lengths[:0], w.dense[:0]
	clear(w.distinct)
	for i := range s.series {
		vals, err := s.values(i, lo, hi, w.vals)
		if err != nil {
			return r, err
		}
		w.vals = vals
		some := 0
		for _, v := range vals {
			if !storage.IsAbsent(v) {
				some++
			}
		}
		w.meta.Samples += int64(some)
		w.dense = append(w.dense, some == len(vals))
		w.lengths = append(w.lengths, w.column(uint32(i), vals, some))
	}
	if _, err := w.data.Write(w.buf); err != nil {
		return r, err
	}
	r.dir = w.data.n
	_, err := w.data.Write(appendDirectory(nil, w.lengths, w.dense))
	return r, err
}

// column appends the column of slot i, or a reference to an equal one, and returns its length.
func (w *Writer) column(i uint32, vals []float64, some int) uint16 {
	if some == 0 {
		return 0
	}
	at := len(w.buf)
	w.buf = w.enc.Encode(w.buf, vals)
	col := w.buf[at:]
	const worth = 4 // bytes that a reference takes at most
	if len(col) <= worth {
		return uint16(len(col))
	}
	same, ok := w.distinct[string(col)]
	if !ok {
		w.distinct[string(col)] = i
		return uint16(len(col))
	}
	w.buf = binary.AppendUvarint(w.buf[:at], uint64(same))
	return uint16(len(w.buf)-at) | sameAs
}
