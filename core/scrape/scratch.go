package scrape

import (
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/exposition"
)

// zstdWindow is the largest window of a zstd frame that is read, in bytes; RFC 8878 recommends that much.
const zstdWindow = 8 << 20

// scratch is the memory that one scrape needs while it runs, kept from scrape to scrape by a pool: its body, decoders,
// the parser, and the walk over the body. What a target keeps between its scrapes is its page.
type scratch struct {
	body    []byte
	gzip    *gzip.Reader
	zstd    *zstd.Decoder
	parser  exposition.Parser
	builder *labels.Builder
	walk    walk
}

func newScratch() *scratch {
	return &scratch{builder: labels.NewBuilder(labels.EmptyLabels())}
}

// grow makes room for a body of n bytes.
func (s *scratch) grow(n int) {
	if cap(s.body) < n {
		s.body = make([]byte, 0, n)
	}
}

// decode returns the reader of a body that came with a Content-Encoding.
func (s *scratch) decode(r io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return r, nil
	case "gzip":
		if s.gzip == nil {
			s.gzip = new(gzip.Reader)
		}
		if err := s.gzip.Reset(r); err != nil {
			return nil, fmt.Errorf("the body is not gzip, though its Content-Encoding says so: %w", err)
		}
		return s.gzip, nil
	case "zstd":
		if s.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
			if err != nil {
				return nil, fmt.Errorf("zstd: %w", err)
			}
			s.zstd = d
		}
		if err := s.zstd.Reset(r); err != nil {
			return nil, fmt.Errorf("the body is not zstd, though its Content-Encoding says so: %w", err)
		}
		return s.zstd, nil
	}
	return nil, fmt.Errorf("the body has the Content-Encoding %.50q, which was not asked for", encoding)
}

// release lets go of what belongs to the scrape that is over.
func (s *scratch) release() {
	if s.zstd != nil {
		_ = s.zstd.Reset(nil)
	}
	s.parser.Reset(nil, exposition.Text)
	s.walk.clear()
}
