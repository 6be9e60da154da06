// Package tsdb is the database: open, append, query, retire.
//
// Samples go into the head (memory, with a write-ahead log) and from there, two hours at a time, into parts:
// immutable directories that the manifest lists. A query merges the parts it overlaps and the head. FORMAT.md
// in this folder gives the bytes of everything but the parts, and what we assume of the disk.
package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
	"github.com/hearth-project/hearth/core/tsdb/head"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// DB is an open database. It implements storage.Writer, storage.RefWriter and storage.Queryable. Safe for concurrent use.
type DB struct {
	opts      Options
	fs        vfs.FS
	log       *slog.Logger
	syncEvery time.Duration
	keep      atomic.Pointer[Retention]
	ballast   ballast
	lock      io.Closer
	head      *head.Head
	natives   natives
	counted   counted
	reg       registrar
	m         metrics

	parts struct {
		sync.Mutex
		list     []*part // by mint
		manifest *manifest
		tombs    tombstones
		inHead   []compact.Tombstone // of them, those that apply to the head
		closed   bool
	}
	maintenance sync.Mutex   // one cut at a time
	compaction  sync.Mutex   // one merge or deletion at a time; locked before maintenance
	waiting     atomic.Int32 // callers that want compaction and do not let a merge finish first
	running     sync.WaitGroup
	lastCheck   time.Time // of the checkpoint; guarded by maintenance
	truncated   bool      // the head is not on disk as it is since a cut; guarded by maintenance
}

// part is an open part. The database holds one reference, each querier that reads it another.
type part struct {
	number  uint64
	dir     string
	block   *block.Block
	meta    block.Meta
	bytes   int64
	refs    atomic.Int64
	doomed  atomic.Bool // its directory goes with the last reference
	damaged atomic.Bool // found so while it was read: it is not merged
	tombs   atomic.Pointer[[]compact.Tombstone]
	kept    map[int]bool // selector retentions that concern none of its series; guarded by compaction
	keptBy  *Retention   // whose they are
	db      *DB
}

func (p *part) isDamaged() bool { return p.damaged.Load() }

func (p *part) release() {
	if p.refs.Add(-1) > 0 {
		return
	}
	if err := p.block.Close(); err != nil {
		p.db.log.Warn("Part does not close", "part", p.dir, "err", err)
	}
	if p.doomed.Load() {
		if err := p.db.fs.RemoveAll(p.dir); err != nil {
			p.db.log.Warn("Files of a part that is not needed any more stay until the next start", "part", p.dir, "err", err)
		}
	}
}

// Open opens the database in o.Dir, making it if there is none. Damage is logged with its place, counted and
// kept aside; an error means that nothing can be served.
func Open(o Options) (_ *DB, err error) {
	o, every, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{opts: o, fs: o.FS, log: o.Logger, syncEvery: every, reg: registrar{reg: o.Registerer}, lastCheck: o.Clock()}
	defer func() {
		if err != nil {
			db.abandon()
			err = fmt.Errorf("open database in %s: %w", o.Dir, err)
		}
	}()
	if err := db.fs.MkdirAll(db.partsDir()); err != nil {
		return nil, err
	}
	for _, d := range []string{filepath.Dir(o.Dir), o.Dir} {
		if err := db.fs.SyncDir(d); err != nil {
			return nil, err
		}
	}
	if db.lock, err = db.fs.Lock(filepath.Join(o.Dir, "LOCK")); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another process uses it; stop that one, or give this one another [storage] path: %w", err)
		}
		return nil, err
	}
	db.keep.Store(o.retention())
	db.ballast.size.Store(o.Ballast)
	db.m = newMetrics(db, &db.reg)
	if err := db.openTombstones(); err != nil {
		return nil, err
	}
	if err := db.openParts(); err != nil {
		return nil, err
	}
	db.head, err = head.Open(head.Options{
		FS: o.FS, Dir: o.Dir, SegmentSize: o.SegmentSize, SyncAlways: o.Sync == "always", SyncNever: o.Sync == "off",
		Retention: o.Retention, OutOfOrderWindow: o.OutOfOrderWindow, Newest: db.newestPart(math.MaxInt64),
		Gate: o.Gate, Logger: o.Logger, Registerer: &db.reg, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// abandon undoes a failed Open.
func (db *DB) abandon() {
	for _, p := range db.parts.list {
		p.release()
	}
	if db.parts.manifest != nil {
		db.parts.manifest.close()
	}
	if db.lock != nil {
		db.lock.Close()
	}
	db.reg.close()
}

func (db *DB) partsDir() string { return filepath.Join(db.opts.Dir, "parts") }

func (db *DB) partDir(n uint64) string { return filepath.Join(db.partsDir(), fmt.Sprintf("%08d", n)) }

// openTombstones reads what is deleted. A server that does not start watches nothing, so if no copy can be read they
// are set aside and what was deleted and not yet merged away is served again; the log says so, and how to mend it.
func (db *DB) openTombstones() error {
	s, damaged, err := readTombstones(db.fs, db.opts.Dir)
	if errors.Is(err, wal.ErrCorrupt) {
		db.m.damage.Inc()
		aside, asideErr := setTombstonesAside(db.fs, db.opts.Dir)
		db.log.Error("What was deleted is not known any more: deleted samples that are still stored are served again. "+
			"Delete them anew, or stop and restore one of the files from a backup", "aside", aside, "err", errors.Join(err, asideErr))
		return nil
	}
	if err != nil {
		return err
	}
	if damaged != nil {
		db.m.damage.Inc()
		db.log.Warn("One of the two copies of the tombstones is damaged; the other one is used", "err", damaged)
		s.sequence++
		if err := s.write(db.fs, db.opts.Dir); err != nil {
			db.log.Warn("The damaged copy of the tombstones stays", "err", err)
		}
	}
	db.parts.tombs, db.parts.inHead = s, s.ofHead()
	return nil
}

// openParts opens the parts that the manifest lists, sets damaged ones aside, and removes what a crash left.
func (db *DB) openParts() error {
	m, damaged, err := openManifest(db.fs, db.opts.Dir)
	if err != nil {
		return err
	}
	db.parts.manifest = m
	if damaged != nil {
		db.m.damage.Inc()
		db.log.Warn("The manifest has a record that a crash tore or that is damaged: every part that can be read is taken for live", "err", damaged)
	}
	es, err := db.fs.ReadDir(db.partsDir())
	if err != nil {
		return err
	}
	unnamed := m.next                       // from here on the manifest names none, be it that a crash came before its record or that this is lost
	for _, t := range db.parts.tombs.list { // their numbers are not given to others
		for _, n := range t.parts {
			m.next = max(m.next, n+1)
		}
	}
	there := map[uint64]bool{}
	for _, e := range es {
		name, aside := strings.CutSuffix(e.Name(), ".damaged")
		n, err := strconv.ParseUint(name, 10, 63)
		if err == nil {
			m.next = max(m.next, n+1)
		}
		switch {
		case aside:
			continue
		case err != nil || e.Name() != filepath.Base(db.partDir(n)):
			db.remove(filepath.Join(db.partsDir(), e.Name()))
			continue
		}
		if damaged != nil || n >= unnamed {
			m.live[n] = true
		}
		if !m.live[n] {
			db.remove(filepath.Join(db.partsDir(), e.Name()))
			continue
		}
		there[n] = true
	}
	for n := range m.live {
		if !there[n] {
			db.m.damage.Inc()
			db.log.Error("A part is gone: its samples are lost", "part", db.partDir(n), "err", fs.ErrNotExist)
			delete(m.live, n)
			continue
		}
		p, err := db.openPart(n)
		switch {
		case err == nil:
			p.setTombstones(db.parts.tombs.ofPart(n))
			db.parts.list = append(db.parts.list, p)
		case errors.Is(err, block.ErrCorrupt) || errors.Is(err, fs.ErrNotExist):
			db.quarantine(n, err)
		default: // no memory, no descriptors, a newer version: the part may be all right
			return fmt.Errorf("open part %s: %w", db.partDir(n), err)
		}
	}
	db.sortParts()
	err = m.rewrite()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) { // the next edit writes it anew before anything else
		db.log.Warn("The disk is full: what is stored is served, and samples are taken when there is space again", "err", err)
		return nil
	}
	return err
}

func (db *DB) remove(name string) {
	if err := db.fs.RemoveAll(name); err != nil {
		db.log.Warn("A leftover of an unfinished write stays", "file", name, "err", err)
	}
}

// quarantine sets a damaged part aside.
func (db *DB) quarantine(n uint64, err error) {
	db.m.damage.Inc()
	aside := db.partDir(n) + ".damaged"
	db.log.Error("A part is damaged: it is set aside, the rest is served", "part", db.partDir(n), "now", aside, "err", err)
	if err := db.fs.Rename(db.partDir(n), aside); err != nil {
		db.log.Error("The damaged part stays in place", "part", db.partDir(n), "err", err)
		return // it stays in the manifest, or the next start would delete it
	}
	delete(db.parts.manifest.live, n)
}

func (db *DB) openPart(n uint64) (*part, error) {
	b, err := block.Open(db.fs, db.partDir(n))
	if err != nil {
		return nil, err
	}
	p := &part{number: n, dir: db.partDir(n), block: b, meta: b.Meta(), db: db}
	p.refs.Store(1)
	p.bytes = db.dirSize(p.dir)
	return p, nil
}

// dirSize returns the bytes of the files in dir; what cannot be read counts nothing.
func (db *DB) dirSize(dir string) int64 {
	es, err := db.fs.ReadDir(dir)
	if err != nil {
		return 0
	}
	n := int64(0)
	for _, e := range es {
		if e.IsDir() {
			n += db.dirSize(filepath.Join(dir, e.Name()))
		} else if i, err := e.Info(); err == nil {
			n += i.Size()
		}
	}
	return n
}

func (db *DB) sortParts() {
	slices.SortFunc(db.parts.list, func(a, b *part) int {
		if a.meta.MinTime != b.meta.MinTime {
			return int(min(max(a.meta.MinTime-b.meta.MinTime, -1), 1))
		}
		return int(min(max(int64(a.number)-int64(b.number), -1), 1))
	})
}

// newestPart returns the time of the newest sample in parts that have none after until; math.MinInt64 if there is none.
func (db *DB) newestPart(until int64) int64 {
	db.parts.Lock()
	defer db.parts.Unlock()
	t := int64(math.MinInt64)
	for _, p := range db.parts.list {
		if p.meta.MaxTime <= until {
			t = max(t, p.meta.MaxTime)
		}
	}
	return t
}

// Group implements storage.Writer.
func (db *DB) Group(common labels.Labels) (storage.Group, error) { return db.head.Group(common) }

// Append implements storage.Writer.
func (db *DB) Append(ctx context.Context, batch []model.Series) error {
	rest, res, err := db.appendNative(ctx, batch)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		err = db.head.Append(ctx, rest)
	}
	if len(rest) == len(batch) {
		return err
	}
	var floats *storage.AppendError
	switch {
	case errors.As(err, &floats):
		res.Stored += floats.Stored
		reject(&res, floats.First, floats.Rejected)
	case err != nil:
		return err
	}
	if res.Rejected > 0 {
		return &res
	}
	return nil
}

// Refs implements storage.RefWriter.
func (db *DB) Refs(ctx context.Context, series []labels.Labels, refs []storage.Ref) error {
	return db.head.Refs(ctx, series, refs)
}

// AppendPoints implements storage.RefWriter.
func (db *DB) AppendPoints(ctx context.Context, points []storage.Point, gone []int) ([]int, error) {
	return db.head.AppendPoints(ctx, points, gone)
}

// Run does what goes on in the background until ctx ends: syncing the log, checkpoints, cutting parts, merging
// and deleting them. Errors are logged and tried again; it returns nil.
func (db *DB) Run(ctx context.Context) error {
	db.parts.Lock()
	if db.parts.closed {
		db.parts.Unlock()
		return storage.ErrClosed
	}
	db.running.Add(1)
	db.parts.Unlock()
	defer db.running.Done()
	g, ctx := errgroup.WithContext(ctx)
	if db.syncEvery > 0 {
		g.Go(func() error { db.every(ctx, db.syncEvery, db.sync); return nil })
	}
	g.Go(func() error { db.head.Wake(ctx); return nil })
	g.Go(func() error { db.every(ctx, time.Second, db.maintain); return nil })
	g.Go(func() error { db.every(ctx, 5*time.Second, db.retire); return nil })
	return g.Wait()
}

// every calls f every d until ctx ends. An error that lasts is logged once a minute.
func (db *DB) every(ctx context.Context, d time.Duration, f func(context.Context) error) {
	t := time.NewTicker(d)
	defer t.Stop()
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := f(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, storage.ErrClosed) && time.Since(told) > time.Minute {
			told = time.Now()
			db.log.Error("Work of the database failed; it is tried again", "err", err)
		}
	}
}

// sync makes the log durable. A failed log is the business of maintain.
func (db *DB) sync(context.Context) error {
	if db.head.Failed() != nil {
		return nil
	}
	return db.head.Sync()
}

// Close waits for Run, whose context must have ended, and for deletions and snapshots, writes and syncs what is
// pending and closes all files. Queriers that are open stay readable. It may be called twice.
func (db *DB) Close() error {
	db.running.Wait()
	defer db.alone()()
	db.parts.Lock()
	if db.parts.closed {
		db.parts.Unlock()
		return nil
	}
	db.parts.closed = true
	list := db.parts.list
	db.parts.list = nil
	db.parts.manifest.close()
	db.parts.Unlock()
	err := db.head.Close()
	for _, p := range list {
		p.release()
	}
	db.reg.close()
	return errors.Join(err, db.lock.Close())
}

// Stats is a look at the database.
type Stats struct {
	Head      head.Stats
	Parts     int
	PartBytes int64
	MinTime   int64 // of all samples, Unix milliseconds, about; math.MaxInt64 if there is none
	MaxTime   int64 // math.MinInt64 if there is none
}

// Stats returns what the database holds now.
func (db *DB) Stats() Stats {
	s := Stats{Head: db.head.Stats()}
	s.MinTime, s.MaxTime = s.Head.MinTime, s.Head.MaxTime
	db.parts.Lock()
	defer db.parts.Unlock()
	s.Parts = len(db.parts.list)
	for _, p := range db.parts.list {
		s.PartBytes += p.bytes
		s.MinTime, s.MaxTime = min(s.MinTime, p.meta.MinTime), max(s.MaxTime, p.meta.MaxTime)
	}
	return s
}

type metrics struct {
	cuts, merges, deletions prometheus.Counter
	cutBytes, mergeBytes    prometheus.Counter
	damage, failures        prometheus.Counter
	cutSeconds              prometheus.Histogram
	mergeSeconds            prometheus.Histogram
}

func newMetrics(db *DB, reg prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := metrics{
		cuts:       counter("hearth_tsdb_parts_cut_total", "Parts written from the head."),
		merges:     counter("hearth_tsdb_merges_total", "Merges of parts."),
		cutBytes:   counter("hearth_tsdb_cut_bytes_total", "Bytes of parts written from the head."),
		mergeBytes: counter("hearth_tsdb_merge_bytes_total", "Bytes of parts written by merges."),
		deletions:  counter("hearth_tsdb_parts_deleted_total", "Parts deleted by retention."),
		damage:     counter("hearth_tsdb_damage_total", "Parts, manifest records and tombstones found damaged."),
		failures:   counter("hearth_tsdb_maintenance_failures_total", "Cuts, merges and deletions that failed."),
		cutSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hearth_tsdb_cut_seconds", Help: "Duration of a cut.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8)}),
		mergeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hearth_tsdb_merge_seconds", Help: "Duration of a merge of parts.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8)}),
	}
	reg.MustRegister(m.cuts, m.merges, m.cutBytes, m.mergeBytes, m.deletions, m.damage, m.failures, m.cutSeconds, m.mergeSeconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_tsdb_parts", Help: "Parts that live."}, func() float64 {
			db.parts.Lock()
			defer db.parts.Unlock()
			return float64(len(db.parts.list))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_tsdb_parts_bytes", Help: "Bytes of parts on disk."}, func() float64 {
			db.parts.Lock()
			defer db.parts.Unlock()
			n := int64(0)
			for _, p := range db.parts.list {
				n += p.bytes
			}
			return float64(n)
		}))
	return m
}
