package api

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/zstd"
)

// minCompressed is the size below which an answer is sent as it is: it fits a packet.
const minCompressed = 1400

// gzipLevel takes half the time of the standard level; digits of chance come out smaller, repetitive answers up to a
// third larger. Compressing is what costs most of a compressed answer, so time decides.
const gzipLevel = 2

// compressed compresses the answers of h, with zstd at its fastest for clients that accept it, else with gzip.
// core/bench/results/output.txt has what the other levels cost.
func compressed(h http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.CompressionLevel(gzipLevel), gzhttp.ZstdCompressionLevel(int(zstd.SpeedFastest)))
	if err != nil {
		return nil, err
	}
	return wrap(h), nil
}
