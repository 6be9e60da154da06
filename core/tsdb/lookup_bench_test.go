package tsdb_test

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	upstreamstorage "github.com/prometheus/prometheus/storage"
	upstream "github.com/prometheus/prometheus/tsdb"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// lookups are the questions that pages and dashboards ask for names. Each has the number of its answers, with so many hosts
// of 400 series.
var lookups = []struct {
	name, label string // no label: of names; "series": of series; "selection": of what a query selects, with labels
	match       string // what the others want, as matchers
	of          func(hosts int) int
}{
	{"names", "", ``, func(int) int { return 7 }},
	{"names-of-a-metric", "", `app_requests_7_total`, func(int) int { return 7 }},
	{"metrics", "__name__", ``, func(int) int { return 40 }},
	{"pods", "pod", ``, func(n int) int { return n }},
	{"pods-of-a-metric", "pod", `app_requests_7_total{code="203"}`, func(n int) int { return n }},
	{"metrics-of-an-instance", "__name__", `{instance="10.0.0.7:9100"}`, func(int) int { return 40 }},
	{"series-of-a-metric", "series", `app_requests_7_total{code="203"}`, func(n int) int { return n }},
	{"series-by-regex", "series", `{__name__=~"app_requests_1._total",code=~"20[01]"}`, func(n int) int { return 20 * n }},
	{"selection", "selection", `{__name__=~"app_requests_1[0-5]_total",code=~"20[01]"}`, func(n int) int { return 12 * n }},
}

// BenchmarkLookups asks hearth's database and upstream's for names, values and series: of what is in memory, and of what is
// in a part, or block. HEARTH_BENCH_SERIES sets how many series there are; the default makes it a test of itself. Times are
// processor time of the whole process, collecting garbage included.
func BenchmarkLookups(b *testing.B) {
	series, err := strconv.Atoi(os.Getenv("HEARTH_BENCH_SERIES"))
	if err != nil {
		series = 20_000
	}
	hosts := series / 400
	now := time.Now().UnixMilli()
	for _, where := range []struct {
		name string
		at   int64
	}{{"memory", now - 30_000}, {"disk", now - 3*time.Hour.Milliseconds()}} {
		b.Run(where.name, func(b *testing.B) {
			disk := where.name == "disk"
			b.Run("hearth", func(b *testing.B) {
				db := ours(b, hosts, where.at, disk)
				defer db.Close()
				lookupAll(b, hosts, func(ctx context.Context, label string, ms []*labels.Matcher) (int, error) {
					q, err := db.Querier(where.at, where.at+1000)
					if err != nil {
						return 0, err
					}
					defer q.Close()
					switch label {
					case "":
						list, err := q.LabelNames(ctx, ms...)
						return len(list), err
					case "series":
						list, err := storage.Series(ctx, q, where.at, where.at+1000, ms...)
						return len(list), err
					case "selection":
						list, err := q.Select(ctx, where.at, where.at+1000, ms...)
						n := 0
						for _, c := range list {
							for i := range c.Len() {
								if !c.Labels(i).IsEmpty() {
									n++
								}
							}
						}
						return n, err
					}
					list, err := q.LabelValues(ctx, label, ms...)
					return len(list), err
				})
			})
			b.Run("upstream", func(b *testing.B) {
				db := theirs(b, hosts, where.at, disk)
				defer db.Close()
				lookupAll(b, hosts, func(ctx context.Context, label string, ms []*labels.Matcher) (int, error) {
					q, err := db.Querier(where.at, where.at+1000)
					if err != nil {
						return 0, err
					}
					defer q.Close()
					switch label {
					case "":
						list, _, err := q.LabelNames(ctx, nil, ms...)
						return len(list), err
					case "series":
						var list []labels.Labels
						set := q.Select(ctx, true, &upstreamstorage.SelectHints{Start: where.at, End: where.at + 1000, Func: "series"}, ms...)
						for set.Next() {
							list = append(list, set.At().Labels())
						}
						return len(list), set.Err()
					case "selection":
						n := 0
						set := q.Select(ctx, true, &upstreamstorage.SelectHints{Start: where.at, End: where.at + 1000}, ms...)
						for set.Next() {
							if !set.At().Labels().IsEmpty() {
								n++
							}
						}
						return n, set.Err()
					}
					list, _, err := q.LabelValues(ctx, label, nil, ms...)
					return len(list), err
				})
			})
		})
	}
}

func lookupAll(b *testing.B, hosts int, ask func(context.Context, string, []*labels.Matcher) (int, error)) {
	for _, l := range lookups {
		b.Run(l.name, func(b *testing.B) {
			var ms []*labels.Matcher
			if l.match != "" {
				var err error
				if ms, err = parser.NewParser(parser.Options{}).ParseMetricSelector(l.match); err != nil {
					b.Fatal(err)
				}
			}
			ask(b.Context(), l.label, ms) // what is kept for the next time is there
			start := cpu(b)
			for b.Loop() {
				if n, err := ask(b.Context(), l.label, ms); err != nil || n != l.of(hosts) {
					b.Fatalf("%d answers, want %d; %v", n, l.of(hosts), err)
				}
			}
			b.ReportMetric(float64((cpu(b)-start).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// ours returns a database with a sample of each series at the time, cut from memory or not.
func ours(b *testing.B, hosts int, at int64, cut bool) *tsdb.DB {
	db := openAt(b, b.TempDir())
	for h := range hosts {
		sets := target(h, 400)
		refs := make([]storage.Ref, len(sets))
		if err := db.Refs(b.Context(), sets, refs); err != nil {
			b.Fatal(err)
		}
		points := make([]storage.Point, len(sets))
		for i, ref := range refs {
			points[i] = storage.Point{T: at + int64(h%1000), V: 1, Ref: ref}
			if cut && h == 0 && i == 0 { // it goes on
				points = append(points, storage.Point{T: time.Now().UnixMilli(), V: 1, Ref: ref})
			}
		}
		if _, err := db.AppendPoints(b.Context(), points, nil); err != nil {
			b.Fatal(err)
		}
	}
	if cut {
		if err := db.Relieve(b.Context()); err != nil {
			b.Fatal(err)
		}
		if s := db.Stats(); s.Parts == 0 || s.Head.Series > 1 {
			b.Fatalf("%d parts; %d series are in memory", s.Parts, s.Head.Series)
		}
	}
	return db
}

// theirs is ours of upstream's database.
func theirs(b *testing.B, hosts int, at int64, cut bool) *upstream.DB {
	db, err := upstream.Open(b.TempDir(), slog.New(slog.DiscardHandler), nil, upstream.DefaultOptions(), nil)
	if err != nil {
		b.Fatal(err)
	}
	db.DisableCompactions()
	for h := range hosts {
		app := db.Appender(b.Context())
		for _, ls := range target(h, 400) {
			if _, err := app.Append(0, ls, at+int64(h%1000), 1); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	if cut {
		if err := db.CompactHead(upstream.NewRangeHead(db.Head(), at, at+1000)); err != nil {
			b.Fatal(err)
		}
		if len(db.Blocks()) == 0 || db.Head().NumSeries() > 0 {
			b.Fatalf("%d blocks; %d series are in memory", len(db.Blocks()), db.Head().NumSeries())
		}
	}
	return db
}
