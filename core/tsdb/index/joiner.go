package index

import (
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"
)

// Joiner is Full for many series of a group: their label sets lie one behind the other in memory that is allocated
// once for all of them, and what is copied are bytes as they are. For one goroutine; what it returned stays.
//
// It knows how upstream keeps a label set with the build tags that hearth has: as one string, in which names and
// values follow each other, each behind its length, which is a byte or, from 255 on, a byte 255 and three of little
// endian. Label sets kept otherwise do not compile, or fail the test.
type Joiner struct {
	common string
	pairs  []pair
	places []place // of the labels of the set before, whose names the next one mostly has
	full   []byte
}

// place is where among the common labels a label of own goes.
type place struct {
	name         string
	upto, resume int // bytes of common that come before it, and from where on they go on
	next         int // pair that may come next
}

// pair is a label of a set that is kept as bytes.
type pair struct {
	name       string
	start, end int // of name and value with their lengths
}

// The two have the same size, or one of these arrays has a negative one.
var (
	_ [unsafe.Sizeof(labels.Labels{}) - unsafe.Sizeof("")]struct{}
	_ [unsafe.Sizeof("") - unsafe.Sizeof(labels.Labels{})]struct{}
)

func kept(ls labels.Labels) string { return *(*string)(unsafe.Pointer(&ls)) }

func fromKept(b []byte) labels.Labels {
	s := unsafe.String(unsafe.SliceData(b), len(b))
	return *(*labels.Labels)(unsafe.Pointer(&s))
}

// text returns the string at i and where it ends.
func text(s string, i int) (string, int) {
	n := int(s[i])
	i++
	if n == 255 {
		n = int(s[i]) | int(s[i+1])<<8 | int(s[i+2])<<16
		i += 3
	}
	return s[i : i+n], i + n
}

// Reset sets the common labels and makes room for one label set for each of own.
func (j *Joiner) Reset(common labels.Labels, own []labels.Labels) {
	j.common, j.pairs, j.places = kept(common), j.pairs[:0], j.places[:0]
	for i := 0; i < len(j.common); {
		p := pair{start: i}
		p.name, i = text(j.common, i)
		_, i = text(j.common, i)
		p.end = i
		j.pairs = append(j.pairs, p)
	}
	size := 0
	for _, ls := range own {
		if !ls.IsEmpty() {
			size += len(j.common) + len(kept(ls))
		}
	}
	j.full = make([]byte, 0, size)
}

// Full returns what Full does, for a set of own labels that Reset was told of.
func (j *Joiner) Full(own labels.Labels) labels.Labels {
	o := kept(own)
	switch {
	case o == "":
		return *(*labels.Labels)(unsafe.Pointer(&j.common))
	case j.common == "":
		return own
	}
	full := j.full
	start, copied := len(full), 0 // bytes of common that are done with
	k := 0
	for i, n := 0, 0; i < len(o); n++ {
		first := i
		var name, value string
		name, i = text(o, i)
		value, i = text(o, i)
		if n == len(j.places) || j.places[n].name != name {
			j.places = append(j.places[:n], j.place(name, k))
		}
		p := &j.places[n]
		if k = p.next; p.upto > copied {
			full = append(full, j.common[copied:p.upto]...)
		}
		copied = p.resume
		if value != "" {
			full = append(full, o[first:i]...)
		}
	}
	j.full = append(full, j.common[copied:]...)
	return fromKept(j.full[start:len(j.full):len(j.full)])
}

// place finds the place of a name at pair k or later.
func (j *Joiner) place(name string, k int) place {
	for k < len(j.pairs) && j.pairs[k].name < name {
		k++
	}
	p := place{name: name, upto: j.upto(k), resume: j.upto(k), next: k}
	if k < len(j.pairs) && j.pairs[k].name == name {
		p.resume, p.next = j.pairs[k].end, k+1
	}
	return p
}

// upto returns where pair k of the common labels begins.
func (j *Joiner) upto(k int) int {
	if k == len(j.pairs) {
		return len(j.common)
	}
	return j.pairs[k].start
}
