package api

import (
	"errors"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/hearth-project/hearth/core/storage"
)

// HeadStats are the figures of the part of the storage that is in memory. Times are Unix milliseconds.
type HeadStats struct {
	NumSeries     uint64 `json:"numSeries"`
	NumLabelPairs int    `json:"numLabelPairs"`
	ChunkCount    int64  `json:"chunkCount"`
	MinTime       int64  `json:"minTime"`
	MaxTime       int64  `json:"maxTime"`
}

type countJSON struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

type tsdbJSON struct {
	Head          HeadStats   `json:"headStats"`
	SeriesByName  []countJSON `json:"seriesCountByMetricName"`
	ValuesByLabel []countJSON `json:"labelValueCountByLabelName"`
	BytesByLabel  []countJSON `json:"memoryInBytesByLabelName"`
	SeriesByPair  []countJSON `json:"seriesCountByLabelValuePair"`
}

// maxTSDBLimit is how many entries a list of tsdbStatus may be asked for.
const maxTSDBLimit = 10000

// tsdbStatus serves GET /api/v1/status/tsdb: which names and labels the series in memory are of.
func (h *handler) tsdbStatus(c echo.Context) error {
	limit := 10
	if s := c.FormValue("limit"); s != "" {
		var err error
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return &apiError{errBadData, errors.New("limit must be a positive number")}
		}
		if limit > maxTSDBLimit {
			return bad("limit must not exceed %d", maxTSDBLimit)
		}
	}
	if h.Head == nil || h.Cardinality == nil {
		return &apiError{errUnavailable, errors.New("this server keeps no series in memory")}
	}
	counts := h.Cardinality(limit)
	head := h.Head()
	head.NumLabelPairs = counts.Pairs
	return respond(c, tsdbJSON{
		Head:          head,
		SeriesByName:  counted(counts.SeriesByMetric),
		ValuesByLabel: counted(counts.ValuesByLabel),
		BytesByLabel:  counted(counts.BytesByLabel),
		SeriesByPair:  counted(counts.SeriesByPair),
	})
}

func counted(in []storage.Count) []countJSON {
	out := make([]countJSON, len(in))
	for i, c := range in {
		out[i] = countJSON{c.Name, c.N}
	}
	return out
}

// tsdbBlocks serves GET /api/v1/status/tsdb/blocks. The parts of our database are none of Prometheus's blocks, so
// clients that copy or check those find none.
func (h *handler) tsdbBlocks(c echo.Context) error {
	return respond(c, map[string][]struct{}{"blocks": {}})
}

// walReplay serves GET /api/v1/status/walreplay: how far reading the log at the start has come. It is over before
// the first request can be answered.
func (h *handler) walReplay(c echo.Context) error {
	return respond(c, map[string]int{"min": 0, "max": 0, "current": 0})
}
