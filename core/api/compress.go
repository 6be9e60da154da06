package api

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// minCompressed is the size below which an answer is sent as it is: it fits a packet.
const minCompressed = 1400

// compressed compresses the answers of h, with zstd for clients that accept it, with gzip for the others. Both at the
// level that costs least: bench/results/output.txt has what the next ones would save and take.
func compressed(h http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed))
	if err != nil {
		return nil, err
	}
	return wrap(h), nil
}
