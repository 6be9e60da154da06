package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

const contentOM2 = "application/openmetrics-text; version=2.0.0"

// om2Bodies are bodies of OpenMetrics 2.0 without their end; upstream decides which of them are good.
var om2Bodies = []string{
	"",
	"up 1\n",
	"# TYPE a counter\n# HELP a With \\\"quotes\\\".\na 5 10.5 st@1.25\n",
	"# TYPE a counter\na 5 st@1.25\na{x=\"y\"} 6 st@2\nb 1\n",
	"# TYPE a counter\na NaN\n",
	"# TYPE a gauge\na NaN\n",
	"# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\nb 2\n",
	"# TYPE a gauge\n# UNIT a seconds\na 1\n# TYPE b gauge\nb 2\na 3\n",
	"# TYPE a stateset\na{a=\"x\"} 1\na{a=\"y\"} 0\n",
	"# TYPE a stateset\na{b=\"x\"} 1\n",
	"# TYPE a stateset\na{a=\"x\"} 2\n",
	"# TYPE a info\na{version=\"1\"} 1\n",
	"{\"a.b\",x=\"y\"} 1\n",
	"{x=\"y\",\"a.b\"} 1\n",
	"{\"\"} 1\n",
	"{\"a\",\"\xff\"=\"y\"} 1\n",
	"# TYPE \"a.b\" summary\n{\"a.b\",x=\"y\"} {count:1,sum:2,quantile:[0.5:1,0.9:2]} 3 st@1\n",
	"# TYPE s summary\ns {count:17,sum:324789.3,quantile:[0.95:123.7,0.99:150.0]}\n",
	"# TYPE s summary\ns {count:17,sum:1,quantile:[]}\n",
	"# TYPE s summary\ns {count:17,sum:1}\n",
	"# TYPE s summary\ns {count:17,sum:1,quantile:[0.9:1,0.5:2]}\n",
	"# TYPE s summary\ns 1\n",
	"s {count:17,sum:1,quantile:[]}\n",
	"# TYPE h histogram\nh{x=\"1\"} {count:17,sum:324789.3,bucket:[0.1:8,0.25:10,0.5:11,1.0:14,+Inf:17]} 1520879607.789 st@1520430000.123\nh{x=\"2\"} {count:2,sum:3,bucket:[1:1,+Inf:2]}\n# TYPE b gauge\nb 1\n",
	"# TYPE h histogram\nh {count:17,sum:1,bucket:[0.1:8]}\n",
	"# TYPE h histogram\nh {count:17,sum:1,bucket:[0.1:8,+Inf:17]} # {t=\"x\"} 0.05 1 # {t=\"y\"} 7 2.5\n",
	"# TYPE h histogram\nh {count:17,sum:1,bucket:[0.1:8,+Inf:17]} # {t=\"x\"} 0.05\n",
	"# TYPE h histogram\nh {count:17,sum:1,bucket:[0.1:8,+Inf:17],more:1}\n",
	"# TYPE h histogram\nh {count:17,count:17,sum:1,bucket:[0.1:8,+Inf:17]}\n",
	"# TYPE h histogram\nh {count:17,sum:1,bucket:[0.1:8,+Inf:17]\n",
	"# TYPE h histogram\nh {count:5,sum:1,bucket:[0.1:8,+Inf:7]}\n", // makes no histogram with custom buckets
	"# TYPE h gaugehistogram\nh {gcount:17,gsum:1,bucket:[0.1:8,+Inf:17]}\n",
	"# TYPE h gaugehistogram\nh {count:17,sum:1,bucket:[0.1:8,+Inf:17]}\n",
	"# TYPE h histogram\nh {count:12,sum:100.0,schema:0,zero_threshold:0.001,zero_count:4,positive_spans:[0:2,1:2],positive_buckets:[2,1,2,3]} st@1\nh{x=\"y\"} {count:1,sum:1,schema:3,zero_threshold:0,zero_count:1}\n",
	"# TYPE h histogram\nh {count:12.5,sum:100.0,schema:-4,zero_threshold:0.001,zero_count:4,negative_spans:[-3:1],negative_buckets:[8.5]}\n",
	"# TYPE h histogram\nh {count:12,sum:1,schema:0,zero_threshold:0,zero_count:12,bucket:[1:3,+Inf:12]} # {t=\"x\"} 0.05 1\n",
	"# TYPE h gaugehistogram\nh {gcount:1,gsum:1,schema:0,zero_threshold:0,zero_count:1}\n",
	"# TYPE h histogram\nh {count:12,sum:1,schema:9,zero_threshold:0,zero_count:12}\n",
	"# TYPE h histogram\nh {count:12,sum:1,schema:0,zero_threshold:-1,zero_count:12}\n",
	"# TYPE h histogram\nh {count:12,sum:1,schema:0,zero_count:12}\n",
	"# TYPE h histogram\nh {count:12,sum:1,schema:0,zero_threshold:0,zero_count:1,positive_spans:[0:3],positive_buckets:[1]}\n",
	"# TYPE h histogram\nh 1\n",
	"a 1 st@1 2\n",
	"a 1 2 2\n",
	"a 1 st@1 st@2\n",
	"a 1 st@\n",
	"a 1 NaN\n",
	"a 1 st@NaN\n",
	"a 1 # {a=\"b\"} 1 1 2\n",
	"a 1 # {a=\"b\\n\"} 1 1 # {} 2 3\n",
	"a  1\n",
	"a 1",
	"# TYPE a counter\n# TYPE a gauge\na NaN\n",
	"# TYPE a counter\nb 1\na NaN\n",
	"# HELP a x\n# TYPE a unknown\na{__type__=\"mine\",__name__=\"b\"} 1\n",
	"# OTHER\n",
}

func TestOpenMetrics2IsReadAsUpstreamReadsIt(t *testing.T) {
	good := 0
	for _, body := range om2Bodies {
		if !strings.HasSuffix(body, "1") {
			body += "# EOF\n"
		}
		for _, o := range optionsOf() {
			if o.StartTimestamps = true; strings.Contains(body, "__name__") && !o.TypeAndUnit {
				continue // twice the same label: it is refused later
			}
			describe(t, []byte(body), OpenMetrics2, contentOM2, o)
			if _, err := Check([]byte(body), OpenMetrics2); err == nil {
				good++
			}
		}
		got, err := exemplified([]byte(body), Options{})
		want := exemplifiedByUpstream(t, []byte(body))
		if err == nil && got != want {
			t.Errorf("%s has the exemplars\n%s\nwant\n%s", body, got, want)
		}
	}
	if good < 500 {
		t.Errorf("only %d bodies are good", good)
	}
}

func exemplified(body []byte, o Options) (string, error) {
	var p Parser
	var b strings.Builder
	p.SetOptions(o)
	p.Reset(body, OpenMetrics2)
	for {
		k, err := p.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		if k == Series || k == Histogram {
			ls := p.Labels()
			for _, e := range p.Exemplars(nil) {
				fmt.Fprintf(&b, "%v: %v %v %v %d\n", ls, e.Labels, e.Value, e.HasT, e.T)
			}
		}
	}
}

func exemplifiedByUpstream(t *testing.T, body []byte) string {
	var b strings.Builder
	p, err := textparse.New(body, contentOM2, labels.NewSymbolTable(), textparse.ParserOptions{EnableOpenMetrics2: true})
	if err != nil {
		t.Fatal(err)
	}
	for k, err := p.Next(); err == nil; k, err = p.Next() {
		if k != textparse.EntrySeries && k != textparse.EntryHistogram {
			continue
		}
		var ls labels.Labels
		p.Labels(&ls)
		var e exemplar.Exemplar
		for p.Exemplar(&e) {
			fmt.Fprintf(&b, "%v: %v %v %v %d\n", ls, e.Labels, e.Value, e.HasTs, e.Ts)
			e = exemplar.Exemplar{}
		}
	}
	return b.String()
}

// TestExpectedPartsOfCompositeValuesAreKnown: the second time each sample is the one that is expected.
func TestExpectedPartsOfCompositeValuesAreKnown(t *testing.T) {
	body := []byte("# TYPE h histogram\nh{x=\"1\"} {count:17,sum:3,bucket:[0.1:8,+Inf:17]}\nh{x=\"2\"} {count:2,sum:3,bucket:[1:1,+Inf:2]}\n# TYPE c counter\nc 1\n# EOF\n")
	var p Parser
	p.SetOptions(Options{ConvertClassic: true, KeepClassic: true})
	hashes := map[uint64]bool{}
	var all []uint64
	var lengths []int
	for pass := range 2 {
		p.Reset(body, OpenMetrics2)
		n := 0
		for {
			if pass == 1 && n < len(all) {
				p.Expect(lengths[n], all[n])
			}
			k, err := p.Next()
			if err != nil {
				break
			}
			if k != Series && k != Histogram {
				continue
			}
			if pass == 0 {
				all, lengths = append(all, p.Hash()), append(lengths, len(p.Raw()))
				hashes[p.Hash()] = true
			} else if !p.Expected() || p.Hash() != all[n] {
				t.Errorf("sample %d, %v, is not known", n, p.Labels())
			}
			n++
		}
		if n != 11 || len(hashes) != 11 {
			t.Errorf("%d samples with %d hashes", n, len(hashes))
		}
	}
}

func FuzzOpenMetrics2(f *testing.F) {
	for _, body := range om2Bodies {
		f.Add([]byte(body+"# EOF\n"), uint8(0xff))
	}
	f.Fuzz(func(t *testing.T, body []byte, bits uint8) {
		o := optionsOf()[bits%32]
		o.StartTimestamps = true
		if _, err := described(body, OpenMetrics2, o); err != nil || bytes.IndexByte(body, 0) >= 0 || o.ConvertClassic {
			return // of what we refuse upstream takes some, such as bounds that are no numbers
		}
		describe(t, body, OpenMetrics2, contentOM2, o)
	})
}
