package api

import (
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/scrape"
)

type targetJSON struct {
	DiscoveredLabels   labels.Labels `json:"discoveredLabels"`
	Labels             labels.Labels `json:"labels"`
	ScrapePool         string        `json:"scrapePool"`
	ScrapeURL          string        `json:"scrapeUrl"`
	GlobalURL          string        `json:"globalUrl"`
	LastError          string        `json:"lastError"`
	LastScrape         time.Time     `json:"lastScrape"`
	LastScrapeDuration float64       `json:"lastScrapeDuration"` // seconds
	Health             string        `json:"health"`
	ScrapeInterval     string        `json:"scrapeInterval"`
	ScrapeTimeout      string        `json:"scrapeTimeout"`
}

type droppedJSON struct {
	DiscoveredLabels labels.Labels `json:"discoveredLabels"`
	ScrapePool       string        `json:"scrapePool"`
}

type targetsJSON struct {
	Active  []targetJSON   `json:"activeTargets"`
	Dropped []droppedJSON  `json:"droppedTargets"`
	Counts  map[string]int `json:"droppedTargetCounts"` // null when dropped targets are not asked for
}

// targets serves GET /api/v1/targets.
func (h *handler) targets(c echo.Context) error {
	state, pool := strings.ToLower(c.QueryParam("state")), c.QueryParam("scrapePool")
	all := state == "" || state == "any"
	res := targetsJSON{Active: []targetJSON{}, Dropped: []droppedJSON{}}
	if all || state == "active" {
		for _, t := range h.Targets.Active() {
			if pool == "" || t.Pool == pool {
				res.Active = append(res.Active, h.target(t))
			}
		}
		slices.SortStableFunc(res.Active, func(a, b targetJSON) int { return strings.Compare(a.ScrapePool, b.ScrapePool) })
	}
	if all || state == "dropped" {
		res.Counts = h.Targets.DroppedCounts()
		for _, d := range h.Targets.Dropped() {
			if pool == "" || d.Pool == pool {
				res.Dropped = append(res.Dropped, droppedJSON{d.Discovered, d.Pool})
			}
		}
		slices.SortStableFunc(res.Dropped, func(a, b droppedJSON) int { return strings.Compare(a.ScrapePool, b.ScrapePool) })
	}
	return respond(c, res)
}

func (h *handler) target(t scrape.TargetStatus) targetJSON {
	return targetJSON{
		DiscoveredLabels:   t.Discovered,
		Labels:             t.Labels,
		ScrapePool:         t.Pool,
		ScrapeURL:          t.URL,
		GlobalURL:          h.globalURL(t.URL),
		LastError:          t.LastError,
		LastScrape:         t.LastScrape,
		LastScrapeDuration: t.LastDuration.Seconds(),
		Health:             t.Health,
		ScrapeInterval:     commonmodel.Duration(t.Interval).String(),
		ScrapeTimeout:      commonmodel.Duration(t.Timeout).String(),
	}
}

// scrapePools serves GET /api/v1/scrape_pools.
func (h *handler) scrapePools(c echo.Context) error {
	pools := slices.AppendSeq([]string{}, slices.Values(h.Targets.Pools()))
	slices.Sort(pools)
	return respond(c, map[string][]string{"scrapePools": pools})
}
