package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A step is a block of a document that does something: a file that the reader writes, or commands.
type step struct {
	line     int
	file     string // its name; empty for commands
	text     string
	commands []command
}

// A command and what the document says that it prints. … stands for anything. One that prints first "hearth: " fails.
type command struct {
	line   int
	text   string
	output []string
}

// steps finds the blocks: "```LANGUAGE FILE" is a file, "```console" commands after "$ " and their output. Others are for
// the eye.
func steps(document string) []step {
	var out []step
	var s *step
	for i, line := range strings.Split(document, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		language, file, _ := strings.Cut(info, " ")
		switch {
		case fence && s == nil:
			s = &step{line: i + 1, file: file}
			if language != "console" && file == "" {
				s.line = 0
			}
		case fence:
			if s.line > 0 {
				out = append(out, *s)
			}
			s = nil
		case s == nil:
		case s.file != "" || s.line == 0:
			s.text += line + "\n"
		case strings.HasPrefix(line, "$ "):
			s.commands = append(s.commands, command{line: i + 1, text: line[2:]})
		case len(s.commands) > 0:
			c := &s.commands[len(s.commands)-1]
			if strings.HasSuffix(c.text, `\`) {
				c.text += "\n" + line
			} else if line != "" {
				c.output = append(c.output, line)
			}
		}
	}
	return out
}

// script makes a shell script of a document. After each command it prints a mark with the command's number and status.
func script(of []step) (text string, commands []command) {
	var b strings.Builder
	b.WriteString("exec 2>&1 </dev/null\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	for _, s := range of {
		if s.file != "" {
			fmt.Fprintf(&b, "mkdir -p \"$(dirname '%s')\"\ncat > '%[1]s' <<'END OF FILE'\n%sEND OF FILE\n", s.file, s.text)
			continue
		}
		for _, c := range s.commands {
			fmt.Fprintf(&b, "%s\nprintf '\\n@@ %d %%d\\n' $?\n", c.text, len(commands))
			commands = append(commands, c)
		}
	}
	return b.String(), commands
}

var mark = regexp.MustCompile(`\n@@ (\d+) (\d+)\n`)

// follow does what a document says, in an empty folder, with what stands for the places and ports it names.
func follow(t *testing.T, document string, env []string, replace ...string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	source, commands := script(steps(strings.NewReplacer(replace...).Replace(string(text))))
	if len(commands) == 0 {
		t.Fatalf("%s has no commands", document)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", source)
	cmd.Dir = t.TempDir()
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil && ctx.Err() != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	rest := out.String()
	for i, c := range commands {
		at := mark.FindStringSubmatchIndex(rest)
		if at == nil || rest[at[2]:at[3]] != fmt.Sprint(i) {
			t.Fatalf("%s:%d: %s: the shell has ended\n%s", document, c.line, c.text, rest)
		}
		said, status := rest[:at[0]], rest[at[4]:at[5]]
		rest = rest[at[1]:]
		fails := len(c.output) > 0 && strings.HasPrefix(c.output[0], "hearth: ")
		if fails == (status == "0") {
			t.Fatalf("%s:%d: %s ends with %s\n%s", document, c.line, c.text, status, said)
		}
		if missing := unsaid(said, c.output); missing != "" {
			t.Errorf("%s:%d: %s does not print %q but\n%s", document, c.line, c.text, missing, said)
		}
	}
}

// unsaid returns the first of the lines that an output does not have after the one before it.
func unsaid(output string, lines []string) string {
	for _, line := range lines {
		re := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(line)), "…", ".*")
		if strings.TrimSpace(line) == "…" {
			continue
		}
		at := regexp.MustCompile(`(?m)^\s*` + re + `\s*$`).FindStringIndex(output)
		if at == nil {
			return line
		}
		output = output[at[1]:]
	}
	return ""
}

// readerEnv is the environment of somebody who has built hearth from its source, and nothing else.
func readerEnv(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	env := []string{
		"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"npm_config_cache=" + filepath.Join(os.Getenv("HOME"), ".npm"),
		"GOCACHE=" + dirs[0], "GOMODCACHE=" + dirs[1], "GOFLAGS=" + os.Getenv("GOFLAGS"), "GOPROXY=" + os.Getenv("GOPROXY"),
	}
	if os.Getenv("HEARTH_BIN") != "" { // it may lie anywhere
		env = append(env, "HEARTH_SDK="+root)
	}
	return env
}

// TestDocumentsForAuthors does, from an empty folder, all that the documents for authors of plugins tell them to.
func TestDocumentsForAuthors(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "core/docs/plugins/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, d := range documents {
		text, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("```console\n")) {
			continue
		}
		followed++
		t.Run(filepath.Base(d), func(t *testing.T) {
			t.Parallel()
			spool := filepath.Join(t.TempDir(), "spool")
			follow(t, d, readerEnv(t), "127.0.0.1:9090", freeAddr(t), "127.0.0.1:8080", freeAddr(t), "127.0.0.1:9187", freeAddr(t), "/srv/spool", spool)
		})
	}
	if followed < 3 {
		t.Errorf("only %d documents have commands", followed)
	}
}

func TestDocumentsAreRead(t *testing.T) {
	got := steps("# A\n```go main.go\npackage main\n```\n```toml\nx = 1\n```\ntext\n```console\n$ one\n$ two \\\n    more\nsays\n\nthis\n```\n")
	if len(got) != 2 || got[0].file != "main.go" || got[0].text != "package main\n" || len(got[1].commands) != 2 {
		t.Fatalf("got %+v", got)
	}
	if c := got[1].commands[1]; c.text != "two \\\n    more" || len(c.output) != 2 || c.line != 11 {
		t.Errorf("got %+v", c)
	}
	for _, tt := range []struct {
		output string
		lines  []string
		want   string
	}{
		{"a 1.5 b\nc\n", []string{"a … b", "c"}, ""},
		{"a\nc\n", []string{"c", "a"}, "a"},
		{"ab\n", []string{"a"}, "a"},
		{"x (1)\n", []string{"x (1)"}, ""},
	} {
		if got := unsaid(tt.output, tt.lines); got != tt.want {
			t.Errorf("%q of %q: %q", tt.lines, tt.output, got)
		}
	}
}
