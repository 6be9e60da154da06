package index

import (
	"encoding/binary"
	"fmt"
)

// The bytes of an index: FORMAT.md of the block, section 3.
const (
	footerMagic   = "HIDX"
	footerVersion = 2
	footerSize    = 4 + 4 + 17*8
	groupSize     = 4 + 4 + 4 + 4 + 8
	valueSize     = 4 + 4
	labelSize     = 4 + 4 + 4 + 4
	setBlock      = 8 // sets that share an offset
)

// footer ends an index: how many of everything there are, and where it begins. Symbols begin at 0.
type footer struct {
	symbols, sets, lists, groups, series, labels, values uint64

	listWidth uint64 // bytes of an element of a list

	symbolText, setStart, setText, listStart, groupStart, groupText, postings, valueStart, labelStart uint64
}

func (f *footer) fields() []*uint64 {
	return []*uint64{
		&f.symbols, &f.sets, &f.lists, &f.groups, &f.series, &f.labels, &f.values, &f.listWidth,
		&f.symbolText, &f.setStart, &f.setText, &f.listStart, &f.groupStart, &f.groupText, &f.postings, &f.valueStart, &f.labelStart,
	}
}

func (f *footer) encode() []byte {
	b := binary.LittleEndian.AppendUint32([]byte(footerMagic), footerVersion)
	for _, v := range f.fields() {
		b = binary.LittleEndian.AppendUint64(b, *v)
	}
	return b
}

// decodeFooter reads a footer and checks that the arrays of fixed elements fill what lies between their
// neighbours, so that later only what they point to needs a check.
func decodeFooter(b []byte, size uint64) (footer, error) {
	var f footer
	if len(b) != footerSize || string(b[:4]) != footerMagic {
		return f, fmt.Errorf("%w: it does not end as an index does", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != footerVersion {
		return f, fmt.Errorf("the index has version %d, this hearth reads %d", v, footerVersion)
	}
	for i, p := range f.fields() {
		*p = binary.LittleEndian.Uint64(b[8+8*i:])
	}
	end := size - footerSize
	for i := range f.fields() {
		if *f.fields()[i] > size {
			return f, fmt.Errorf("%w: field %d of its footer is %d", ErrCorrupt, i, *f.fields()[i])
		}
	}
	if f.listWidth > 4 || f.series > maxSeries {
		return f, fmt.Errorf("%w: %d series in lists of %d bytes", ErrCorrupt, f.series, f.listWidth)
	}
	starts := []uint64{0, f.symbolText, f.setStart, f.setText, f.listStart, f.groupStart, f.groupText, f.postings, f.valueStart, f.labelStart, end}
	for i := 1; i < len(starts); i++ {
		if starts[i] < starts[i-1] {
			return f, fmt.Errorf("%w: its sections are out of order", ErrCorrupt)
		}
	}
	for _, a := range []struct {
		what          string
		n, size, have uint64
	}{
		{"blocks of symbols", blocks(f.symbols, symbolBlock), 4, f.symbolText},
		{"blocks of sets", blocks(f.sets, setBlock), 4, f.setText - f.setStart},
		{"lists", f.lists, f.listWidth, f.groupStart - f.listStart},
		{"groups", f.groups, groupSize, f.groupText - f.groupStart},
		{"values", f.values, valueSize, f.labelStart - f.valueStart},
		{"labels", f.labels, labelSize, end - f.labelStart},
	} {
		if a.n*a.size != a.have {
			return f, fmt.Errorf("%w: %d %s in %d bytes", ErrCorrupt, a.n, a.what, a.have)
		}
	}
	return f, nil
}
