package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// ErrEmpty tells that a part has no samples to be written.
var ErrEmpty = errors.New("a part without samples")

// Write writes a part with all samples of groups, which must be within mint..maxt, and returns when it is on
// stable storage under the name dir. What it wrote of a part that failed is removed.
func Write(fs vfs.FS, dir string, mint, maxt int64, groups []storage.Columns) (Meta, error) {
	w, err := NewWriter(fs, dir, false)
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
	fs    vfs.FS
	dir   string
	data  *pageWriter
	index *index.Builder
	meta  Meta
	enc   chunk.Encoder
	buf   []byte
	vals  []float64
	rows  []int32

	cols     []byte // of the block under way, in the order they were encoded
	placed   []column
	entries  []entry
	lower    []float64        // the column encoded before
	other    []float64        // one that a column is compared with
	distinct map[uint64]int32 // slots of the block under way by their fingerprints
	prints   []uint64         // of the column at hand
	traces   []trace          // of the last columns of the block under way
	oldest   int              // of these
	counts   map[int32]int
	times    map[string]uint64 // where timestamp columns are, by their bytes
}

// column is one of the block under way.
type column struct {
	entry
	at    int   // in cols
	is    int32 // the slot it is the column of; another one if it is the same
	depth int   // columns to decode before it
}

// maxTimes bounds what is remembered of timestamp columns.
const maxTimes = 1 << 12

// NewWriter begins the part dir, in a directory of another name. With archive, columns may be Huffman coded: smaller,
// but two to three times as long to decode.
func NewWriter(fs vfs.FS, dir string, archive bool) (*Writer, error) {
	w := &Writer{fs: fs, dir: dir, index: index.NewBuilder(), distinct: map[uint64]int32{}, counts: map[int32]int{}, times: map[string]uint64{}}
	w.enc.Entropy = archive
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
		return Meta{}, ErrEmpty
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
	var records []blockRecord
	order, below := buckets(s)
	for lo := 0; lo < len(s.times); {
		hi, of := w.cut(s, lo)
		r, err := w.block(s, order, below, lo, hi, of)
		if err != nil {
			return err
		}
		records = append(records, r)
		lo = hi
	}
	at, prev := w.data.n, int64(0)
	var text []byte
	for _, r := range records {
		text = r.append(text, at, prev)
		prev = r.maxt
	}
	head := binary.AppendUvarint(nil, uint64(len(records)))
	head = binary.AppendUvarint(head, uint64(len(text)))
	if _, err := w.data.Write(append(head, text...)); err != nil {
		return err
	}
	w.meta.MinTime = min(w.meta.MinTime, s.times[0])
	w.meta.MaxTime = max(w.meta.MaxTime, s.times[len(s.times)-1])
	w.meta.Series += len(s.series)
	w.meta.Groups++
	return w.index.AddGroup(s.common, s.own(), at)
}

// begin begins the columns of a block.
func (w *Writer) begin(s *shelf) {
	w.cols = w.cols[:0]
	w.placed = slices.Grow(w.placed[:0], len(s.series))[:len(s.series)]
	clear(w.distinct)
	w.traces, w.oldest = w.traces[:0], 0
}

// block writes the rows lo..hi-1 of a group, a copy of a block if that is given.
func (w *Writer) block(s *shelf, order, below []int32, lo, hi int, of *span) (blockRecord, error) {
	if of != nil {
		return w.copyBlock(s, lo, hi, of)
	}
	w.begin(s)
	for _, i := range order {
		vals, err := s.values(int(i), lo, hi, w.vals)
		if err != nil {
			return blockRecord{}, err
		}
		w.vals = vals
		some := 0
		for _, v := range vals {
			if !storage.IsAbsent(v) {
				some++
			}
		}
		w.meta.Samples += int64(some)
		w.placed[i] = column{at: len(w.cols), is: i}
		if some == 0 {
			continue
		}
		w.placed[i].dense = some == len(vals)
		if err := w.column(s, i, below[i], lo, hi); err != nil {
			return blockRecord{}, err
		}
		w.vals, w.lower = w.lower, w.vals
	}
	return w.end(s.times[lo:hi])
}

// end writes the block whose columns are placed.
func (w *Writer) end(times []int64) (blockRecord, error) {
	r := blockRecord{rows: len(times), mint: times[0], maxt: times[len(times)-1]}
	if err := w.writeTimes(&r, times); err != nil {
		return r, err
	}
	r.start = w.data.n
	w.buf, w.entries = w.buf[:0], w.entries[:0]
	for _, c := range w.placed {
		w.buf = append(w.buf, w.cols[c.at:c.at+int(c.length)]...)
		w.entries = append(w.entries, c.entry)
	}
	if _, err := w.data.Write(w.buf); err != nil {
		return r, err
	}
	r.dir = w.data.n
	w.buf = appendDirectory(w.buf[:0], w.entries)
	r.dirLen = uint64(len(w.buf))
	_, err := w.data.Write(w.buf)
	return r, err
}

// writeTimes writes a timestamp column, if it is not there yet.
func (w *Writer) writeTimes(r *blockRecord, times []int64) error {
	w.buf = chunk.EncodeTimes(w.buf[:0], times)
	r.timesLen = uint64(len(w.buf))
	key := append(binary.AppendUvarint(nil, uint64(r.rows)), w.buf...)
	at, ok := w.times[string(key)]
	if ok {
		r.times = at
		return nil
	}
	if len(w.times) == maxTimes {
		clear(w.times)
	}
	r.times = w.data.n
	w.times[string(key)] = r.times
	_, err := w.data.Write(w.buf)
	return err
}

// column encodes w.vals, the rows lo..hi-1 of slot i, of which some are samples: as what they are, as the
// difference to w.lower, which are those of slot b, or as those of another slot.
func (w *Writer) column(s *shelf, i, b int32, lo, hi int) error {
	c := &w.placed[i]
	w.buf = w.buf[:0]
	if b != none && w.placed[b].length > 0 && w.depthOf(b)+1 < writeChain {
		w.buf = w.enc.EncodeAbove(w.buf, w.vals, w.lower)
	} else {
		b = none
		w.buf = w.enc.Encode(w.buf, w.vals)
	}
	best, way := w.buf, aboveOf
	const worth = 4 // bytes that a reference takes at most
	if len(best) > worth {
		w.prints = fingerprints(w.prints[:0], w.vals)
		o, opposite := w.alike(), false
		if o == none && len(best) > worthTrace {
			o, opposite = w.moving(i, w.vals)
		}
		if o != none {
			var err error
			if w.other, err = s.values(int(o), lo, hi, w.other); err != nil {
				return err
			}
			if equalBits(w.vals, w.other) && w.placed[o].is < i {
				w.cols = binary.AppendUvarint(w.cols, uint64(w.placed[o].is))
				c.is, c.kind, c.length = w.placed[o].is, sameAs, uint16(len(w.cols)-c.at)
				return nil
			}
			if w.depthOf(o)+1 < writeChain && (o != b || opposite) {
				if opposite {
					negate(w.other)
				}
				col := w.enc.EncodeDifference(w.buf[len(w.buf):], w.vals, w.other, best)
				if len(col) > 0 && len(col) < len(best) {
					best, b = col, o
					if opposite {
						way = belowOf
					}
				}
			}
		}
		for _, p := range w.prints {
			if _, ok := w.distinct[p]; !ok {
				w.distinct[p] = i
			}
		}
	}
	if t, err := chunk.Stats(best); err != nil {
		return err
	} else if t.Chained {
		c.kind, c.depth = way, w.depthOf(b)+1
		w.cols = binary.AppendVarint(w.cols, int64(w.placed[b].is)-int64(i))
	}
	w.cols = append(w.cols, best...)
	c.length = uint16(len(w.cols) - c.at)
	return nil
}

// worthTrace is how many bytes a column has that may be smaller as the difference to one that moves like it now and then.
const worthTrace = 96

// negate changes the sign of all values.
func negate(vals []float64) {
	for i, v := range vals {
		vals[i] = -v
	}
}

// depthOf returns how many columns are to be decoded before that of slot i.
func (w *Writer) depthOf(i int32) int { return w.placed[w.placed[i].is].depth }
