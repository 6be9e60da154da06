package scrape

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/discovery"
)

// pool is a job and the loops of its targets. It is guarded by the manager's locks.
type pool struct {
	job     *job
	groups  []discovery.Group // as discovery delivered them last
	loops   map[string]*loop  // by key of the target
	rate    float64           // scrapes a second
	dropped []DroppedTarget   // at most keep_dropped_targets, if that is set
	refused string            // the last complaint about targets
	gone    int               // number of dropped targets
}

// targets makes targets of the pool's groups, by key: the same target may stand in several groups. Those that cannot
// be scraped are counted; first says why the first of them is.
func (p *pool) targets() (kept map[string]*target, dropped []DroppedTarget, gone, refused int, first error) {
	j := p.job
	kept = map[string]*target{}
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, g := range p.groups {
		for _, own := range g.Targets {
			discovered := j.discoveredLabels(b, own, g.Labels)
			t, err := j.newTarget(b, discovered)
			switch {
			case err != nil:
				refused++
				if first == nil {
					first = fmt.Errorf("target %s from %s: %w", discovered, g.Source, err)
				}
			case t == nil:
				gone++
				if keep := j.cfg.KeepDroppedTargets; keep == 0 || len(dropped) < keep {
					dropped = append(dropped, DroppedTarget{Pool: j.cfg.JobName, Discovered: discovered})
				}
			default:
				kept[t.key()] = t
			}
		}
	}
	return kept, dropped, gone, refused, first
}

// sync makes the loops of the pool those of its targets: loops of targets that are gone retire, new ones start. m.change
// is held; m.mu is not.
func (m *Manager) sync(p *pool) {
	name := p.job.cfg.JobName
	kept, dropped, gone, refused, why := p.targets()
	m.metrics.refused.WithLabelValues(name).Add(float64(refused))
	m.metrics.targets.WithLabelValues(name).Set(float64(len(kept)))
	complaint := ""
	if why != nil {
		complaint = why.Error()
		if complaint != p.refused {
			m.log.Warn("Targets cannot be scraped", "job", name, "number", refused, "first", why)
		}
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	p.dropped, p.gone, p.refused = dropped, gone, complaint
	for key, l := range p.loops {
		if kept[key] == nil || l.job.method != p.job.method {
			delete(p.loops, key)
			m.retire(l)
		}
	}
	var tooMany *failure
	if limit := p.job.cfg.TargetLimit; limit > 0 && len(kept) > limit {
		tooMany = &failure{failTargetLimit, fmt.Errorf("target_limit exceeded: the job has %d targets, the limit is %d", len(kept), limit)}
	}
	p.rate = 0
	for key, t := range kept {
		p.rate += 1 / t.interval.Seconds()
		l := p.loops[key]
		if l == nil {
			l = m.start(p.job, t)
			p.loops[key] = l
		} else {
			l.rediscovered(t.discovered)
		}
		l.tooMany.Store(tooMany)
	}
	m.adaptPace()
}
