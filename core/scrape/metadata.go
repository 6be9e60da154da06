package scrape

import (
	"sync"
	"unique"

	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/exposition"
)

// metadataLife is how many scrapes that were read the metadata of a metric that is gone stays known.
const metadataLife = 10

// metadata is what a target says of its metrics. The loop of the target writes it; anyone may list it.
type metadata struct {
	mu struct {
		sync.RWMutex
		families []family
	}
	// The loop's. It reads families without the lock: it is the only one that changes them.
	scrape int // number of the current scrape
	pos    int // of the family that is expected next
	byName map[unique.Handle[string]]int
}

// family is a metric family. Targets of a kind say the same, so the texts are interned.
type family struct {
	name, help, unit unique.Handle[string]
	kind             model.MetricType
	seen             int // number of the scrape that had it last; the loop's
}

// begin starts a scrape.
func (m *metadata) begin() {
	m.scrape++
	m.pos = 0
}

// take notes a TYPE, HELP or UNIT line.
func (m *metadata) take(kind exposition.Kind, p *exposition.Parser) {
	f := m.family(p.Name())
	f.seen = m.scrape
	switch kind {
	case exposition.Type:
		if t := p.MetricType(); t != f.kind {
			m.mu.Lock()
			f.kind = t
			m.mu.Unlock()
		}
	case exposition.Help:
		m.text(&f.help, p.Text())
	case exposition.Unit:
		m.text(&f.unit, p.Text())
	}
}

func (m *metadata) text(h *unique.Handle[string], text []byte) {
	if h.Value() != string(text) {
		m.mu.Lock()
		*h = unique.Make(string(text))
		m.mu.Unlock()
	}
}

// family returns the family with the name: the one of the last line, the next, or any; if need be a new one.
func (m *metadata) family(name []byte) *family {
	fs := m.mu.families
	for i := m.pos; i < len(fs) && i <= m.pos+1; i++ {
		if fs[i].name.Value() == string(name) {
			m.pos = i
			return &fs[i]
		}
	}
	h := unique.Make(string(name))
	i, ok := m.byName[h]
	if !ok {
		none := unique.Make("")
		i = len(fs)
		m.mu.Lock()
		m.mu.families = append(fs, family{name: h, help: none, unit: none, kind: model.MetricTypeUnknown})
		m.mu.Unlock()
		if m.byName == nil {
			m.byName = map[unique.Handle[string]]int{}
		}
		m.byName[h] = i
	}
	m.pos = i
	return &m.mu.families[i]
}

// end ends a scrape that was read: now and then families that have been gone for long are forgotten.
func (m *metadata) end() {
	if m.scrape%metadataLife != 0 {
		return
	}
	var kept []family
	for _, f := range m.mu.families {
		if m.scrape-f.seen <= metadataLife {
			kept = append(kept, f)
		}
	}
	if len(kept) == len(m.mu.families) {
		return
	}
	m.mu.Lock()
	m.mu.families = kept
	m.mu.Unlock()
	clear(m.byName)
	for i, f := range kept {
		m.byName[f.name] = i
	}
}

// list appends what is known to out, for a target.
func (m *metadata) list(out []Metadata, t *target) []Metadata {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range m.mu.families {
		f := &m.mu.families[i]
		out = append(out, Metadata{
			Target: t.public,
			Metric: f.name.Value(),
			Type:   string(f.kind),
			Help:   f.help.Value(),
			Unit:   f.unit.Value(),
		})
	}
	return out
}
