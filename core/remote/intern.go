package remote

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// errLabels is wrapped by what is wrong with the labels of a series.
var errLabels = errors.New("invalid labels")

const (
	internShards  = 16
	entryOverhead = 120 // bytes of a map entry and of headers, about
)

// interner remembers the labels of known series by the bytes they arrive as: a sender writes them the same way every
// time. A hit costs a hash and a comparison, and makes nothing.
//
// It keeps two generations. New and used entries are in the young one; when that is full it becomes the old one, and
// what was old is forgotten. So memory is bounded, and series that are gone go.
type interner struct {
	seed   maphash.Seed // hash collisions cannot be made from outside
	limit  int64        // bytes of a generation of a shard
	shards [internShards]internShard
}

type internShard struct {
	mu struct {
		sync.Mutex
		young, old map[uint64]internEntry
		bytes      int64 // of young
	}
}

// internEntry is a series: raw is compared at each hit, so that a hash collision can never mix up two series.
type internEntry struct {
	raw    string
	labels labels.Labels
}

func newInterner(maxBytes int64) *interner {
	in := &interner{seed: maphash.MakeSeed(), limit: maxBytes / (2 * internShards)}
	for i := range in.shards {
		in.shards[i].mu.young = map[uint64]internEntry{}
	}
	return in
}

// labels returns the labels of s, sorted, without empty ones. The error tells why they cannot be a series' labels.
func (in *interner) labels(s rawSeries) (labels.Labels, error) {
	if s.labels == nil {
		return makeLabels(s.message)
	}
	hash := maphash.Bytes(in.seed, s.labels)
	shard := &in.shards[hash%internShards]
	if ls, ok := shard.find(hash, s.labels, in.limit); ok {
		return ls, nil
	}
	ls, err := makeLabels(s.labels)
	if err == nil {
		shard.mu.Lock()
		shard.add(hash, internEntry{string(s.labels), ls}, in.limit)
		shard.mu.Unlock()
	}
	return ls, err
}

func (sh *internShard) find(hash uint64, raw []byte, limit int64) (labels.Labels, bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e, ok := sh.mu.young[hash]; ok && e.raw == string(raw) {
		return e.labels, true
	}
	e, ok := sh.mu.old[hash]
	if !ok || e.raw != string(raw) {
		return labels.EmptyLabels(), false
	}
	sh.add(hash, e, limit)
	return e.labels, true
}

// add puts an entry into the young generation; the lock is held.
func (sh *internShard) add(hash uint64, e internEntry, limit int64) {
	size := int64(2*len(e.raw) + entryOverhead) // labels are about as long as raw
	if sh.mu.bytes+size > limit && len(sh.mu.young) > 0 {
		sh.mu.old = sh.mu.young
		sh.mu.young = make(map[uint64]internEntry, len(sh.mu.old))
		sh.mu.bytes = 0
	}
	sh.mu.young[hash] = e
	sh.mu.bytes += size
}

// makeLabels makes the labels of a TimeSeries message and checks them as upstream does: a metric name, valid UTF-8,
// no name twice. Senders ought to sort; those that do not are forgiven.
func makeLabels(message []byte) (labels.Labels, error) {
	text := bytes.Clone(message) // labels are parts of this one copy until the builder is done
	var b labels.ScratchBuilder
	var last []byte
	sorted := true
	err := eachLabel(text, func(name, value []byte) {
		sorted = sorted && bytes.Compare(last, name) < 0
		last = name
		b.Add(view(name), view(value))
	})
	if err != nil {
		return labels.EmptyLabels(), err
	}
	if !sorted {
		b.Sort()
	}
	ls := b.Labels()
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return labels.EmptyLabels(), fmt.Errorf("%w: %s has the label %s twice", errLabels, ls, name)
	}
	ls = ls.WithoutEmpty()
	switch {
	case ls.Get(model.MetricNameLabel) == "":
		return labels.EmptyLabels(), fmt.Errorf("%w: %s has no metric name", errLabels, ls)
	case !ls.IsValid(model.UTF8Validation):
		return labels.EmptyLabels(), fmt.Errorf("%w: %s: names and values must be valid UTF-8, names not empty", errLabels, ls)
	}
	return ls, nil
}

// view returns b as a string without copying; b must not change as long as the string is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
