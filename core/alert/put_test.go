package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/model"
)

func TestPutTakesWhatIsValid(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		now := time.Now()
		good := labelsOf("Good")
		err := w.manager.Put(t.Context(), []*model.Alert{
			{State: model.AlertFiring, FiredAt: now, ValidUntil: now.Add(time.Hour)},
			{State: model.AlertFiring, FiredAt: now, ValidUntil: now.Add(-time.Hour), Labels: labelsOf("Back")},
			{State: model.AlertPending, ActiveAt: now, Labels: labelsOf("Pending")},
			{State: model.AlertFiring, FiredAt: now, ValidUntil: now.Add(time.Hour), Labels: good},
		})
		if err == nil || !strings.Contains(err.Error(), "at least one label pair required") ||
			!strings.Contains(err.Error(), `alert {alertname="Back"}: start time must be before end time`) {
			t.Errorf("error %v", err)
		}
		w.at(20 * time.Second)
		w.got("10s ops firing[Good]")
	})
}

func TestReceiveFillsTimes(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		ago := time.Now().Add(-time.Hour)
		if err := w.manager.Receive(t.Context(), []*model.Alert{
			{Labels: labelsOf("NoTimes"), State: model.AlertFiring},
			{Labels: labelsOf("Ended"), ResolvedAt: ago},
		}); err != nil {
			t.Fatal(err)
		}
		list, err := w.manager.Alerts(t.Context())
		if err != nil || len(list) != 1 || !list[0].StartsAt.Equal(w.began) || !list[0].EndsAt.Equal(w.began.Add(5*time.Minute)) {
			t.Errorf("alerts %+v, %v", list, err)
		}
		w.at(7 * time.Minute)
		w.got("10s ops firing[NoTimes]", "5m10s ops resolved[NoTimes]")
	})
}
