package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/hearth-project/hearth/core/tsdb/tools"
)

// table prints rows of columns side by side; those after the first left ones are numbers, to the right.
func table(w io.Writer, left int, rows [][]string) error {
	widths := map[int]int{}
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], len(c))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range r {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-len(c))
			if i < left {
				b.WriteString(c + pad)
			} else {
				b.WriteString(pad + c)
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// size prints a number of bytes for people.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.*f %s", map[bool]int{true: 1, false: 0}[f < 100], f, units[i])
}

func number[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// clock prints a time in milliseconds.
func clock(t int64) string { return time.UnixMilli(t).UTC().Format("2006-01-02 15:04:05Z") }

func printListing(w io.Writer, l tools.Listing) error {
	rows := [][]string{{"PART", "STATE", "FROM", "TO", "LEVEL", "SERIES", "SAMPLES", "BYTES", "B/SAMPLE"}}
	var live, other int
	var bytes, samples int64
	for _, p := range l.Parts {
		if p.State == tools.Live {
			live++
			bytes += p.Bytes
			samples += p.Samples
		} else {
			other++
		}
		if p.Samples == 0 {
			rows = append(rows, []string{p.Name, p.State, "", "", "", "", "", size(p.Bytes), ""})
			continue
		}
		rows = append(rows, []string{p.Name, p.State, clock(p.MinTime), clock(p.MaxTime), number(p.Level), number(p.Series),
			number(p.Samples), size(p.Bytes), perSample(p.Bytes, p.Samples)})
	}
	h := l.Head
	files := h.SnapshotBytes + h.TilesBytes + h.LogBytes
	if h.Loaded && h.Samples > 0 {
		rows = append(rows, []string{"head", "", clock(h.MinTime), clock(h.MaxTime), "", number(h.Series), number(h.Samples), size(files), perSample(files, h.Samples)})
	} else {
		rows = append(rows, []string{"head", "", "", "", "", "", "", size(files), ""})
	}
	if err := table(w, 4, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d live parts with %d samples in %s", live, samples, size(bytes))
	if other > 0 {
		fmt.Fprintf(w, "; %d other directories, see STATE", other)
	}
	fmt.Fprintf(w, "\nhead: checkpoint %d (%s), %d tile files (%s), log of %d segments (%s)\n", h.Snapshot, size(h.SnapshotBytes),
		h.Tiles, size(h.TilesBytes), h.Segments, size(h.LogBytes))
	if h.TornBytes > 0 {
		fmt.Fprintf(w, "the log ends with %s of an unfinished write: one under way, or one that a crash tore; no sample in it was acknowledged\n", size(h.TornBytes))
	}
	problems := l.Problems
	for _, p := range l.Parts {
		if p.Problem != "" {
			problems = append(problems, p.State+": "+p.Problem)
		}
	}
	return list(w, "\nproblems (hearth tsdb verify finds all places):", problems)
}

func perSample(bytes, samples int64) string {
	if samples == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(bytes)/float64(samples))
}

// list prints lines below a title, nothing if there are none.
func list[T any](w io.Writer, title string, lines []T) error {
	if len(lines) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, title); err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, " ", l); err != nil {
			return err
		}
	}
	return nil
}

func printVerified(w io.Writer, v tools.Verified) error {
	if err := list(w, "set aside earlier, not looked at:", v.SetAside); err != nil {
		return err
	}
	if v.Torn > 0 {
		fmt.Fprintf(w, "the log ends with %s of an unfinished write: no damage, no sample in it was acknowledged\n", size(v.Torn))
	}
	if len(v.Findings) == 0 {
		_, err := fmt.Fprintf(w, "all good: %d parts and the head, %s read\n", v.Parts, size(v.Bytes))
		return err
	}
	if err := list(w, "DAMAGED:", v.Findings); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d damaged places; %d parts and the head, %s read\n"+
		"Nothing is changed. The server serves what is not damaged. To have it set aside for good, stop the server and run\n"+
		"  hearth tsdb repair --data %s\nor with --dry-run now, to see what that would cost.\n", len(v.Findings), v.Parts, size(v.Bytes), v.Dir)
	return err
}

func printAnalysis(w io.Writer, a tools.Analysis) error {
	if a.Series == 0 {
		fmt.Fprintln(w, "there are no samples")
		return list(w, "\nproblems:", a.Problems)
	}
	fmt.Fprintf(w, "%s to %s\n%d series, %d of them ended; %d samples\n", clock(a.MinTime), clock(a.MaxTime), a.Series, a.Ended, a.Samples)
	if a.InParts > 0 {
		fmt.Fprintf(w, "parts: %s for %d samples, %.3f bytes each; of that %s index, %s times and directories of groups\n",
			size(a.PartBytes), a.InParts, a.PerSample(), size(a.Index), size(a.Shared))
	}
	rows := [][]string{{"METRIC", "SERIES", "ENDED", "SAMPLES", "BYTES"}}
	for _, m := range a.Metrics {
		name := m.Name
		if name == "" {
			name = "(no name)"
		}
		rows = append(rows, []string{name, number(m.Series), number(m.Ended), number(m.Samples), size(m.Bytes)})
	}
	fmt.Fprintln(w, "\nmetrics, by bytes in parts:")
	if err := table(w, 1, rows); err != nil {
		return err
	}
	rows = [][]string{{"LABEL", "MOST COMMON VALUE", "ITS SERIES", "VALUES", "SERIES", "ENDED"}}
	for _, l := range a.Labels {
		most := l.Most
		if len(most) > 40 {
			most = most[:37] + "..."
		}
		rows = append(rows, []string{l.Name, most, number(l.Share), number(l.Values), number(l.Series), number(l.Ended)})
	}
	fmt.Fprintln(w, "\nlabels, by different values:")
	if err := table(w, 2, rows); err != nil {
		return err
	}
	rows = [][]string{{"RANGE", "FROM", "TO", "SERIES", "NEW", "SAMPLES", "BYTES"}}
	for _, r := range a.Ranges {
		bytes := size(r.Bytes)
		if r.Name == "head" {
			bytes = ""
		}
		rows = append(rows, []string{r.Name, clock(r.MinTime), clock(r.MaxTime), number(r.Series), number(r.New), number(r.Samples), bytes})
	}
	fmt.Fprintln(w, "\nchurn, range by range:")
	if err := table(w, 3, rows); err != nil {
		return err
	}
	return list(w, "\nproblems (what they hide is not counted):", a.Problems)
}

func printRepaired(w io.Writer, r tools.Repaired) error {
	if len(r.Found) == 0 {
		fmt.Fprintln(w, "no damage was found")
	} else if err := list(w, "found:", r.Found); err != nil {
		return err
	}
	title := "done:"
	if r.Dry {
		title = "would be done (this was a dry run, nothing is changed):"
	}
	if err := list(w, title, r.Done); err != nil {
		return err
	}
	if len(r.Lost) > 0 {
		rows := [][]string{{"  PART", "FROM", "TO", "SERIES", "SAMPLES", "SAVED", "LOST"}}
		for _, l := range r.Lost {
			if !l.Known {
				rows = append(rows, []string{"  " + l.Part, "not known", "", "", "", number(l.Saved), ""})
				continue
			}
			rows = append(rows, []string{"  " + l.Part, clock(l.MinTime), clock(l.MaxTime), number(l.Series), number(l.Samples),
				number(l.Saved), number(l.Samples - l.Saved)})
		}
		fmt.Fprintln(w, "damaged parts:")
		if err := table(w, 3, rows); err != nil {
			return err
		}
	}
	if r.Cells > 0 {
		fmt.Fprintf(w, "lost from the log, besides what the damaged bytes held: %d samples that are written against them\n", r.Cells)
	}
	if err := list(w, "what the start said:", r.Notes); err != nil {
		return err
	}
	if err := list(w, "STILL DAMAGED:", r.Remain); err != nil {
		return err
	}
	if len(r.Remain) == 0 && !r.Dry {
		_, err := fmt.Fprintln(w, "the database is whole: start the server")
		return err
	}
	return nil
}

func printCopied(w io.Writer, c tools.Copied) error {
	_, err := fmt.Fprintf(w, "%s has %d parts and the head, %s; files that never change are links where the file system can\n"+
		"serve it with: hearth serve --data %s\n", c.To, c.Parts, size(c.Bytes), c.To)
	return err
}
