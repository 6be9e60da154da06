package scrape

import (
	"bytes"
	"errors"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/exposition"
	"github.com/hearth-project/hearth/core/scrape/inflate"
)

// zstdWindow is the largest window of a zstd frame that is read, in bytes; RFC 8878 recommends that much.
const zstdWindow = 8 << 20

// scratch is the memory that one scrape needs once its target has answered, kept from scrape to scrape by a pool: the body
// without compression, decoders, the parser, and the walk over the body. As nothing waits meanwhile, there are no more
// than a few at a time. What a target keeps between its scrapes is its page.
type scratch struct {
	body    []byte
	gzip    inflate.Decoder
	zstd    *zstd.Decoder
	parser  exposition.Parser
	builder *labels.Builder
	walk    walk
}

func newScratch() *scratch {
	return &scratch{builder: labels.NewBuilder(labels.EmptyLabels())}
}

// decode returns the body of a reply without its Content-Encoding. It stands in a or s.
func (s *scratch) decode(a *reply, limit bodyLimit) ([]byte, error) {
	body := a.body
	var err error
	switch strings.ToLower(a.encoding) {
	case "", "identity":
		err = limit.check(int64(len(body)))
	case "gzip":
		if s.body, err = s.gzip.Gzip(s.body[:0], a.body, int(limit.bytes())); errors.Is(err, inflate.ErrTooLarge) {
			err = limit.exceeded()
		}
		body = s.body
	case "zstd":
		s.body, err = s.unzstd(a.body, limit)
		body = s.body
	default:
		err = errors.New("that was not asked for")
	}
	switch {
	case errors.Is(err, errBodySize):
		return nil, &failure{failBodySize, err}
	case err != nil:
		return nil, failf(failEncoding, "the body cannot be read as its Content-Encoding %.50q: %w", a.encoding, err)
	}
	return body, nil
}

func (s *scratch) unzstd(body []byte, limit bodyLimit) ([]byte, error) {
	if s.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return s.body, err
		}
		s.zstd = d
	}
	if err := s.zstd.Reset(bytes.NewReader(body)); err != nil {
		return s.body, err
	}
	return limit.read(s.zstd, s.body[:0], limit.bytes())
}

// release lets go of what belongs to the scrape that is over.
func (s *scratch) release() {
	if s.zstd != nil {
		_ = s.zstd.Reset(nil)
	}
	s.parser.Reset(nil, exposition.Text)
	s.walk.clear()
}
