package limits

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// Why something is refused: the label reason of hearth_limits_rejected_total.
const (
	reasonSeries     = "series"
	reasonMemory     = "memory"
	reasonJob        = "job_series"
	reasonTarget     = "target_series"
	reasonLabels     = "label_count"
	reasonLabelName  = "label_name_length"
	reasonLabelValue = "label_value_length"
	reasonMetricName = "metric_name_length"
	reasonDisk       = "disk"
)

// keys are the places of the limits in the configuration, by reason.
var keys = map[string]string{
	reasonSeries:     "[limits] max_series",
	reasonMemory:     "[limits] memory",
	reasonJob:        "[limits] max_series_per_job",
	reasonTarget:     "[limits] max_series_per_target",
	reasonLabels:     "[limits] max_labels",
	reasonLabelName:  "[limits] max_label_name_length",
	reasonLabelValue: "[limits] max_label_value_length",
	reasonMetricName: "[limits] max_metric_name_length",
	reasonDisk:       "[storage] min_free",
}

// ownKeys are the places of the limits that jobs have of their own.
var ownKeys = map[string]string{
	reasonJob:    "max_series of the job",
	reasonTarget: "series_limit of the job",
}

// Refusal is why something was not taken. It wraps storage.ErrLimit, or storage.ErrNoSpace if the disk is why.
type Refusal struct {
	Reason        string
	Job, Instance string

	series      labels.Labels
	used, limit int64
	has, share  int  // series of the job
	all         bool // nobody is taken
	key         string
	label       string
	priority    Priority
}

// Unwrap returns the kind of refusal.
func (r *Refusal) Unwrap() error {
	if r.Reason == reasonDisk {
		return storage.ErrNoSpace
	}
	return storage.ErrLimit
}

// Error says what was refused, which limit that was, and how to mend it.
func (r *Refusal) Error() string {
	if r.Reason == reasonDisk {
		return diskText(r)
	}
	return fmt.Sprintf("series %s: %s: %s; %s", short(r.series.String(), 300), storage.ErrLimit, r.what(), r.mend())
}

// what says which limit was exceeded, and by whom.
func (r *Refusal) what() string {
	var text string
	switch r.Reason {
	case reasonSeries:
		text = fmt.Sprintf("%d series are in memory, of %d", r.used, r.limit)
	case reasonMemory:
		text = fmt.Sprintf("the server needs %s of the %s it may have", bytesText(r.used), bytesText(r.limit))
	case reasonJob:
		return fmt.Sprintf("job %q has %d series in memory, of %d (%s)", r.Job, r.used, r.limit, r.key)
	case reasonTarget:
		return fmt.Sprintf("target %q of job %q has %d series in memory, of %d (%s)", r.Instance, r.Job, r.used, r.limit, r.key)
	case reasonLabels:
		return fmt.Sprintf("it has %d labels, of %d (%s)", r.used, r.limit, keys[r.Reason])
	case reasonLabelName:
		return fmt.Sprintf("the name of label %q has %d bytes, of %d (%s)", short(r.label, 50), r.used, r.limit, keys[r.Reason])
	case reasonLabelValue:
		return fmt.Sprintf("the value of label %q has %d bytes, of %d (%s)", short(r.label, 50), r.used, r.limit, keys[r.Reason])
	case reasonMetricName:
		return fmt.Sprintf("the metric name has %d bytes, of %d (%s)", r.used, r.limit, keys[r.Reason])
	case reasonDisk:
		return diskText(r)
	}
	text += " (" + keys[r.Reason] + ")"
	if r.all {
		return text + ", and nobody gets new ones"
	}
	return fmt.Sprintf("%s, and job %q has grown most beyond its share: it has %d series, its share is %d", text, r.Job, r.has, r.share)
}

// mend says what to do about it.
func (r *Refusal) mend() string {
	switch r.Reason {
	case reasonLabels, reasonLabelName, reasonLabelValue, reasonMetricName:
		return "shorten or drop labels with metric_relabel_configs, or raise the limit and reload"
	case reasonDisk:
		return "delete files, or set [storage] retention lower, and reload"
	case reasonMemory:
		return "known series go on; drop labels or series of the job with metric_relabel_configs, give the server more memory, or raise the limit"
	}
	return "known series go on; drop labels or series of the job with metric_relabel_configs, or raise the limit and reload"
}

// short cuts text to n bytes.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

const (
	maxKept = 100            // rejections that are remembered
	maxJobs = 100            // jobs that are counted by name, the first ones that come
	others  = "other"        // the name of the rest
	pause   = time.Minute    // between two log lines about the same
	maxTold = 10             // log lines at a time
	forget  = 24 * time.Hour // after which a rejection is not shown any more
)

type refusalKey struct{ reason, job, instance string }

type countKey struct{ reason, job string }

// refusals is what was refused lately.
type refusals struct {
	mu     sync.Mutex
	of     map[refusalKey]*Rejection
	counts map[countKey]float64
	jobs   map[string]bool // that are counted by name
}

// Rejection is what was refused of a target for one reason.
type Rejection struct {
	Reason   string    `json:"reason"`
	Job      string    `json:"job"`
	Instance string    `json:"instance"`
	Count    uint64    `json:"count"` // series, each time they came; rows, if the disk is why
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Series   string    `json:"series"` // an example
	What     string    `json:"what"`
	Mend     string    `json:"mend"`

	untold uint64 // since the last log line
	told   time.Time
}

// note counts a refusal.
func (rs *refusals) note(r *Refusal, now time.Time) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	name := strings.ToValidUTF8(short(r.Job, 200), "\ufffd")
	if !rs.jobs[name] {
		if len(rs.jobs) >= maxJobs {
			name = others
		} else {
			if rs.jobs == nil {
				rs.jobs = map[string]bool{}
			}
			name = strings.Clone(name)
			rs.jobs[name] = true
		}
	}
	rs.counts[countKey{r.Reason, name}]++
	k := refusalKey{r.Reason, r.Job, r.Instance}
	at := rs.of[k]
	if at == nil {
		if len(rs.of) >= maxKept {
			rs.dropOldest()
		}
		k = refusalKey{r.Reason, strings.Clone(r.Job), strings.Clone(r.Instance)}
		at = &Rejection{Reason: r.Reason, Job: k.job, Instance: k.instance, First: now}
		rs.of[k] = at
	}
	if now.Sub(at.Last) >= time.Second { // the text is costly, and who asks sees a recent one
		at.Series, at.What, at.Mend = short(r.series.String(), 500), r.what(), r.mend()
	}
	at.Count++
	at.untold++
	at.Last = now
}

func (rs *refusals) dropOldest() {
	var oldest refusalKey
	var last time.Time
	for k, r := range rs.of {
		if last.IsZero() || r.Last.Before(last) {
			oldest, last = k, r.Last
		}
	}
	delete(rs.of, oldest)
}

// latest returns what was refused, the latest first.
func (rs *refusals) latest() []Rejection {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	out := make([]Rejection, 0, len(rs.of))
	for _, r := range rs.of {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Rejection) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
	})
	return out
}

// tell logs what was refused since the last time: at most a line a minute about the same, and a few at a time.
func (rs *refusals) tell(log *slog.Logger, now time.Time) {
	rs.mu.Lock()
	var lines []Rejection
	for k, r := range rs.of {
		if now.Sub(r.Last) > forget {
			delete(rs.of, k)
			continue
		}
		if r.untold == 0 || now.Sub(r.told) < pause || len(lines) == maxTold {
			continue
		}
		lines = append(lines, *r)
		r.untold, r.told = 0, now
	}
	rs.mu.Unlock()
	for _, r := range lines {
		log.Warn("Refused by a limit", "reason", r.Reason, "job", r.Job, "instance", r.Instance, "count", r.untold,
			"what", r.What, "mend", r.Mend, "example", short(r.Series, 200))
	}
}
