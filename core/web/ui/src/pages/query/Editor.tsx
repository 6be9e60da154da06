import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "react";
import { basePath } from "../../api/client";
import classes from "./Editor.module.css";

interface EditorProps {
  /** The expression shown; typing does not change it, only a new value from outside does. */
  value: string;
  onChange: (expr: string) => void;
  onRun: () => void;
}

const highlight = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--promql-keyword)", fontWeight: "600" },
  { tag: tags.function(tags.variableName), color: "var(--promql-function)" },
  { tag: tags.labelName, color: "var(--promql-label)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--promql-string)" },
  { tag: tags.number, color: "var(--promql-number)" },
  { tag: tags.comment, color: "var(--mantine-color-dimmed)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--mantine-color-error)" },
]);

/** A PromQL editor with completion from this server; Enter runs, Shift+Enter breaks the line. */
export function Editor({ value, onChange, onRun }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const calls = useRef({ onChange, onRun });
  calls.current = { onChange, onRun };

  // The view is made once; later values reach it through the effect below.
  // biome-ignore lint/correctness/useExhaustiveDependencies: value is only the first text here
  useEffect(() => {
    if (!host.current) return;
    const promql = new PromQLExtension().setComplete({ remote: { url: basePath, httpMethod: "GET" } });
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion(),
          syntaxHighlighting(highlight),
          promql.asExtension(),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "PromQL expression", spellcheck: "false" }),
          placeholder("Expression, such as rate(node_cpu_seconds_total[5m])"),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
          // Below completion's own Enter, above the default one that breaks the line.
          Prec.high(
            keymap.of([
              {
                key: "Enter",
                run: () => {
                  calls.current.onRun();
                  return true;
                },
                shift: (v) => {
                  v.dispatch(v.state.replaceSelection("\n"));
                  return true;
                },
              },
            ]),
          ),
          EditorView.updateListener.of((u) => {
            if (u.docChanged) calls.current.onChange(u.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    made.focus();
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const v = view.current;
    if (v && v.state.doc.toString() !== value)
      v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: value } });
  }, [value]);

  return <div ref={host} className={classes.editor} />;
}
