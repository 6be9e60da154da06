package scrape

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// Active returns the targets that are scraped, sorted by job and labels.
func (m *Manager) Active() []TargetStatus {
	loops := m.sortedLoops()
	out := make([]TargetStatus, len(loops))
	for i, l := range loops {
		out[i] = l.targetStatus()
	}
	return out
}

func (l *loop) targetStatus() TargetStatus {
	s := TargetStatus{
		Pool:     l.job.cfg.JobName,
		Labels:   l.target.public,
		URL:      l.target.url,
		Interval: l.target.interval,
		Timeout:  l.target.timeout,
	}
	l.status.Lock()
	defer l.status.Unlock()
	s.Discovered = l.status.discovered
	s.Health, s.LastScrape, s.LastDuration = l.status.health, l.status.at, l.status.duration
	if l.status.err != nil {
		s.LastError = l.status.err.Error()
	}
	return s
}

// rediscovered notes that the target was found again, perhaps with other labels before relabelling.
func (l *loop) rediscovered(discovered labels.Labels) {
	l.status.Lock()
	l.status.discovered = discovered
	l.status.Unlock()
}

// Dropped returns the targets that relabelling took out, at most keep_dropped_targets of each job if that is set.
func (m *Manager) Dropped() []DroppedTarget {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []DroppedTarget
	for _, name := range slices.Sorted(maps.Keys(m.mu.pools)) {
		out = append(out, m.mu.pools[name].dropped...)
	}
	return out
}

// DroppedCounts returns how many targets relabelling took out of each job, whatever keep_dropped_targets says.
func (m *Manager) DroppedCounts() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int{}
	for name, p := range m.mu.pools {
		out[name] = p.gone
	}
	return out
}

// Metadata returns what targets say of their metrics, target by target in the order of Active.
func (m *Manager) Metadata() []Metadata {
	var out []Metadata
	for _, l := range m.sortedLoops() {
		out = l.meta.list(out, l.target)
	}
	return out
}

// Pools returns the sorted names of all jobs.
func (m *Manager) Pools() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.mu.pools))
}
