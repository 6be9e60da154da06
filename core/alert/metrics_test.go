package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.answer = func(_ context.Context, _ string, n int) error {
			if n == 1 {
				return &callError{text: "404"}
			}
			return nil
		}
		w.fire("Disk") // the refusal is its: the order of groups that are due at once is anyone's
		w.at(time.Second)
		w.fire("CPU")
		w.at(20 * time.Second)
		w.resolve("CPU")
		w.at(3 * time.Minute)
		problems, err := testutil.GatherAndLint(w.registry)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "hearth_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		families, err := w.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range families {
			for _, m := range f.GetMetric() {
				v := m.GetCounter().GetValue() + m.GetGauge().GetValue()
				var pairs []string
				for _, l := range m.GetLabel() {
					pairs = append(pairs, l.GetName()+"="+l.GetValue())
				}
				got = append(got, fmt.Sprintf("%s{%s} %g", f.GetName(), strings.Join(pairs, ","), v))
			}
		}
		for _, want := range []string{
			"hearth_alert_received_total{status=firing} 2",
			"hearth_alert_received_total{status=resolved} 1",
			"hearth_alert_invalid_total{} 0",
			"hearth_alert_receivers{} 1",
			"hearth_alert_notifiers{} 1",
			"hearth_alert_journal_errors_total{journal=nflog} 0",
			"alertmanager_alerts{state=active} 1",
			"alertmanager_notification_requests_total{integration=hearth/inbox,receiver_name=ops} 4",
			"alertmanager_notification_requests_failed_total{integration=hearth/inbox,receiver_name=ops} 1",
			"alertmanager_notifications_failed_total{integration=hearth/inbox,reason=clientError,receiver_name=ops} 1",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("missing %s in\n%s", want, strings.Join(got, "\n"))
			}
		}
		for _, g := range got {
			if strings.Contains(g, "wechat") {
				t.Errorf("%s: hearth has no such integration", g)
			}
		}
	})
}
