// Package wal is the write-ahead log of the head: an append-only run of records that nothing else on disk
// holds yet. It knows segments, records and checksums; what a record means is the head's business. One
// goroutine at a time appends, many commit: the first of them writes for all who wait. FORMAT.md in the folder
// above gives the bytes and what we assume of the disk.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

const keepBuffer = 4 << 20 // larger buffers are not used again

// DefaultSegmentSize is the length at which a new segment is begun.
const DefaultSegmentSize = 64 << 20

// SegmentHeader is the length of a segment's header.
const SegmentHeader = 20

const (
	segmentMagic   = "HWAL"
	segmentVersion = 3
	shards         = 1 // logs that share the database's writes; this one is number 0
)

// ErrFailed marks a log whose disk refused a write or a sync. What is in doubt is not in the log: nothing more
// is taken until Reset.
var ErrFailed = errors.New("write-ahead log failed")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("write-ahead log closed")

// Pos is a place in the log: the segment in the upper half, the end of a record within it in the lower, counted
// before compression. Later records have greater places.
type Pos uint64

// MakePos returns the place at offset in segment.
func MakePos(segment uint64, offset int64) Pos { return Pos(segment<<32 | uint64(offset)) }

// Segment returns the number of the segment.
func (p Pos) Segment() uint64 { return uint64(p) >> 32 }

// Options tunes a Log; the zero value is ready to use: segments of 64 MiB, no fsync but at the end of one.
type Options struct {
	SegmentSize int64
	SyncAlways  bool // Commit returns after fsync
	SyncNever   bool // not even at the end of a segment or at Close
	Registerer  prometheus.Registerer
}

// piece is a batch of records for one segment that is not written yet.
type piece struct {
	segment uint64
	offset  int64 // of the first
	data    []byte
}

// Log is the writing side. Append and Cut are for one goroutine at a time; the rest is safe for concurrent use.
type Log struct {
	fs   vfs.FS
	dir  string
	opts Options
	m    metrics

	mu struct {
		sync.Mutex
		turn     sync.Cond
		segment  uint64 // of the next record
		offset   int64
		pending  []piece
		appended int64
		spare    []byte
		written  Pos // all up to here is acknowledged
		next     Pos // end of what was appended
		writing  bool
		err      error
		closed   bool
	}
	file struct {
		sync.Mutex // held by whoever writes, syncs or changes the file
		f          vfs.File
		segment    uint64
		buf, pack  []byte
		dirty      bool // bytes are unsynced
		newName    bool // the directory is unsynced
	}
}

type metrics struct {
	bytes    prometheus.Counter
	syncs    prometheus.Histogram
	failures prometheus.Counter
}

// Open returns a log whose first record begins the segment numbered first in dir, which must exist.
func Open(fsys vfs.FS, dir string, first uint64, opts Options) *Log {
	if opts.SegmentSize <= 0 {
		opts.SegmentSize = DefaultSegmentSize
	}
	l := &Log{fs: fsys, dir: dir, opts: opts, m: metrics{
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_wal_written_bytes_total", Help: "Bytes written to the write-ahead log."}),
		syncs:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hearth_wal_sync_seconds", Help: "Duration of an fsync of the write-ahead log.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8)}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_wal_failures_total", Help: "Writes and syncs of the write-ahead log that the disk refused."}),
	}}
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(l.m.bytes, l.m.syncs, l.m.failures)
	}
	l.mu.turn.L = &l.mu.Mutex
	l.mu.segment, l.mu.offset = first, SegmentHeader
	l.mu.written = MakePos(first, 0)
	l.mu.next = l.mu.written
	return l
}

// SegmentName returns the file name of a segment.
func SegmentName(segment uint64) string { return fmt.Sprintf("%08d.wal", segment) }

// parseSegment is the inverse of SegmentName.
func parseSegment(name string) (uint64, bool) {
	s, ok := strings.CutSuffix(name, ".wal")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return n, err == nil
}

// Segments returns the numbers of the segments in dir, in order.
func Segments(fsys vfs.FS, dir string) ([]uint64, error) {
	es, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range es {
		if n, ok := parseSegment(e.Name()); ok {
			out = append(out, n)
		}
	}
	return out, nil
}

// Room returns the segment that the next record of up to n bytes will be in, beginning one if this is full.
func (l *Log) Room(n int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.offset > SegmentHeader && l.mu.offset+maxPrefix+int64(n) > l.opts.SegmentSize {
		l.cut()
	}
	return l.mu.segment
}

// Cut begins a new segment and returns its number: the next record is the first in it.
func (l *Log) Cut() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.offset > SegmentHeader {
		l.cut()
	}
	return l.mu.segment
}

func (l *Log) cut() {
	l.mu.segment++
	l.mu.offset = SegmentHeader
}

// Append adds a record to those that the next Commit writes, and returns its place. Data is copied. A log that
// failed takes it and forgets it; Commit tells.
func (l *Log) Append(typ byte, data []byte) (Pos, error) {
	if len(data) > MaxRecord {
		return 0, fmt.Errorf("a record of %d bytes is longer than the %d the log takes", len(data), MaxRecord)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	if n := len(l.mu.pending); n == 0 || l.mu.pending[n-1].segment != l.mu.segment || len(l.mu.pending[n-1].data) > batchSize {
		p := piece{segment: l.mu.segment, offset: l.mu.offset}
		if l.mu.spare != nil {
			p.data, l.mu.spare = l.mu.spare[:0], nil
		}
		l.mu.pending = append(l.mu.pending, p)
	}
	p := &l.mu.pending[len(l.mu.pending)-1]
	before := len(p.data)
	p.data = appendInner(p.data, typ, data)
	l.mu.offset += int64(len(p.data) - before)
	l.mu.appended += int64(len(p.data) - before)
	l.mu.next = MakePos(l.mu.segment, l.mu.offset)
	return l.mu.next, nil
}

func (l *Log) usable() error {
	if l.mu.err != nil {
		return l.mu.err
	}
	if l.mu.closed {
		return ErrClosed
	}
	return nil
}

// Err returns why the log takes nothing, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usable()
}

// End returns the place of the last record appended.
func (l *Log) End() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.next
}

// Next returns the number that the segment after the present one will have.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.segment + 1
}

// Commit returns when the record at pos and all before it are written, and with SyncAlways on stable storage.
// Those who wait are served by one write.
func (l *Log) Commit(pos Pos) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.mu.written < pos {
		if l.mu.err != nil {
			return l.mu.err
		}
		if l.mu.writing {
			l.mu.turn.Wait()
			continue
		}
		l.writePending()
	}
	return nil
}

// writePending writes what is pending, outside of the lock that it is called with.
func (l *Log) writePending() {
	ps, end := l.mu.pending, l.mu.next
	l.mu.pending = nil
	l.mu.writing = true
	l.mu.Unlock()
	err := l.write(ps)
	l.mu.Lock()
	l.mu.writing = false
	if err != nil {
		l.fail(err)
	} else {
		l.mu.written = max(l.mu.written, end)
		if n := len(ps); n > 0 && cap(ps[n-1].data) <= keepBuffer {
			l.mu.spare = ps[n-1].data
		}
	}
	l.mu.turn.Broadcast()
}

// fail makes the log refuse everything. The lock is held.
func (l *Log) fail(err error) {
	l.m.failures.Inc()
	if l.mu.err == nil {
		l.mu.err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	l.mu.pending = nil
	l.mu.turn.Broadcast()
}

func (l *Log) write(ps []piece) error {
	l.file.Lock()
	defer l.file.Unlock()
	for _, p := range ps {
		if l.file.f == nil || l.file.segment != p.segment {
			if err := l.begin(p.segment); err != nil {
				return err
			}
		}
		l.file.dirty = true
		l.file.buf, l.file.pack = appendBatch(l.file.buf[:0], l.file.pack, p.segment, p.offset, p.data)
		n, err := l.file.f.Write(l.file.buf)
		if cap(l.file.pack) > keepBuffer {
			l.file.buf, l.file.pack = nil, nil
		}
		l.m.bytes.Add(float64(n))
		if err != nil {
			return err
		}
	}
	if l.opts.SyncAlways {
		return l.sync()
	}
	return nil
}

// begin ends the open segment and creates the next. The file lock is held.
func (l *Log) begin(segment uint64) error {
	if err := l.end(); err != nil {
		return err
	}
	f, err := l.fs.Create(filepath.Join(l.dir, SegmentName(segment)))
	if err != nil {
		return err
	}
	l.file.f, l.file.segment, l.file.newName, l.file.dirty = f, segment, true, true
	_, err = f.Write(segmentHeader(segment))
	return err
}

func segmentHeader(segment uint64) []byte {
	h := append(make([]byte, 0, SegmentHeader), segmentMagic...)
	h = append(h, segmentVersion, shards, 0, 0)
	h = binary.LittleEndian.AppendUint64(h, segment)
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// end syncs and closes the open segment. The file lock is held.
func (l *Log) end() error {
	if l.file.f == nil {
		return nil
	}
	if !l.opts.SyncNever {
		if err := l.sync(); err != nil {
			return err
		}
	}
	err := l.file.f.Close()
	l.file.f = nil
	return err
}

// sync makes what is written durable. The file lock is held.
func (l *Log) sync() error {
	if l.file.f == nil {
		return nil
	}
	if l.file.dirty {
		start := time.Now()
		if err := l.file.f.Sync(); err != nil {
			return err
		}
		l.m.syncs.Observe(time.Since(start).Seconds())
		l.file.dirty = false
	}
	if l.file.newName {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
		l.file.newName = false
	}
	return nil
}

// Sync makes all that was committed durable. The database calls it on a clock.
func (l *Log) Sync() error {
	if err := l.Err(); err != nil {
		return err
	}
	l.file.Lock()
	err := l.sync()
	l.file.Unlock()
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fail(err)
		return l.mu.err
	}
	return nil
}

// Reset makes a failed log usable again, in a new segment. The caller has made sure that nothing before it is
// needed: what was appended and not committed is gone.
func (l *Log) Reset() uint64 {
	l.file.Lock()
	if l.file.f != nil {
		l.file.f.Close() // its data is in doubt and not needed any more
		l.file.f = nil
	}
	l.file.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.err = nil
	l.mu.pending = nil
	l.cut()
	l.mu.next = MakePos(l.mu.segment, 0)
	l.mu.written = l.mu.next
	return l.mu.segment
}

// RemoveBefore deletes the segments before the one given; keep names segments that are renamed to .damaged
// instead.
func (l *Log) RemoveBefore(segment uint64, keep map[uint64]bool) error {
	segs, err := Segments(l.fs, l.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range segs {
		if s >= segment {
			break
		}
		name := filepath.Join(l.dir, SegmentName(s))
		if keep[s] {
			errs = append(errs, l.fs.Rename(name, name+".damaged"))
		} else if err := l.fs.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Appended returns the bytes of all records appended since Open, before compression.
func (l *Log) Appended() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.appended
}

// Close writes and syncs what is pending and ends the log. It may be called twice.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.mu.closed {
		l.mu.Unlock()
		return nil
	}
	end := l.mu.next
	l.mu.closed = true
	l.mu.Unlock()
	err := l.Commit(end)
	l.file.Lock()
	defer l.file.Unlock()
	if err != nil {
		if l.file.f != nil {
			l.file.f.Close() // the first error is the one that matters
			l.file.f = nil
		}
		return err
	}
	return l.end()
}
