package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/metric"
)

// thermometers is an exporter with a setting.
type thermometers struct {
	unit string
}

func (e *thermometers) Configure(_ context.Context, c sdk.Config) error {
	s := struct {
		Unit string `json:"unit"`
	}{Unit: "celsius"}
	if err := c.Decode(&s); err != nil {
		return err
	}
	if s.Unit != "celsius" && s.Unit != "kelvin" {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: unit is %q, must be celsius or kelvin", s.Unit)
	}
	e.unit = s.Unit
	return nil
}

func (e *thermometers) Collect(_ context.Context, t sdk.Target, w *metric.Writer) error {
	room := w.Gauge("room_temperature_"+e.unit, "Temperature of the air.", "room", "at")
	room.Sample(21.5, "kitchen", t.Address)
	room.Sample(18, "cellar", t.Address)
	return nil
}

// An exporter is registered in init with RegisterExporter. In tests an Instance calls it as hearth would.
func ExampleExporter() {
	i := sdk.NewInstance(sdk.Plugin{Exporter: &thermometers{}})
	if _, err := i.Call(context.Background(), abi.OpConfigure, []byte(`{"unit": "celsius"}`)); err != nil {
		fmt.Println(err)
	}
	out, err := i.Call(context.Background(), abi.OpCollect, []byte(`{"address": "house:7000"}`))
	fmt.Print(string(out), err)
	// Output:
	// # HELP room_temperature_celsius Temperature of the air.
	// # TYPE room_temperature_celsius gauge
	// room_temperature_celsius{room="kitchen",at="house:7000"} 21.5
	// room_temperature_celsius{room="cellar",at="house:7000"} 18
	// <nil>
}

// Settings that a plugin does not know are errors, with a text for the operator.
func ExampleConfig_Decode() {
	i := sdk.NewInstance(sdk.Plugin{Exporter: &thermometers{}})
	_, err := i.Call(context.Background(), abi.OpConfigure, []byte(`{"units": "kelvin"}`))
	fmt.Println(sdk.AsError(err).Code+":", err)
	// Output: invalid_request: settings: json: unknown field "units"
}

// pager is a notifier.
type pager struct {
	send func(text string) error
}

var errBusy = errors.New("busy")

func (p pager) Notify(_ context.Context, n sdk.Notification) error {
	var lines []string
	for _, a := range n.Alerts {
		lines = append(lines, fmt.Sprintf("%s %s", a.Status, a.Labels["alertname"]))
	}
	err := p.send(strings.Join(lines, ", "))
	if errors.Is(err, errBusy) {
		return sdk.Retry(sdk.CodeUnavailable, 0, "the pager is busy") // hearth tries again
	}
	return err
}

// How Notify returns decides whether hearth tries again.
func ExampleNotifier() {
	message := []byte(`{"payload": {"version": "4", "status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "DiskFull"}}]}}`)
	for _, answer := range []error{nil, errBusy} {
		i := sdk.NewInstance(sdk.Plugin{Notifier: pager{send: func(text string) error {
			fmt.Println("sent:", text)
			return answer
		}}})
		_, err := i.Call(context.Background(), abi.OpNotify, message)
		if err != nil {
			fmt.Println(err, sdk.AsError(err).Retryable)
		}
	}
	// Output:
	// sent: firing DiskFull
	// sent: firing DiskFull
	// the pager is busy true
}

// A function of range vectors: the difference between the last and the first sample of each window.
func ExampleBatch_EachWindow() {
	rise := func(_ context.Context, b *sdk.Batch) error {
		for i := range b.Len() {
			b.EachWindow(i, func(_ int, _ []int64, values []float64) float64 { return values[len(values)-1] - values[0] })
		}
		return nil
	}
	i := sdk.NewInstance(sdk.Plugin{Functions: map[string]sdk.Function{"acme_rise": rise}})
	batch := abi.Batch{
		Function: "acme_rise", Series: 1, Steps: 2, Start: 3000, Step: 1000, Range: 2000,
		Offsets: []uint32{0, 4}, Times: []int64{1500, 2500, 3000, 3500}, Samples: []float64{1, 2, 5, 6},
	}
	out, err := i.Call(context.Background(), abi.OpEval, batch.Append(nil))
	fmt.Println(abi.Cells(out), err)
	// Output: [4 4] <nil>
}
