package head

// paged is a table by ascending ids, of which old ones die: a page goes when all in it are gone.
type paged[T comparable] struct {
	pages []*page[T]
	none  T
}

const pageSize = 1024

type page[T comparable] struct {
	v    [pageSize]T
	live int
}

func (p *paged[T]) get(id uint32) T {
	if int(id/pageSize) >= len(p.pages) || p.pages[id/pageSize] == nil {
		return p.none
	}
	return p.pages[id/pageSize].v[id%pageSize]
}

// set stores v, or with none removes what is there.
func (p *paged[T]) set(id uint32, v T) {
	for int(id/pageSize) >= len(p.pages) {
		p.pages = append(p.pages, nil)
	}
	g := p.pages[id/pageSize]
	if g == nil {
		if v == p.none {
			return
		}
		g = new(page[T])
		for i := range g.v {
			g.v[i] = p.none
		}
		p.pages[id/pageSize] = g
	}
	if g.v[id%pageSize] != p.none {
		g.live--
	}
	if v != p.none {
		g.live++
	}
	g.v[id%pageSize] = v
	if g.live == 0 {
		p.pages[id/pageSize] = nil
	}
}

// all calls f for each entry in order of ids.
func (p *paged[T]) all(f func(id uint32, v T)) {
	for i, g := range p.pages {
		if g == nil {
			continue
		}
		for j := range g.v {
			if v := g.v[j]; v != p.none {
				f(uint32(i*pageSize+j), v)
			}
		}
	}
}
