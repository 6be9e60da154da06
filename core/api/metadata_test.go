package api

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/metadata"
)

// speaking is targets of which only what they say of their metrics is of interest.
type speaking struct {
	Targets
	says []scrape.Metadata
}

func (s speaking) Metadata() []scrape.Metadata { return s.says }

func TestMetadataIsThatOfTargetsAndOfRemoteWrite(t *testing.T) {
	written := metadata.Open(metadata.Options{FS: vfs.NewMem(), Dir: "data", Max: 100})
	written.AppendMetadata([]storage.Metadata{
		{Metric: "both", Type: "gauge", Help: "Said."},
		{Metric: "written", Type: "counter", Help: "First.", Unit: "seconds"},
	})
	written.AppendMetadata([]storage.Metadata{{Metric: "both", Type: "gauge", Help: "Said otherwise."}})
	h := handlerOf(t, Options{Metadata: written, Targets: speaking{says: []scrape.Metadata{
		{Metric: "scraped", Type: "gauge", Help: "Only here."},
		{Metric: "both", Type: "gauge", Help: "Said."},
		{Metric: "both", Type: "gauge", Help: "Said."}, // by another target
	}}})
	const (
		scraped = `"scraped":[{"type":"gauge","help":"Only here.","unit":""}]`
		said    = `{"type":"gauge","help":"Said.","unit":""}`
		both    = `"both":[` + said + `,{"type":"gauge","help":"Said otherwise.","unit":""}]`
		sent    = `"written":[{"type":"counter","help":"First.","unit":"seconds"}]`
	)
	for _, tt := range []struct{ query, want string }{
		{"", scraped + "," + both + "," + sent},
		{"?metric=both", both},
		{"?metric=written&limit_per_metric=1&limit=1", sent},
		{"?metric=none", ``},
		{"?limit=2", scraped + "," + both},
		{"?limit=0", ``},
		{"?limit_per_metric=1", scraped + `,"both":[` + said + `],` + sent},
		{"?limit_per_metric=0&limit=-1", scraped + "," + both + "," + sent},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/metadata"+tt.query, nil))
		var got, want any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v: %s", tt.query, err, w.Body)
		}
		if err := json.Unmarshal([]byte(`{"status":"success","data":{`+tt.want+`}}`), &want); err != nil {
			t.Fatal(err)
		}
		if w.Code != 200 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d %s, want %s", tt.query, w.Code, w.Body, tt.want)
		}
	}
}
