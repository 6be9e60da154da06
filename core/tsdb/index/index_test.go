package index

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// flat is an index in plain memory.
type flat []byte

func (f flat) Len() uint64 { return uint64(len(f)) }

func (f flat) Slice(off, n uint64) ([]byte, error) {
	if off > f.Len() || n > f.Len()-off {
		return nil, fmt.Errorf("%w: %d bytes at %d of %d", ErrCorrupt, n, off, len(f))
	}
	return f[off : off+n : off+n], nil
}

// group is a group of test data: its series in order of labels.
type group struct {
	common labels.Labels
	series []labels.Labels
}

// random returns groups whose labels come from small dictionaries, so that matchers hit. Some series override
// or lack a common label.
func random(r *rand.Rand) []group {
	var out []group
	seen := map[string]bool{}
	for g := range 1 + r.IntN(12) {
		common := labels.EmptyLabels()
		if r.IntN(5) > 0 {
			common = labels.FromStrings("instance", fmt.Sprint("i", g), "job", fmt.Sprint("j", g%3))
		}
		x := group{common: common}
		for range 1 + r.IntN(40) {
			b := labels.NewBuilder(common)
			b.Set("__name__", fmt.Sprint("m", r.IntN(6)))
			for _, n := range []string{"a", "b", "code", "pod", "z"} {
				if r.IntN(2) == 0 {
					b.Set(n, values[r.IntN(len(values))])
				}
			}
			switch r.IntN(12) {
			case 0:
				b.Del("job")
			case 1:
				b.Set("instance", "elsewhere")
			case 2:
				b.Set("unique", fmt.Sprint(r.IntN(1e6)))
			}
			ls := b.Labels()
			if !seen[ls.String()] {
				seen[ls.String()] = true
				x.series = append(x.series, ls)
			}
		}
		if len(x.series) > 0 {
			slices.SortFunc(x.series, labels.Compare)
			out = append(out, x)
		}
	}
	return out
}

var values = []string{"1", "2", "200", "404", "500", "503", "app-07-x", "app-07-y", "app-08-x", "foo", "Foo", "foo\nbar", "é", "i1", "j1"}

var patterns = []string{"", ".*", ".+", "foo", "foo|bar", "|foo", "5..", "app-07-.*", "app-07-x|app-08-x", "(?i)foo", "[0-9]+", "f.*", ".*x", "foo.*bar", "i[0-3]", "j1|"}

func randomMatchers(r *rand.Rand) []*labels.Matcher {
	names := []string{"__name__", "a", "b", "code", "pod", "z", "job", "instance", "unique", "missing"}
	var ms []*labels.Matcher
	for range r.IntN(4) {
		typ := labels.MatchType(r.IntN(4))
		v := patterns[r.IntN(len(patterns))]
		if typ == labels.MatchEqual || typ == labels.MatchNotEqual {
			if v = ""; r.IntN(5) > 0 {
				v = append([]string{"m1", "m2"}, values...)[r.IntN(len(values)+2)]
			}
		}
		ms = append(ms, labels.MustNewMatcher(typ, names[r.IntN(len(names))], v))
	}
	return ms
}

func matches(ls labels.Labels, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// build returns both kinds of index over the groups, and the series by id.
func build(t testing.TB, groups []group) (*Mem, *Index, []labels.Labels) {
	t.Helper()
	mem, b := NewMem(), NewBuilder()
	var all []labels.Labels
	for g, x := range groups {
		var own []labels.Labels
		for _, ls := range x.series {
			mem.Add(uint32(len(all)), ls)
			all = append(all, ls)
			own = append(own, Own(x.common, ls))
		}
		if err := b.AddGroup(x.common, own, uint64(g)*7); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if n, err := b.WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, buf.Len(), err)
	}
	x, err := Open(flat(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return mem, x, all
}

func TestSelectionsAgreeWithLookingAtEverySeries(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		groups := random(r)
		mem, x, all := build(t, groups)
		for range 60 {
			ms := randomMatchers(r)
			var want []uint32
			names, vals := map[string]bool{}, map[string]bool{}
			for id, ls := range all {
				if !matches(ls, ms) {
					continue
				}
				want = append(want, uint32(id))
				ls.Range(func(l labels.Label) {
					names[l.Name] = true
					if l.Name == "a" {
						vals[l.Value] = true
					}
				})
			}
			got, err := x.Select(ms...)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("seed %d, %v on disk: %v, want %v (%v)", seed, ms, got, want, err)
			}
			if got := mem.Select(ms...); !slices.Equal(got, want) {
				t.Fatalf("seed %d, %v in memory: %v, want %v", seed, ms, got, want)
			}
			onDisk, err := x.LabelNames(ms...)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range [][]string{onDisk, mem.LabelNames(ms...)} {
				if !slices.Equal(got, sorted(names)) {
					t.Fatalf("seed %d, names with %v: %v, want %v", seed, ms, got, sorted(names))
				}
			}
			if onDisk, err = x.LabelValues("a", ms...); err != nil {
				t.Fatal(err)
			}
			for _, got := range [][]string{onDisk, mem.LabelValues("a", ms...)} {
				if !slices.Equal(got, sorted(vals)) {
					t.Fatalf("seed %d, values with %v: %v, want %v", seed, ms, got, sorted(vals))
				}
			}
		}
		checkGroups(t, x, groups)
	}
}

// checkGroups compares what the index says of its groups with what they are.
func checkGroups(t *testing.T, x *Index, groups []group) {
	t.Helper()
	if x.Groups() != len(groups) {
		t.Fatalf("%d groups, want %d", x.Groups(), len(groups))
	}
	id := uint32(0)
	for i, want := range groups {
		g, err := x.Group(i)
		if err != nil {
			t.Fatal(err)
		}
		if g.First != id || int(g.Len) != len(want.series) || g.Data != uint64(i)*7 || !labels.Equal(g.Common, want.common) {
			t.Fatalf("group %d is %+v", i, g)
		}
		names := map[string]bool{}
		for s, ls := range want.series {
			own, err := x.Own(&g, uint32(s))
			if err != nil {
				t.Fatal(err)
			}
			if !labels.Equal(Full(g.Common, own), ls) {
				t.Fatalf("series %d is %s, want %s", id, Full(g.Common, own), ls)
			}
			own.Range(func(l labels.Label) { names[l.Name] = true })
			if n, err := x.GroupOf(id); err != nil || n != i {
				t.Fatalf("series %d is in group %d, want %d: %v", id, n, i, err)
			}
			id++
		}
		if !slices.Equal(g.OwnNames, sorted(names)) {
			t.Fatalf("own names %v, want %v", g.OwnNames, sorted(names))
		}
	}
}

func sorted(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestAnEmptyIndexHasNothing(t *testing.T) {
	mem, x, _ := build(t, nil)
	m := labels.MustNewMatcher(labels.MatchRegexp, "a", "f.*")
	if got := mem.Select(m); len(got) != 0 {
		t.Error(got)
	}
	if got, err := x.Select(); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
	if got, err := x.LabelValues("a"); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}

// Meant for the race detector too: what was added before a selection began is in it.
func TestSelectionsRunWhileSeriesAreAdded(t *testing.T) {
	const n = 20_000
	x := NewMem()
	var mu sync.Mutex
	added := 0
	var readers sync.WaitGroup
	done := make(chan struct{})
	for k := range 3 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			even := labels.MustNewMatcher(labels.MatchEqual, "parity", "0")
			scan := labels.MustNewMatcher(labels.MatchRegexp, "n", "1[0-9]*")
			for {
				select {
				case <-done:
					return
				default:
				}
				mu.Lock()
				least := added
				mu.Unlock()
				got := x.Select(even)
				if len(got) < least/2 {
					t.Errorf("%d of %d series", len(got), least/2)
				}
				for i, id := range got {
					if int(id) != 2*i {
						t.Errorf("series %d at %d", id, i)
						return
					}
				}
				if k == 0 {
					x.Select(scan)
					x.LabelValues("n", even)
					x.LabelNames(scan)
				}
			}
		}()
	}
	for i := range n {
		x.Add(uint32(i), labels.FromStrings("job", "x", "n", fmt.Sprint(i), "parity", fmt.Sprint(i%2)))
		mu.Lock()
		added = i + 1
		mu.Unlock()
	}
	close(done)
	readers.Wait()
	if got := x.Select(); len(got) != n {
		t.Errorf("%d series", len(got))
	}
}

func TestOwnAndFullAreInverse(t *testing.T) {
	for _, tt := range []struct{ name, common, full, own string }{
		{"nothing in common", `{}`, `{a="1"}`, `{a="1"}`},
		{"all in common", `{a="1"}`, `{a="1"}`, `{}`},
		{"one more before and after", `{b="1"}`, `{a="1", b="1", c="1"}`, `{a="1", c="1"}`},
		{"another value", `{a="1", b="1"}`, `{a="2", b="1"}`, `{a="2"}`},
		{"one is lacking", `{a="1", b="1", c="1"}`, `{b="1"}`, `{a="", c=""}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			common, full := parse(t, tt.common), parse(t, tt.full)
			own := Own(common, full)
			if own.String() != tt.own {
				t.Errorf("own labels are %s, want %s", own, tt.own)
			}
			if got := Full(common, own); !labels.Equal(got, full) {
				t.Errorf("back comes %s", got)
			}
		})
	}
}

// Label sets of up to three common and three own labels, of which some override or lack a common one, and of long ones:
// a Joiner makes of them what Full makes, and what it made before stays.
func TestAJoinerMakesTheSameAsFull(t *testing.T) {
	values := []string{"", "x", strings.Repeat("y", 254), strings.Repeat("z", 255), strings.Repeat("w", 70_000)}
	r := rand.New(rand.NewPCG(7, 7))
	some := func(lowest int) labels.Labels {
		var b labels.ScratchBuilder
		for _, name := range []string{"a", "b", "c", "d", strings.Repeat("e", 300)} {
			if r.IntN(2) == 0 {
				b.Add(name, values[lowest+r.IntN(len(values)-lowest)])
			}
		}
		return b.Labels()
	}
	var j Joiner
	for range 300 {
		common := some(1)
		var own, want, got []labels.Labels
		for range 1 + r.IntN(20) {
			o := Own(common, some(1))
			own, want = append(own, o), append(want, Full(common, o))
		}
		j.Reset(common, own)
		for _, o := range own {
			got = append(got, j.Full(o))
		}
		for i := range got {
			if !labels.Equal(got[i], want[i]) || got[i].Hash() != want[i].Hash() {
				t.Fatalf("%.200s and %.200s are %.200s, want %.200s", common, own[i], got[i], want[i])
			}
		}
	}
}

func parse(t *testing.T, s string) labels.Labels {
	t.Helper()
	var b labels.ScratchBuilder
	for _, p := range bytes.Split(bytes.Trim([]byte(s), "{}"), []byte(", ")) {
		if k, v, ok := bytes.Cut(p, []byte("=")); ok {
			b.Add(string(k), string(bytes.Trim(v, `"`)))
		}
	}
	return b.Labels()
}

// Whatever the bytes: an answer or an error, and the error says that the index is damaged.
func FuzzIndex(f *testing.F) {
	groups := random(rand.New(rand.NewPCG(3, 3)))
	b := NewBuilder()
	for _, x := range groups {
		var own []labels.Labels
		for _, ls := range x.series {
			own = append(own, Own(x.common, ls))
		}
		if err := b.AddGroup(x.common, own, 0); err != nil {
			f.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		f.Fatal(err)
	}
	for at := 0; at < buf.Len(); at += 97 {
		f.Add(at, byte(1<<(at%8)), at/2, byte(0xff))
	}
	f.Fuzz(func(t *testing.T, at int, flip byte, at2 int, flip2 byte) {
		data := bytes.Clone(buf.Bytes())
		data[(at&(1<<62-1))%len(data)] ^= flip
		data[(at2&(1<<62-1))%len(data)] ^= flip2
		explore(t, data)
	})
}

// explore calls everything.
func explore(t *testing.T, data []byte) {
	check := func(err error) {
		if err != nil && !errors.Is(err, ErrCorrupt) && !bytes.Contains([]byte(err.Error()), []byte("version")) {
			t.Fatalf("an error that does not say so: %v", err)
		}
	}
	x, err := Open(flat(data))
	check(err)
	if err != nil {
		return
	}
	for _, m := range []*labels.Matcher{
		labels.MustNewMatcher(labels.MatchEqual, "a", "foo"), labels.MustNewMatcher(labels.MatchRegexp, "pod", "app-07-.*"),
		labels.MustNewMatcher(labels.MatchNotRegexp, "code", "5.."), labels.MustNewMatcher(labels.MatchNotEqual, "job", ""),
	} {
		ids, err := x.Select(m)
		check(err)
		for _, id := range ids[:min(len(ids), 100)] {
			n, err := x.GroupOf(id)
			check(err)
			if err == nil {
				_, err = x.Group(n)
				check(err)
			}
		}
		_, err = x.LabelNames(m)
		check(err)
		_, err = x.LabelValues("pod", m)
		check(err)
	}
	for i := range min(x.Groups(), 50) {
		g, err := x.Group(i)
		check(err)
		for s := range min(g.Len, 50) {
			_, err := x.Own(&g, s)
			check(err)
		}
	}
}

func TestSameIsFullWithoutMakingIt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	random := func() labels.Labels {
		b := labels.NewScratchBuilder(4)
		for i := range 4 {
			if r.IntN(2) == 0 {
				b.Add(string(rune('a'+i)), string(rune('x'+r.IntN(2))))
			}
		}
		return b.Labels()
	}
	hits := 0
	for range 20000 {
		common, full, other := random(), random(), random()
		own := Own(common, full)
		if !Same(common, own, full) {
			t.Fatalf("common %s, own %s is not the same as %s", common, own, full)
		}
		if same := labels.Equal(full, other); Same(common, own, other) != same {
			t.Fatalf("common %s, own %s the same as %s: %v", common, own, other, !same)
		} else if same {
			hits++
		}
	}
	if hits == 0 {
		t.Error("no two sets were equal")
	}
}

// A Mem that was filled in bulk answers as one that grew does, and grows on.
func TestBulkIsWhatGrowthIs(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	grown, filled := NewMem(), NewMem()
	bulk := NewBulk(filled)
	var common, own Set
	id := uint32(0)
	var sets []labels.Labels
	add := func(target string, n int, one func(target, own labels.Labels)) {
		t := labels.FromStrings("instance", target, "job", "j"+target[:1])
		for range n {
			one(t, labels.FromStrings("__name__", fmt.Sprint("m", r.IntN(40)), "path", fmt.Sprint(r.IntN(3000))))
		}
	}
	for k := range 50 {
		lo := id
		add(fmt.Sprint(k), 1+r.IntN(400), func(target, ls labels.Labels) {
			full := Full(target, ls)
			sets = append(sets, full)
			grown.Add(id, full)
			filled.Find(&common, target)
			filled.Find(&own, ls)
			bulk.Add(id, &own)
			id++
		})
		bulk.AddRange(lo, id, &common)
		id += uint32(k % 2) // a number that is not used
		sets = append(sets, make([]labels.Labels, k%2)...)
	}
	bulk.Done()
	add("new", 3000, func(target, ls labels.Labels) {
		sets = append(sets, Full(target, ls))
		grown.Add(id, Full(target, ls))
		filled.Add(id, Full(target, ls))
		id++
	})
	for _, ms := range [][]*labels.Matcher{
		nil,
		{labels.MustNewMatcher(labels.MatchEqual, "__name__", "m7")},
		{labels.MustNewMatcher(labels.MatchRegexp, "path", "1.*"), labels.MustNewMatcher(labels.MatchNotEqual, "job", "j1")},
		{labels.MustNewMatcher(labels.MatchEqual, "instance", "")},
		{labels.MustNewMatcher(labels.MatchNotEqual, "instance", "")},
		{labels.MustNewMatcher(labels.MatchEqual, "instance", "new"), labels.MustNewMatcher(labels.MatchRegexp, "path", ".*9")},
	} {
		got, want := filled.Select(ms...), grown.Select(ms...)
		if !slices.Equal(got, want) {
			t.Errorf("%v: %d series, want %d", ms, len(got), len(want))
		}
		for _, id := range got {
			if len(sets[id].String()) < 5 {
				t.Fatalf("%v selects a number that is not used", ms)
			}
		}
		if got, want := filled.LabelValues("path", ms...), grown.LabelValues("path", ms...); !slices.Equal(got, want) {
			t.Errorf("%v: %d values, want %d", ms, len(got), len(want))
		}
	}
}

func TestValuesAreInOrderHoweverTheyCome(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := NewMem()
	var want []string
	for i := range 3000 {
		v := fmt.Sprint(r.IntN(2000))
		x.Add(uint32(i), labels.FromStrings("v", v, "i", fmt.Sprint(i%2)))
		if k, found := slices.BinarySearch(want, v); !found {
			want = slices.Insert(want, k, v)
		}
		if r.IntN(20) > 0 {
			continue
		}
		if got := x.LabelValues("v"); !slices.Equal(got, want) {
			t.Fatalf("after %d series: %q, want %q", i+1, got, want)
		}
		odd, even := labels.MustNewMatcher(labels.MatchEqual, "i", "1"), labels.MustNewMatcher(labels.MatchEqual, "i", "0")
		both := append(x.LabelValues("v", odd), x.LabelValues("v", even)...)
		slices.Sort(both)
		if both = slices.Compact(both); !slices.Equal(both, want) {
			t.Fatalf("after %d series, of odd and even ones: %q, want %q", i+1, both, want)
		}
	}
}
