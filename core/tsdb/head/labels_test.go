package head

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestDetachedLabelsStayWhatTheyWere(t *testing.T) {
	buf := []byte("namevalue")
	ls := labels.FromStrings("a", "b")
	var b labels.ScratchBuilder
	b.Add(view(buf[:4]), view(buf[4:]))
	b.Overwrite(&ls)
	kept := detached(ls)
	copy(buf, "xxxxxxxxx")
	b.Reset()
	b.Add("other", "s")
	b.Overwrite(&ls)
	if kept.String() != `{name="value"}` {
		t.Errorf("the labels became %s", kept)
	}
}

func TestLabelSetsAreKeptWhileTheyAreUsed(t *testing.T) {
	s := newLabelSets(newHasher())
	set := func(i int) labels.Labels { return labels.FromStrings("n", fmt.Sprint(i)) }
	numbers := map[int]uint32{}
	for round := range 3 {
		for i := range 1000 {
			n := s.keep(set(i))
			if round > 0 && n != numbers[i] {
				t.Fatalf("set %d has the numbers %d and %d", i, numbers[i], n)
			}
			numbers[i] = n
		}
	}
	if n := s.use(s.keep(labels.EmptyLabels())); n != 0 || !s.get(0).IsEmpty() {
		t.Errorf("the empty set has the number %d", n)
	}
	for i := 0; i < 1000; i += 2 {
		for range 3 {
			if got := s.get(numbers[i]); !labels.Equal(got, set(i)) {
				t.Fatalf("number %d is %s, want %s", numbers[i], got, set(i))
			}
			s.drop(numbers[i])
		}
	}
	s.drop(0)
	for i := 1000; i < 1500; i++ {
		if n := s.keep(set(i)); n > 1000 {
			t.Fatalf("set %d has the number %d: those that were dropped are free", i, n)
		}
	}
	for i := range 1500 {
		n, ok := s.table.get(s.hash.sum(set(i)), func(n uint32) bool { return labels.Equal(s.get(n), set(i)) })
		if gone := i < 1000 && i%2 == 0; ok == gone || ok && i < 1000 && n != numbers[i] {
			t.Errorf("set %d: number %d, there %v", i, n, ok)
		}
	}
}
