package api

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
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

// tsdbStatus serves GET /api/v1/status/tsdb: which names and labels the series in memory are of. It looks at each of
// them, which takes a second or so for a million.
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
	now := h.Clock()
	head := HeadStats{MinTime: now.Add(-3 * time.Hour).UnixMilli(), MaxTime: now.UnixMilli()}
	if h.Head != nil {
		head = h.Head()
	}
	counts, err := h.count(c, head)
	if err != nil {
		return queryError(err)
	}
	if head.NumSeries == 0 {
		head.NumSeries = counts.series
	}
	head.NumLabelPairs = len(counts.pairs)
	values, bytes := map[string]uint64{}, map[string]uint64{}
	for pair, n := range counts.pairs {
		values[pair.Name]++
		bytes[pair.Name] += n * uint64(len(pair.Value))
	}
	return respond(c, tsdbJSON{
		Head:          head,
		SeriesByName:  top(counts.names, limit, func(s string) string { return s }),
		ValuesByLabel: top(values, limit, func(s string) string { return s }),
		BytesByLabel:  top(bytes, limit, func(s string) string { return s }),
		SeriesByPair:  top(counts.pairs, limit, func(l labels.Label) string { return l.Name + "=" + l.Value }),
	})
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

type seriesCounts struct {
	series uint64
	names  map[string]uint64
	pairs  map[labels.Label]uint64
}

// count goes through all series of the head's time.
func (h *handler) count(c echo.Context, head HeadStats) (*seriesCounts, error) {
	n := &seriesCounts{names: map[string]uint64{}, pairs: map[labels.Label]uint64{}}
	mint, maxt := head.MinTime, head.MaxTime
	if mint > maxt { // nothing stored yet
		mint, maxt = 0, math.MaxInt64
	}
	q, err := h.Storage.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	named, err := labels.NewMatcher(labels.MatchNotEqual, commonmodel.MetricNameLabel, "")
	if err != nil {
		return nil, err
	}
	ctx := c.Request().Context()
	groups, err := q.Select(ctx, mint, maxt, named)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("counting series: %w", err)
		}
		for i := range g.Len() {
			n.series++
			g.Labels(i).Range(func(l labels.Label) {
				n.pairs[l]++
				if l.Name == commonmodel.MetricNameLabel {
					n.names[l.Value]++
				}
			})
		}
	}
	return n, nil
}

// top returns the n largest counts, largest first, equal ones by name.
func top[K comparable](counts map[K]uint64, n int, name func(K) string) []countJSON {
	all := make([]countJSON, 0, len(counts))
	for k, v := range counts {
		all = append(all, countJSON{name(k), v})
	}
	slices.SortFunc(all, func(a, b countJSON) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(n, len(all))]
}
