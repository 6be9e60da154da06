package block

// Sections is where the bytes of a part go.
type Sections struct {
	Times     int64 // timestamp columns
	Values    int64 // columns of values
	Directory int64 // where the columns of each block are
	Records   int64 // where the blocks of each group are
	Index     int64 // labels, groups and postings
	Pages     int64 // checksums of both paged files, meta.json and what else is not listed
}

// Total returns the bytes of the part.
func (s Sections) Total() int64 {
	return s.Times + s.Values + s.Directory + s.Records + s.Index + s.Pages
}

// Sections reads the records of all groups and sums up what the part is made of.
func (b *Block) Sections() (Sections, error) {
	var s Sections
	times := map[uint64]bool{} // counted
	for n := range b.index.Groups() {
		g, err := b.index.Group(n)
		if err != nil {
			return s, b.indexError(err)
		}
		rs, err := b.records(g)
		if err != nil {
			return s, err
		}
		for _, r := range rs {
			if !times[r.times] {
				times[r.times] = true
				s.Times += int64(r.timesLen)
			}
			s.Values += int64(r.dir - r.start)
			s.Directory += int64(r.dirLen)
		}
	}
	s.Records = int64(b.data.Len()) - s.Times - s.Values - s.Directory
	meta, err := b.meta.encode()
	if err != nil {
		return s, err
	}
	s.Index = int64(b.pages.Len())
	s.Pages = int64(len(b.data.sums)+len(b.pages.sums)+len(meta)) + 2*pagesFooter
	return s, nil
}
