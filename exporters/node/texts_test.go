package main

import (
	"testing"

	"github.com/hearth-project/hearth/sdk/metric"
)

// Whatever a file of the kernel holds, a collector refuses it or makes metrics of it that can be written. Two of them
// from one text: names of metrics made from it must not clash either.
func FuzzTexts(f *testing.F) {
	f.Add("md0 : active raid6 sda1[0] sdb1[1](F)\n  7813735424 blocks [4/3] [UU_U]\n  [=>...]  recovery =  8.5% (66/78) finish=1min\n")
	f.Add("name type data\nhits 4 8772612\nmemory-direct 4 1\n")
	f.Add("nread nwritten reads writes wtime wlentime wupdate rtime rlentime rupdate wcnt rcnt\n1 2 3 4 5 6 7 8 9 10 11 12\n")
	f.Add("TCP  C0A80016:0050 wlc\n  -> C0A85216:1F90 Tunnel 100 248 2\nFWM 1 wlc\n  -> [2001:db8::1]:0035 Route 1 3 4\n")
	f.Fuzz(func(t *testing.T, text string) {
		w := metric.NewWriter(metric.Text)
		if arrays, err := mdstat(text); err == nil {
			for _, a := range arrays {
				if a.name == "" || a.synced < 0 || a.blocks < 0 {
					t.Errorf("array %+v", a)
				}
			}
		}
		_ = ipvsBackends(w, text)
		_ = zpoolIO(w, "ash", text)
		_ = kstat(text, func(name string, v float64) { w.Untyped("node_zfs_arc_"+name, name).Sample(v) })
		if _, err := w.AppendTo(nil); err != nil {
			t.Error(err)
		}
	})
}

func TestSplitSensor(t *testing.T) {
	for _, tt := range []struct {
		name, in, kind, property string
		number                   int
		ok                       bool
	}{
		{"a reading", "temp1_input", "temp", "input", 1, true},
		{"a property of several words", "pwm2_auto_point1_temp", "pwm", "auto_point1_temp", 2, true},
		{"a value alone", "pwm12", "pwm", "", 12, true},
		{"a name without a number", "update_interval", "update_interval", "", 0, true},
		{"a number is not all of it", "12_input", "", "", 0, false},
		{"nothing after the bar", "temp1_", "", "", 0, false},
		{"letters after the number", "in0x", "in", "", 0, false},
		{"a number that does not fit", "in99999999999999999999_input", "", "", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind, n, property, ok := splitSensor(tt.in)
			if ok != tt.ok || ok && (kind != tt.kind || n != tt.number || property != tt.property) {
				t.Errorf("splitSensor(%q) = %q, %d, %q, %v", tt.in, kind, n, property, ok)
			}
		})
	}
}
