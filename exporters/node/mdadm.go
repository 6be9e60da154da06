package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// mdStates are the states of an array: those /proc/mdstat names on the first line, and what it says the array is busy
// with, under the name of the metric's label.
var mdStates = [...]string{"active", "inactive", "recovering", "resync", "check"}

// mdArray is one array of /proc/mdstat.
type mdArray struct {
	name, state             string
	required, active        float64 // disks
	failed, spare           float64
	blocks, synced          float64 // of 1024 bytes
	membersOnly, sized, off bool    // runs with all disks or not at all; blocks are known; inactive
}

// collectMDADM reports software RAID arrays.
func collectMDADM(h *host, w *metric.Writer) error {
	text, err := h.procFile("mdstat")
	if err != nil {
		return orNoData(err)
	}
	arrays, err := mdstat(text)
	if err != nil {
		return err
	}
	required := w.Gauge("node_md_disks_required", "Number of disks an array wants.", "device")
	disks := w.Gauge("node_md_disks", "Number of disks of an array by state.", "device", "state")
	state := w.Gauge("node_md_state", "Which state an array is in: 1 for that one.", "device", "state")
	blocks := w.Gauge("node_md_blocks", "Number of blocks of an array.", "device")
	synced := w.Gauge("node_md_blocks_synced", "Number of blocks of an array that are in sync.", "device")
	for _, a := range arrays {
		required.Sample(a.required, a.name)
		disks.Sample(a.active, a.name, "active")
		disks.Sample(a.failed, a.name, "failed")
		disks.Sample(a.spare, a.name, "spare")
		for _, s := range mdStates {
			state.Sample(metric.Bool(s == a.state), a.name, s)
		}
		blocks.Sample(a.blocks, a.name)
		synced.Sample(a.synced, a.name)
	}
	return nil
}

// mdstat reads /proc/mdstat. An array begins at the start of a line; what follows about it is indented:
//
//	md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
//	      195310144 blocks [2/1] [U_]
//	      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
func mdstat(text string) ([]mdArray, error) {
	var arrays []mdArray
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[1] == ":" && strings.HasPrefix(line, "md"):
			arrays = append(arrays, mdHead(f))
		case len(f) == 0 || line[0] != ' ' || len(arrays) == 0:
			continue // headings, empty lines
		default:
			if err := arrays[len(arrays)-1].line(line, f); err != nil {
				return nil, fmt.Errorf("mdstat: %s: %w", f[0], err)
			}
		}
	}
	return arrays, nil
}

func mdHead(f []string) mdArray {
	a := mdArray{name: f[0], state: f[2], off: f[2] == "inactive"}
	members := 0.
	for _, w := range f[3:] {
		if !strings.Contains(w, "[") {
			a.membersOnly = a.membersOnly || w == "raid0" || w == "linear"
			continue
		}
		members++
		if strings.HasSuffix(w, "(F)") {
			a.failed++
		} else if strings.HasSuffix(w, "(S)") {
			a.spare++
		}
	}
	if a.membersOnly && !a.off {
		a.required, a.active = members, members
	}
	return a
}

// line reads one of the lines about an array.
func (a *mdArray) line(line string, f []string) error {
	if len(f) > 1 && f[1] == "blocks" && !a.sized {
		v, err := number(f[0])
		if err != nil {
			return err
		}
		a.blocks, a.synced, a.sized = v, v, true
		for _, w := range f {
			want, is, ok := strings.Cut(strings.Trim(w, "[]"), "/")
			if !ok || w[0] != '[' || a.membersOnly || a.off {
				continue
			}
			if a.required, err = number(want); err != nil {
				return err
			}
			if a.active, err = number(is); err != nil {
				return err
			}
		}
		return nil
	}
	for _, busy := range []struct{ word, state string }{
		{"recovery", "recovering"}, {"resync", "resync"}, {"check", "check"}, {"reshape", "reshaping"},
	} {
		_, rest, ok := strings.Cut(line, busy.word)
		if !ok || !strings.HasPrefix(strings.TrimSpace(rest), "=") {
			continue
		}
		a.state, a.synced = busy.state, 0 // DELAYED, PENDING and REMOTE have no count
		if _, rest, ok = strings.Cut(rest, "("); ok {
			done, _, _ := strings.Cut(rest, "/")
			v, err := number(done)
			if err != nil {
				return err
			}
			a.synced = v
		}
	}
	return nil
}
