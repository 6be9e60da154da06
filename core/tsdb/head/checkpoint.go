package head

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Records of a snapshot and of a tile file: FORMAT.md, section 4.
const (
	snapHeader = 1
	snapSet    = 2
	snapGroup  = 3
	snapEnd    = 4
	tileRecord = 5

	snapVersion = 2

	// Flags of a group.
	groupSolo     = 1 // no other series joins it
	groupByTarget = 2 // series that come one by one join it for their job and instance
)

// checkpointState is what checkpoints know of each other.
type checkpointState struct {
	sync.Mutex                 // held during one
	number     uint64          // of the newest snapshot
	tried      uint64          // of the newest one begun; it may be on disk though that failed
	segment    atomic.Uint64   // the first segment of the log that is needed beside it
	mark       atomic.Int64    // bytes of the log that this made unneeded
	files      []*tileFile     // that the newest snapshot names, in order
	damaged    map[uint64]bool // segments to set aside instead of deleting
}

// LogBytes returns how much of the log a restart would read, about.
func (h *Head) LogBytes() int64 {
	return h.log.Appended() - h.check.mark.Load()
}

// Failed returns why the log takes nothing, or nil. A checkpoint mends it.
func (h *Head) Failed() error {
	if err := h.log.Err(); errors.Is(err, wal.ErrFailed) {
		return err
	}
	return nil
}

// captured is a copy of a group at one place in the log; its slices are reused by the next.
type captured struct {
	g          *group
	pos        wal.Pos
	low, floor int64
	own        []ownSet
	ts         []int64
	stride     int
	rows       []float64
	states     []slotState // empty if nothing is known
	tiles      []tile      // on the heap
}

// ownSet is the labels of a slot: their number, which may be given to others later, plus one, and what they are
// now. 0 is for a slot without a series.
type ownSet struct {
	number uint32
	ls     labels.Labels
}

// Checkpoint writes all that the head holds and files do not: sealed tiles into a tile file, the rest into a
// snapshot. The log before it is deleted. It is also how a failed log is made good: memory has what the log
// could not take.
func (h *Head) Checkpoint() error {
	h.check.Lock()
	defer h.check.Unlock()
	start := time.Now()
	err := h.checkpoint()
	if err != nil {
		h.m.checkpointFailures.Inc()
		return fmt.Errorf("checkpoint of the head: %w", err)
	}
	h.m.checkpoints.Observe(time.Since(start).Seconds())
	return nil
}

func (h *Head) checkpoint() (err error) {
	h.w.Lock()
	if h.w.closed {
		h.w.Unlock()
		return storage.ErrClosed
	}
	failed := h.log.Err() != nil
	var segment uint64
	if failed {
		segment = h.log.Next()
	} else {
		segment = h.log.Cut()
	}
	var groups []*group
	h.dir.groups.all(func(_ uint32, g *group) { groups = append(groups, g) })
	nextGroup, sets := h.w.nextGrp, h.sets.next
	mark := h.log.Appended()
	h.w.Unlock()

	h.check.tried++
	number := h.check.tried
	tiles, err := newRecordFile(h.opts.FS, h.opts.tilesName(number), number)
	if err != nil {
		return err
	}
	tmp := h.opts.snapName(number) + ".tmp"
	snap, err := newRecordFile(h.opts.FS, tmp, number)
	if err != nil {
		tiles.abandon()
		return err
	}
	renaming := false
	defer func() {
		if err != nil && !renaming {
			snap.abandon()
			tiles.abandon()
		}
	}()
	h.dropOldFiles()
	head := binary.AppendUvarint(nil, snapVersion)
	head = binary.AppendUvarint(head, segment)
	head = binary.AppendUvarint(head, uint64(nextGroup))
	head = binary.AppendUvarint(head, uint64(len(h.check.files)+1))
	for _, f := range h.check.files {
		head = binary.AppendUvarint(head, f.number)
	}
	head = binary.AppendUvarint(head, number)
	head = binary.AppendUvarint(head, uint64(h.series.Load()))
	if err := snap.put(snapHeader, head); err != nil {
		return err
	}
	w := snapWriter{snap: snap, tiles: tiles, sets: make([]writtenSet, sets)}
	var c captured
	for _, g := range groups {
		h.capture(&c, g, segment, failed)
		if err := w.group(&c); err != nil {
			return err
		}
	}
	if err := snap.put(snapEnd, binary.AppendUvarint(nil, uint64(len(groups)))); err != nil {
		return err
	}
	if err := tiles.finish(); err != nil {
		return err
	}
	if err := snap.finish(); err != nil {
		return err
	}
	renaming = true // if it fails now, the snapshot may be there all the same, and needs its tiles
	if err := h.opts.FS.Rename(tmp, h.opts.snapName(number)); err != nil {
		return err
	}
	if err := h.opts.FS.SyncDir(h.opts.headDir()); err != nil {
		return err
	}
	h.check.number = number
	h.check.segment.Store(segment)
	h.check.mark.Store(mark)
	h.adopt(number, w.placed)
	if failed {
		h.log.Reset()
	}
	h.clean()
	return nil
}

// capture copies a group into c.
func (h *Head) capture(c *captured, g *group, segment uint64, failed bool) {
	h.rouse(g)
	h.w.Lock()
	defer h.w.Unlock()
	c.g, c.pos, c.low, c.floor, c.stride = g, h.log.End(), g.low, g.floor, g.stride
	c.ts, c.own, c.rows, c.tiles = append(c.ts[:0], g.ts...), c.own[:0], c.rows[:0], c.tiles[:0]
	if failed || c.pos < wal.MakePos(segment, 0) {
		c.pos = wal.MakePos(segment, 0)
	}
	for i, id := range g.series {
		own := ownSet{}
		if id != deadID {
			own = ownSet{g.own[i] + 1, h.sets.get(g.own[i])}
		}
		c.own = append(c.own, own)
	}
	for r := range g.ts {
		c.rows = append(c.rows, g.row(r)...)
	}
	c.states = c.states[:0]
	if g.base.segment != 0 {
		c.states = append(c.states, g.base.slots...)
	}
	for i := range g.tiles {
		if g.tiles[i].file == nil {
			c.tiles = append(c.tiles, g.tiles[i])
		}
	}
}

// placedTile says where in the tile file a tile of a group went.
type placedTile struct {
	g      *group
	tile   tile
	offset int64
}

type snapWriter struct {
	snap, tiles *recordFile
	sealer      sealer
	sets        []writtenSet // by number
	n           uint64       // of sets
	refs        []uint64
	states      stateCodec
	buf         []byte
	placed      []placedTile
}

// writtenSet is where the snapshot has a set.
type writtenSet struct {
	at uint64 // counted from 1; 0: nowhere
	ls labels.Labels
}

func (w *snapWriter) group(c *captured) error {
	for _, t := range c.tiles {
		w.buf = binary.LittleEndian.AppendUint32(w.buf[:0], c.g.id)
		w.buf = append(w.buf, t.blob...)
		if err := w.tiles.put(tileRecord, w.buf); err != nil {
			return err
		}
		w.placed = append(w.placed, placedTile{c.g, t, w.tiles.size - int64(len(t.blob))})
	}
	refs := w.refs[:0]
	for _, own := range c.own {
		if own.number == 0 {
			refs = append(refs, 0)
			continue
		}
		for int(own.number) > len(w.sets) {
			w.sets = append(w.sets, writtenSet{})
		}
		s := &w.sets[own.number-1]
		if s.at == 0 || !labels.Equal(s.ls, own.ls) {
			w.n++
			*s = writtenSet{w.n, own.ls}
			w.buf = appendLabels(w.buf[:0], own.ls)
			if err := w.snap.put(snapSet, w.buf); err != nil {
				return err
			}
		}
		refs = append(refs, s.at)
	}
	w.refs = refs
	b := binary.AppendUvarint(w.buf[:0], uint64(c.g.id))
	flags := uint64(0)
	if c.g.solo {
		flags |= groupSolo
	}
	if c.g.byTarget {
		flags |= groupByTarget
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(c.pos))
	b = binary.AppendVarint(b, c.low)
	b = binary.AppendVarint(b, c.floor)
	b = appendLabels(b, c.g.common)
	b = binary.AppendUvarint(b, uint64(len(refs)))
	for _, r := range refs {
		b = binary.AppendUvarint(b, r)
	}
	row := func(r int) []float64 { return c.rows[r*c.stride : (r+1)*c.stride] }
	if n := len(c.states); n > 0 {
		b = w.states.append(b, c.states, w.states.newestOf(n, len(c.ts), row))
	} else {
		b = append(b, 0)
	}
	if len(c.ts) > 0 {
		b = append(b, w.sealer.encode(c.ts, len(refs), row)...)
	}
	w.buf = b
	return w.snap.put(snapGroup, b)
}

// adopt maps the new tile file and has the groups refer to it, which frees the heap. If it cannot be mapped,
// the tiles stay on the heap and go into the next file as well.
func (h *Head) adopt(number uint64, placed []placedTile) {
	if len(placed) == 0 {
		return
	}
	name := h.opts.tilesName(number)
	m, err := h.opts.FS.Map(name)
	if err != nil {
		h.opts.Logger.Error("Tiles stay in memory: their file cannot be mapped", "file", name, "err", err)
		return
	}
	f := &tileFile{number: number, name: name, mapping: m, mint: placed[0].tile.mint, maxt: placed[0].tile.maxt}
	f.refs.Store(1)
	data := m.Data()
	for _, p := range placed {
		f.mint, f.maxt = min(f.mint, p.tile.mint), max(f.maxt, p.tile.maxt)
		blob := data[p.offset : p.offset+int64(len(p.tile.blob))]
		h.w.Lock()
		mu := h.lock(p.g)
		mu.Lock()
		for i := range p.g.tiles {
			if t := &p.g.tiles[i]; t.file == nil && t.mint == p.tile.mint && len(t.blob) == len(p.tile.blob) && &t.blob[0] == &p.tile.blob[0] {
				t.blob, t.file = blob, f
			}
		}
		mu.Unlock()
		h.w.Unlock()
	}
	h.check.files = append(h.check.files, f)
}

// dropOldFiles forgets tile files that no group refers to any more.
func (h *Head) dropOldFiles() {
	used := map[*tileFile]bool{}
	h.w.Lock()
	h.dir.groups.all(func(_ uint32, g *group) {
		for i := range g.tiles {
			used[g.tiles[i].file] = true
		}
	})
	h.w.Unlock()
	h.check.files = slices.DeleteFunc(h.check.files, func(f *tileFile) bool {
		if !used[f] {
			f.release()
		}
		return !used[f]
	})
}

// clean deletes what the newest snapshot does not need. Errors are told and no more: the next one tries again.
func (h *Head) clean() {
	var errs []error
	errs = append(errs, h.log.RemoveBefore(h.check.segment.Load(), h.check.damaged))
	h.check.damaged = nil
	keep := map[uint64]bool{h.check.number: true}
	for _, f := range h.check.files {
		keep[f.number] = true
	}
	for _, ext := range []string{".tiles", ".snap", ".snap.tmp"} {
		ns, err := h.opts.numbered(ext)
		errs = append(errs, err)
		for _, n := range ns {
			if ext == ".tiles" && keep[n] || ext == ".snap" && n >= h.check.number {
				continue
			}
			name := h.opts.tilesName(n)
			if ext != ".tiles" {
				name = h.opts.snapName(n)
				if ext == ".snap.tmp" {
					name += ".tmp"
				}
			}
			if err := h.opts.FS.Remove(name); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		h.opts.Logger.Warn("Files that are not needed any more stay for now", "err", err)
	}
}

// recordFile is a file of framed records being written.
type recordFile struct {
	fs   vfs.FS
	name string
	salt uint64
	f    vfs.File
	w    *bufio.Writer
	buf  []byte
	size int64
}

func newRecordFile(fsys vfs.FS, name string, salt uint64) (*recordFile, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	return &recordFile{fs: fsys, name: name, salt: salt, f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

func (r *recordFile) put(typ byte, data []byte) error {
	if len(data) > wal.MaxRecord {
		return fmt.Errorf("%s: a record of %d bytes is too long", r.name, len(data))
	}
	r.buf = wal.AppendRecord(r.buf[:0], r.salt, typ, data)
	r.size += int64(len(r.buf))
	_, err := r.w.Write(r.buf)
	return err
}

func (r *recordFile) finish() error {
	if err := r.w.Flush(); err != nil {
		return err
	}
	if err := r.f.Sync(); err != nil {
		return err
	}
	err := r.f.Close()
	r.f = nil
	return err
}

// abandon gives a file up that something else has failed for.
func (r *recordFile) abandon() {
	if r.f != nil {
		r.f.Close()
	}
	_ = r.fs.Remove(r.name) // the next checkpoint tries again
}
