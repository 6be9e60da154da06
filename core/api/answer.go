package api

import (
	"encoding/json"
	"fmt"
	"net/http"
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
	flushAt    = 32 << 10 // bytes gathered before they go out
	maxRemarks = 10       // warnings, and infos, of an answer
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, flushAt+4096); return &b }}

// stream gathers an answer and sends it piece by piece, so that a large result stands in memory once, not twice.
// After the first error it sends nothing.
type stream struct {
	w   http.ResponseWriter
	b   []byte
	err error
}

func (s *stream) flush(min int) {
	if len(s.b) < min {
		return
	}
	if s.err == nil {
		_, s.err = s.w.Write(s.b)
	}
	s.b = s.b[:0]
}

// newStream begins an answer. done must be called at its end.
func newStream(w http.ResponseWriter) (s *stream, done func()) {
	w.Header().Set("Content-Type", "application/json")
	buf := buffers.Get().(*[]byte)
	s = &stream{w: w, b: (*buf)[:0]}
	return s, func() {
		*buf = s.b[:0]
		buffers.Put(buf)
	}
}

// writeAnswer sends a result. An error before the first piece is still answered as one; after it the client is gone.
func writeAnswer(w http.ResponseWriter, a answer) error {
	var stats []byte
	if a.stats != nil {
		var err error
		if stats, err = json.Marshal(a.stats); err != nil {
			return err
		}
	}
	s, done := newStream(w)
	defer done()
	s.b = append(s.b, `{"status":"success","data":{"resultType":"`...)
	s.b = append(s.b, a.value.Type()...)
	s.b = append(s.b, `","result":`...)
	s.value(a.value)
	if stats != nil {
		s.b = append(s.b, `,"stats":`...)
		s.b = append(s.b, stats...)
	}
	s.b = append(s.b, '}')
	s.b = appendRemarks(s.b, "warnings", a.warnings)
	s.b = appendRemarks(s.b, "infos", a.infos)
	s.b = append(s.b, '}')
	s.flush(0)
	return s.err
}

// writeList sends a list, of which one appends an element, cut to the first limit elements; 0 is no limit.
func writeList[T any](w http.ResponseWriter, list []T, limit int, one func([]byte, T) []byte) error {
	var warnings []string
	if limit > 0 && len(list) > limit {
		list, warnings = list[:limit], []string{truncated}
	}
	s, done := newStream(w)
	defer done()
	s.b = append(s.b, `{"status":"success","data":[`...)
	for i, e := range list {
		if i > 0 {
			s.b = append(s.b, ',')
		}
		s.b = one(s.b, e)
		s.flush(flushAt)
	}
	s.b = append(s.b, ']')
	s.b = appendRemarks(s.b, "warnings", warnings)
	s.b = append(s.b, '}')
	s.flush(0)
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
