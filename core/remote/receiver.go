// Package remote takes samples from other senders: it is the receiving end of Prometheus's remote write, versions 1.0
// and 2.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/). A request is one snappy block with a WriteRequest
// or an io.prometheus.write.v2.Request.
//
// The message is walked in place. A series is known by the bytes of its labels, so that labels are made once for a
// series, not once for a sample: see known.go. Series with native histograms or start timestamps are written by their
// labels. What a message says of metrics goes to a table of its own, once for each metric: metadata.go.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/semaphore"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

const (
	defaultMaxBytes   = 32 << 20
	mostBytes         = 1 << 30 // places in a message have 32 bits
	defaultCacheBytes = 64 << 20
	maxAhead          = 10 * time.Minute // a sample may be so far in the future, as upstream
	keepBuffer        = 4 << 20          // larger buffers are not kept for the next request
	maxRatio          = 22               // a snappy block holds at most 64 bytes in 3
	writtenOut        = 16               // the labels of version 2.0 may take so many times the message
)

// Storage is what a receiver writes to.
type Storage interface {
	storage.RefWriter
	Append(ctx context.Context, batch []model.Series) error // as storage.Writer
}

// Options says where samples go. Storage must be set.
type Options struct {
	Storage    Storage
	Exemplars  storage.ExemplarWriter // nil: they are counted and skipped
	Metadata   storage.MetadataWriter // nil: it is counted and skipped
	MaxBytes   int64                  // of a request, before and after decompression; 0 means 32 MiB, the most is 1 GiB
	CacheBytes int64                  // for the names of known series, if Series are few; 0 means 64 MiB
	Series     func() int             // how many series Storage has in memory; nil means few
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      func() time.Time // nil means time.Now
}

// Receiver answers remote write requests. It is an http.Handler, safe for concurrent use.
type Receiver struct {
	opts     Options
	known    *known
	memory   *semaphore.Weighted // bytes of requests that are decoded at the same time
	requests sync.Pool           // of *request
	metrics  metrics
	told     atomic.Int64 // when a request that failed was last logged, Unix nanoseconds
}

// NewReceiver returns a receiver that writes to opts.Storage.
func NewReceiver(opts Options) *Receiver {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	opts.MaxBytes = min(opts.MaxBytes, mostBytes)
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = defaultCacheBytes
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Series == nil {
		opts.Series = func() int { return 0 }
	}
	return &Receiver{
		opts:     opts,
		known:    newKnown(opts.CacheBytes, opts.Series),
		memory:   semaphore.NewWeighted(4 * opts.MaxBytes),
		requests: sync.Pool{New: func() any { return new(request) }},
		metrics:  newMetrics(opts.Registerer),
	}
}

// request holds the buffers of one request; they are used again.
type request struct {
	body    bytes.Buffer // compressed
	message []byte       // decompressed
	written []byte       // labels of a message of version 2.0, written out
	text    []byte       // one of the two: where labels lie
	samples []model.Sample
	series  []sent
	unknown []int           // series without a number, by index
	sets    []labels.Labels // theirs
	points  []storage.Point // to be written
	of      []int32         // and their series, by index
	natives []model.Series  // with more than numbers

	exemplars []exemplar.QueryResult
	gone      []int // points whose series left the storage
}

func (q *request) reset() {
	q.body.Reset()
	clear(q.sets) // labels must not be held
	clear(q.natives)
	clear(q.exemplars)
	q.samples, q.series, q.sets, q.natives, q.exemplars = q.samples[:0], q.series[:0], q.sets[:0], q.natives[:0], q.exemplars[:0]
}

// ServeHTTP answers 204 when every sample is stored. 400 means that some cannot be, ever: the sender must not try
// again, and what was fine is stored. 5xx asks to try again.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	q := r.requests.Get().(*request)
	code, err := r.serve(hr, w, q)
	if q.body.Cap()+cap(q.message)+cap(q.written) <= keepBuffer {
		q.reset()
		r.requests.Put(q)
	}
	r.metrics.requests.WithLabelValues(strconv.Itoa(code)).Inc()
	if err == nil {
		w.WriteHeader(code)
		return
	}
	level := slog.LevelDebug // the sender is told; it has the log of its own mistakes
	if now := r.opts.Clock().UnixNano(); code >= http.StatusInternalServerError {
		if last := r.told.Load(); now-last >= int64(pause) && r.told.CompareAndSwap(last, now) {
			level = slog.LevelError
		}
	}
	r.opts.Logger.Log(hr.Context(), level, "remote write request refused", "code", code, "sender", hr.RemoteAddr, "err", err)
	http.Error(w, err.Error(), code)
}

// pause is the time between two lines of the log about requests that the storage could not take: on a full disk all
// senders come again and again.
const pause = 10 * time.Second

func (r *Receiver) serve(hr *http.Request, w http.ResponseWriter, q *request) (int, error) {
	if hr.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, errors.New("remote write is POST only")
	}
	v2, err := checkHeaders(hr.Header)
	if err != nil {
		return http.StatusUnsupportedMediaType, err
	}
	size, code, err := r.read(hr, w, q)
	if err != nil {
		return code, err
	}
	charge, limit := size, int64(0)
	if v2 {
		limit = min(r.opts.MaxBytes, writtenOut*size+64<<10)
		charge += limit
	}
	if err := r.memory.Acquire(hr.Context(), charge); err != nil {
		return http.StatusServiceUnavailable, fmt.Errorf("too many requests at the same time: %w", err)
	}
	defer r.memory.Release(charge)
	if cap(q.message) < int(size) {
		q.message = make([]byte, size)
	}
	q.message, err = snappy.Decode(q.message[:size], q.body.Bytes())
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("request body: %w", err)
	}
	if !v2 {
		_, code, err = r.store(hr.Context(), q, &walker1{b: q.message})
		return code, err
	}
	walk, err := newWalker2(q.message, q.written, int(limit))
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("request body: %w", err)
	}
	done, code, err := r.store(hr.Context(), q, walk)
	q.written = walk.labels
	for name, n := range map[string]int{"Samples": done.samples, "Histograms": done.histograms, "Exemplars": done.exemplars} {
		w.Header().Set("X-Prometheus-Remote-Write-"+name+"-Written", strconv.Itoa(n))
	}
	return code, err
}

// checkHeaders tells whether the request is of version 2.0. An error says that it is none we read: remote write in
// snappy.
func checkHeaders(h http.Header) (v2 bool, err error) {
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "snappy" {
		return false, fmt.Errorf("Content-Encoding %q is not accepted: send snappy", enc)
	}
	ct := h.Get("Content-Type")
	if ct == "" {
		return false, nil
	}
	media, params, _ := strings.Cut(ct, ";")
	if strings.TrimSpace(media) != "application/x-protobuf" {
		return false, fmt.Errorf("Content-Type %q is not accepted: send application/x-protobuf", ct)
	}
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch {
		case name != "proto" || value == "prometheus.WriteRequest":
		case value == "io.prometheus.write.v2.Request":
			v2 = true
		default:
			return false, fmt.Errorf("message %q is not accepted: send prometheus.WriteRequest (remote write 1.0) or io.prometheus.write.v2.Request (2.0)", value)
		}
	}
	return v2, nil
}

// read reads the body and returns what it will be when decompressed. Nothing is allocated for that yet.
func (r *Receiver) read(hr *http.Request, w http.ResponseWriter, q *request) (int64, int, error) {
	_, err := q.body.ReadFrom(http.MaxBytesReader(w, hr.Body, r.opts.MaxBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return 0, http.StatusRequestEntityTooLarge, fmt.Errorf("the request body is larger than %d bytes", tooLarge.Limit)
	case err != nil && !errors.Is(err, io.EOF):
		return 0, http.StatusBadRequest, fmt.Errorf("reading the request body: %w", err)
	}
	size, err := snappy.DecodedLen(q.body.Bytes())
	if err != nil {
		return 0, http.StatusBadRequest, fmt.Errorf("request body: %w", err)
	}
	if int64(size) > r.opts.MaxBytes {
		return 0, http.StatusRequestEntityTooLarge, fmt.Errorf("the request is %d bytes when decompressed; at most %d are accepted", size, r.opts.MaxBytes)
	}
	if size > q.body.Len()*maxRatio {
		return 0, http.StatusBadRequest, fmt.Errorf("request body: %w", snappy.ErrCorrupt)
	}
	return int64(size), 0, nil
}
