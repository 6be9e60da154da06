package api

import (
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/prometheus/model/labels"
)

type metadataJSON struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata serves GET /api/v1/metadata: what targets say of their metrics, and what came with remote write, each distinct
// statement once. Targets come first where there is a limit.
func (h *handler) metadata(c echo.Context) error {
	limit, err := intParam(c, "limit")
	if err != nil {
		return err
	}
	perMetric, err := intParam(c, "limit_per_metric")
	if err != nil {
		return err
	}
	metric := c.QueryParam("metric")
	res := map[string][]metadataJSON{}
	add := func(name string, one metadataJSON) {
		said, known := res[name]
		if !known && limit >= 0 && len(res) >= limit || perMetric > 0 && len(said) >= perMetric || slices.Contains(said, one) {
			return
		}
		res[name] = append(said, one)
	}
	for _, m := range h.Targets.Metadata() {
		if metric == "" || m.Metric == metric {
			add(m.Metric, metadataJSON{m.Type, m.Help, m.Unit})
		}
	}
	if h.Metadata != nil {
		for _, m := range h.Metadata.Metadata(metric) {
			add(m.Metric, metadataJSON{m.Type, m.Help, m.Unit})
		}
	}
	return respond(c, res)
}

type targetMetadataJSON struct {
	Target labels.Labels `json:"target"`
	Metric string        `json:"metric,omitempty"` // left out when it was asked for
	metadataJSON
}

// targetMetadata serves GET /api/v1/targets/metadata: the same, target by target.
func (h *handler) targetMetadata(c echo.Context) error {
	limit, err := intParam(c, "limit")
	if err != nil {
		return err
	}
	var matchers []*labels.Matcher
	if s := c.QueryParam("match_target"); s != "" {
		if matchers, err = h.Engine.Parser().ParseMetricSelector(s); err != nil {
			return badParam("match_target", err)
		}
	}
	metric := c.QueryParam("metric")
	res := []targetMetadataJSON{}
	for _, m := range h.Targets.Metadata() {
		if limit >= 0 && len(res) >= limit {
			break
		}
		if metric != "" && m.Metric != metric || !matchesAll(m.Target, matchers) {
			continue
		}
		one := targetMetadataJSON{Target: m.Target, metadataJSON: metadataJSON{m.Type, m.Help, m.Unit}}
		if metric == "" {
			one.Metric = m.Metric
		}
		res = append(res, one)
	}
	return respond(c, res)
}

func matchesAll(ls labels.Labels, ms []*labels.Matcher) bool {
	return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}
