package alert

import (
	"reflect"
	"testing"
	"time"
)

func TestViews(t *testing.T) {
	config := inhibiting + hours("mute_time_intervals", "00:00", "01:00") + `
[[receivers]]
name = "idle"
[[route.routes]]
receiver = "ops"
`
	// The first child takes what is noise, and nobody hears it at night.
	config = replaceOnce(t, config, `receiver = "night"
mute`, `receiver = "night"
matchers = ["alertname=Noise"]
mute`)
	in(t, config, func(t *testing.T, w *world) {
		w.at(time.Minute)
		w.fire("HostDown host=a", "Service host=a", "Noise", "Disk severity=page")
		w.at(2 * time.Minute)
		ctx := t.Context()
		alerts, err := w.manager.Alerts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			labels     string
			receivers  []string
			suppressed bool
		}
		var rows []row
		for _, a := range alerts {
			rows = append(rows, row{a.Labels.String(), a.Receivers, a.Suppressed()})
		}
		if want := []row{
			{`{alertname="Disk", severity="page"}`, []string{"ops"}, false},
			{`{alertname="HostDown", host="a"}`, []string{"ops"}, false},
			{`{alertname="Noise"}`, []string{"night"}, true},
			{`{alertname="Service", host="a"}`, []string{"ops"}, true},
		}; !reflect.DeepEqual(rows, want) {
			t.Fatalf("alerts %v\nwant %v", rows, want)
		}
		down, noise, service := alerts[1], alerts[2], alerts[3]
		if !reflect.DeepEqual(service.InhibitedBy, []string{down.Fingerprint}) {
			t.Errorf("the service is inhibited by %v, want %s", service.InhibitedBy, down.Fingerprint)
		}
		if !reflect.DeepEqual(noise.MutedBy, []string{"times"}) {
			t.Errorf("the noise is muted by %v", noise.MutedBy)
		}
		if down.Annotations.Get("summary") != "about HostDown host=a" || down.GeneratorURL == "" ||
			!down.StartsAt.Equal(w.began.Add(time.Minute)) || !down.EndsAt.Equal(down.StartsAt.Add(time.Hour)) {
			t.Errorf("alert %+v", down)
		}
		groups, err := w.manager.Groups(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, g := range groups {
			got = append(got, append([]string{g.Key, g.Receiver}, g.MutedBy...))
			if len(g.Alerts) != 1 || g.Labels.Get("alertname") != g.Alerts[0].Labels.Get("alertname") {
				t.Errorf("group %+v", g)
			}
		}
		if want := [][]string{
			{`{}/{}:{alertname="Disk"}`, "ops"},
			{`{}/{}:{alertname="HostDown"}`, "ops"},
			{`{}/{alertname="Noise"}:{alertname="Noise"}`, "night", "times"},
			{`{}/{}:{alertname="Service"}`, "ops"},
		}; !reflect.DeepEqual(got, want) {
			t.Errorf("groups %v\nwant %v", got, want)
		}
		var names []string
		for _, r := range w.manager.Receivers() {
			if r.Used {
				names = append(names, r.Name)
			} else {
				names = append(names, "("+r.Name+")")
			}
		}
		if !reflect.DeepEqual(names, []string{"(idle)", "night", "ops"}) {
			t.Errorf("receivers %v", names)
		}
	})
}
