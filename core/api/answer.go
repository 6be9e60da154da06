package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/hearth-project/hearth/core/model"
)

// answer is a query's result with what belongs to it.
type answer struct {
	value           model.Value
	stats           any // nil when not asked for
	warnings, infos []string
}

const (
	flushAt    = 64 << 10 // bytes gathered before they go out
	maxRemarks = 10       // warnings, and infos, of an answer
)

// stream gathers an answer and sends it piece by piece, so that a large result stands in memory once, not twice.
// After the first error it sends nothing.
type stream struct {
	ctx     context.Context // ends when the client is gone
	w       http.ResponseWriter
	b       []byte
	points  points
	samples []model.Sample // of a series of columns
	sent    bool           // a piece
	err     error
}

// streams keeps what the last answers were gathered in. As a pool has to be shared, it is the one variable here.
var streams = sync.Pool{New: func() any { return &stream{b: make([]byte, 0, flushAt+samplesAHand*maxSample)} }}

// flush sends what is gathered, if that is enough.
func (s *stream) flush() {
	if len(s.b) >= flushAt {
		s.send(false)
	}
}

// send sends what is gathered. An answer in one piece says how long it is, so that no marks have to go around it.
func (s *stream) send(last bool) {
	if s.err == nil && s.ctx.Err() != nil {
		s.err = queryError(s.ctx.Err())
	}
	if s.err == nil {
		if last && !s.sent {
			s.w.Header().Set("Content-Length", strconv.Itoa(len(s.b)))
		}
		s.sent = true
		_, s.err = s.w.Write(s.b)
	}
	s.b = s.b[:0]
}

// newStream begins an answer. done must be called at its end.
func newStream(ctx context.Context, w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/json")
	s := streams.Get().(*stream)
	s.ctx, s.w, s.b, s.sent, s.err = ctx, w, s.b[:0], false, nil
	s.points.columns = s.points.columns[:0]
	return s
}

// done gives back what the stream has gathered in.
func (s *stream) done() {
	s.ctx, s.w = nil, nil
	if cap(s.b) <= 4*flushAt { // a label set of megabytes is not kept
		streams.Put(s)
	}
}

// writeAnswer sends a result, until ctx ends with the client's interest in it. An error before the first piece is still
// answered as one; after it the client is gone.
func writeAnswer(ctx context.Context, w http.ResponseWriter, a answer) error {
	var stats []byte
	if a.stats != nil {
		var err error
		if stats, err = json.Marshal(a.stats); err != nil {
			return err
		}
	}
	s := newStream(ctx, w)
	defer s.done()
	s.b = append(s.b, `{"status":"success","data":{"resultType":"`...)
	s.b = append(s.b, a.value.Type()...)
	s.b = append(s.b, `","result":`...)
	if s.value(a.value); s.err != nil {
		return s.err
	}
	if stats != nil {
		s.b = append(s.b, `,"stats":`...)
		s.b = append(s.b, stats...)
	}
	s.b = append(s.b, '}')
	s.b = appendRemarks(s.b, "warnings", a.warnings)
	s.b = appendRemarks(s.b, "infos", a.infos)
	s.b = append(s.b, '}')
	s.send(true)
	return s.err
}

// writeList sends a list, of which one appends an element, cut to the first limit elements; 0 is no limit.
func writeList[T any](ctx context.Context, w http.ResponseWriter, list []T, limit int, one func([]byte, T) []byte) error {
	var warnings []string
	if limit > 0 && len(list) > limit {
		list, warnings = list[:limit], []string{truncated}
	}
	s := newStream(ctx, w)
	defer s.done()
	s.b = append(s.b, `{"status":"success","data":[`...)
	for i, e := range list {
		if i > 0 {
			s.b = append(s.b, ',')
		}
		s.b = one(s.b, e)
		if s.flush(); s.err != nil {
			return s.err
		}
	}
	s.b = append(s.b, ']')
	s.b = appendRemarks(s.b, "warnings", warnings)
	s.b = append(s.b, '}')
	s.send(true)
	return s.err
}

// appendRemarks writes warnings or infos, if there are any: at most maxRemarks, and how many there are more.
func appendRemarks(b []byte, name string, remarks []string) []byte {
	if len(remarks) == 0 {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":[`...)
	for i, r := range remarks[:min(len(remarks), maxRemarks)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, r)
	}
	if more := len(remarks) - maxRemarks; more > 0 {
		b = append(b, fmt.Sprintf(`,"%d more %s annotations omitted"`, more, name[:len(name)-1])...)
	}
	return append(b, ']')
}
