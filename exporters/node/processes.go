package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectProcesses counts processes and threads, in all and by state, from /proc/PID/stat.
func collectProcesses(h *host, w *metric.Writer) error {
	names, err := list(h.Procfs)
	if err != nil {
		return err
	}
	states, threadStates := map[string]int{}, map[string]int{}
	pids, threads := 0, 0.
	for _, pid := range names {
		if pid[0] < '1' || pid[0] > '9' {
			continue
		}
		state, n, ok := h.stat(pid + "/stat")
		if !ok {
			continue
		}
		pids++
		threads += n
		states[state]++
		if h.ThreadStates {
			h.countThreads(pid, threadStates)
		}
	}
	if pids == 0 {
		return errNoData
	}
	w.Gauge("node_processes_pids", "Number of PIDs.").Sample(float64(pids))
	w.Gauge("node_processes_threads", "Allocated threads in the system.").Sample(threads)
	count := func(name, help, label string, counts map[string]int) {
		f := w.Gauge(name, help, label)
		for state, n := range counts {
			f.Sample(float64(n), state)
		}
	}
	count("node_processes_state", "Number of processes in each state.", "state", states)
	count("node_processes_threads_state", "Number of threads in each state.", "thread_state", threadStates)
	max, err := h.procNumber("sys/kernel/threads-max")
	if err != nil {
		return err
	}
	w.Gauge("node_processes_max_threads", "Limit of threads in the system.").Sample(max)
	if max, err = h.procNumber("sys/kernel/pid_max"); err != nil {
		return err
	}
	w.Gauge("node_processes_max_processes", "Number of max PIDs limit.").Sample(max)
	return nil
}

// stat reads a process's or thread's stat file: its state and how many threads it has. They are the first and the 18th
// field after the command, which stands in parentheses and may hold any character.
func (h *host) stat(name string) (state string, threads float64, ok bool) {
	text, err := h.procFile(name)
	if err != nil {
		return "", 0, false // gone meanwhile
	}
	i := 0
	for f := range strings.FieldsSeq(text[strings.LastIndexByte(text, ')')+1:]) {
		switch i {
		case 0:
			state = f
		case 17:
			threads, err = number(f)
			return state, threads, err == nil
		}
		i++
	}
	return "", 0, false
}

func (h *host) countThreads(pid string, states map[string]int) {
	tasks, err := list(h.Procfs + "/" + pid + "/task")
	if err != nil {
		return
	}
	for _, tid := range tasks {
		if state, _, ok := h.stat(pid + "/task/" + tid + "/stat"); ok {
			states[state]++
		}
	}
}
