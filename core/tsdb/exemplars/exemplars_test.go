package exemplars

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	upstreamstorage "github.com/prometheus/prometheus/storage"
	upstream "github.com/prometheus/prometheus/tsdb"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

func open(t testing.TB, fs vfs.FS, most int, window time.Duration) *Store {
	t.Helper()
	s, err := Open(Options{FS: fs, Dir: "exemplars", Max: most, Window: window})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seriesN(i int) labels.Labels {
	return labels.FromStrings("__name__", "requests_total", "pod", fmt.Sprint("p", i))
}

// random returns an exemplar, at times one that must be refused or is there already.
func random(r *rand.Rand, now int64) exemplar.Exemplar {
	e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", fmt.Sprint(r.IntN(30))), Value: float64(r.IntN(4)), Ts: now - r.Int64N(20), HasTs: r.IntN(2) == 0}
	switch r.IntN(20) {
	case 0:
		e.Labels = labels.FromStrings("trace_id", strings.Repeat("é", 115+r.IntN(12)))
	case 1:
		e.Labels = labels.EmptyLabels()
	case 2:
		e.Value = math.NaN()
	}
	return e
}

var everything = []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")}

func content(t testing.TB, s *Store) []exemplar.QueryResult {
	t.Helper()
	got, err := s.Exemplars(t.Context(), math.MinInt64, math.MaxInt64, everything)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// text is a result to compare; it shows every bit.
func text(rs []exemplar.QueryResult) string {
	var b strings.Builder
	for _, r := range rs {
		for _, e := range r.Exemplars {
			fmt.Fprintf(&b, "%s %s %x %d %t\n", r.SeriesLabels, e.Labels, math.Float64bits(e.Value), e.Ts, e.HasTs)
		}
	}
	return b.String()
}

// TestWhatIsKeptIsWhatUpstreamKeeps gives both the same exemplars and asks them the same questions. Ours is opened
// anew now and then.
func TestWhatIsKeptIsWhatUpstreamKeeps(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 4))
		most := 1 + r.IntN(60)
		window := time.Duration(r.IntN(2)*r.IntN(15)) * time.Millisecond
		made, err := upstream.NewCircularExemplarStorage(int64(most), upstream.NewExemplarMetrics(nil), window.Milliseconds())
		if err != nil {
			t.Fatal(err)
		}
		theirs := made.(*upstream.CircularExemplarStorage)
		fs := vfs.NewMem()
		ours := open(t, fs, most, window)
		now := int64(1000)
		for step := range 600 {
			now += r.Int64N(8)
			ls, e := seriesN(r.IntN(6)), random(r, now)
			want := theirs.AddExemplar(ls, e)
			got := ours.AppendExemplars(ls, []exemplar.Exemplar{e})
			switch {
			case errors.Is(want, upstreamstorage.ErrDuplicateExemplar):
				want = nil
			case errors.Is(want, upstreamstorage.ErrOutOfOrderExemplar):
				want = storage.ErrOutOfOrder
			case errors.Is(want, upstreamstorage.ErrExemplarLabelLength):
				want = storage.ErrExemplarLabels
			}
			if !errors.Is(got, want) {
				t.Fatalf("seed %d, step %d: %v %v: %v, want %v", seed, step, ls, e, got, want)
			}
			switch r.IntN(40) {
			case 0:
				if err := ours.Close(); err != nil {
					t.Fatal(err)
				}
				ours = open(t, fs, most, window)
			case 1:
				ours.flush()
				fs = fs.Kill()
				ours = open(t, fs, most, window)
			case 2:
				most = 1 + r.IntN(60)
				theirs.Resize(int64(most))
				ours.Resize(most, window)
			}
			lo := now - r.Int64N(60)
			hi := lo + r.Int64N(60)
			ms := [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchRegexp, "pod", fmt.Sprintf("p[%d%d]", r.IntN(6), r.IntN(6)))}}
			if r.IntN(2) == 0 {
				ms = append(ms, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "requests_total"), labels.MustNewMatcher(labels.MatchNotEqual, "pod", "p1")})
			}
			wanted, err := theirs.Select(lo, hi, ms...)
			if err != nil {
				t.Fatal(err)
			}
			found, err := ours.Exemplars(t.Context(), lo, hi, ms...)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := text(found), text(wanted); g != w {
				t.Fatalf("seed %d, step %d: got\n%swant\n%s", seed, step, g, w)
			}
		}
	}
}

func TestWithoutRoomNothingIsKept(t *testing.T) {
	s := open(t, vfs.NewMem(), 0, 0)
	if err := s.AppendExemplars(seriesN(1), []exemplar.Exemplar{{Ts: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// filled returns a store that has written several records, and its file.
func filled(t testing.TB, fs vfs.FS) (s *Store, name string) {
	t.Helper()
	s = open(t, fs, 30, 0)
	for i := range 60 {
		e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", fmt.Sprint(i)), Value: float64(i) / 3, Ts: int64(1000 + i), HasTs: true}
		if err := s.AppendExemplars(seriesN(i%4), []exemplar.Exemplar{e}); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			s.flush()
		}
	}
	s.flush()
	return s, s.files.name(s.files.number)
}

func TestDamageCostsNoMoreThanItsRecord(t *testing.T) {
	fs := vfs.NewMem()
	s, name := filled(t, fs)
	sent := map[string]bool{}
	for _, line := range strings.Split(text(content(t, s)), "\n") {
		sent[line] = true
	}
	for i := range 60 { // what the ring had before it went round is in the file as well
		e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", fmt.Sprint(i)), Value: float64(i) / 3, Ts: int64(1000 + i), HasTs: true}
		sent[strings.TrimSuffix(text([]exemplar.QueryResult{{SeriesLabels: seriesN(i % 4), Exemplars: []exemplar.Exemplar{e}}}), "\n")] = true
	}
	whole := bytesOf(t, fs, name)
	try := func(what string, data []byte) {
		t.Helper()
		damaged := vfs.NewMem()
		if err := damaged.MkdirAll("exemplars"); err != nil {
			t.Fatal(err)
		}
		f, err := damaged.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{FS: damaged, Dir: "exemplars", Max: 30})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for line := range strings.SplitSeq(text(content(t, s)), "\n") {
			if !sent[line] {
				t.Fatalf("%s: %s was never sent", what, line)
			}
		}
		if err := s.AppendExemplars(seriesN(9), []exemplar.Exemplar{{Ts: 5}}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 1 << (i % 8)
		try(fmt.Sprintf("byte %d flipped", i), flipped)
		try(fmt.Sprintf("cut at %d", i), whole[:i])
	}
}

func bytesOf(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOneFileStays(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := filled(t, fs)
	for i := range 3000 {
		if err := s.AppendExemplars(seriesN(1), []exemplar.Exemplar{{Ts: int64(5000 + i)}}); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			s.flush()
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	es, err := fs.ReadDir("exemplars")
	if err != nil || len(es) != 1 || filepath.Ext(es[0].Name()) != ".exemplars" {
		t.Fatalf("%v, %v", es, err)
	}
	if again := open(t, fs, 30, 0); !reflect.DeepEqual(text(content(t, again)), text(content(t, s))) {
		t.Error("another content after a restart")
	}
}

func TestAFullDiskCostsNothingInMemory(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := filled(t, fs)
	full := errors.New("disk full")
	fs.Hook(func(vfs.Op) error { return full })
	for i := range 50 {
		if err := s.AppendExemplars(seriesN(1), []exemplar.Exemplar{{Ts: int64(5000 + i)}}); err != nil {
			t.Fatal(err)
		}
		s.flush()
	}
	fs.Hook(nil)
	s.flush()
	if again := open(t, fs.Kill(), 30, 0); text(content(t, again)) != text(content(t, s)) {
		t.Error("what came while the disk was full is not there after a crash")
	}
}

func FuzzTake(f *testing.F) {
	fs := vfs.NewMem()
	s, _ := filled(f, fs)
	for k := range s.ring {
		s.files.encode(s.ring[k])
	}
	f.Add(append([]byte(nil), s.files.pending...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Store{ring: make([]*item, 20), series: map[string]*series{}}
		if err := s.take(b, map[uint64]labels.Labels{}); err != nil && len(b) == 0 {
			t.Fatal(err)
		}
	})
}

// BenchmarkAppend is exemplars of a thousand series into a ring that is full, flushed each thousand.
func BenchmarkAppend(b *testing.B) {
	s, err := Open(Options{FS: vfs.OS{}, Dir: b.TempDir(), Max: 100_000})
	if err != nil {
		b.Fatal(err)
	}
	sets := make([]labels.Labels, 1000)
	for i := range sets {
		sets[i] = seriesN(i)
	}
	trace := make([]labels.Labels, 1000)
	for i := range trace {
		trace[i] = labels.FromStrings("trace_id", fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04d", i), "span_id", "00f067aa0ba902b7")
	}
	one := make([]exemplar.Exemplar, 1)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		one[0] = exemplar.Exemplar{Labels: trace[n%997], Value: 0.5, Ts: int64(n), HasTs: true}
		if err := s.AppendExemplars(sets[n%1000], one); err != nil {
			b.Fatal(err)
		}
		if n++; n%1000 == 0 {
			s.flush()
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
