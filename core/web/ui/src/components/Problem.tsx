import { Alert } from "@mantine/core";

interface ProblemProps {
  title: string;
  error: Error;
}

/** What went wrong, in the server's own words. */
export function Problem({ title, error }: ProblemProps) {
  return (
    <Alert color="red" title={title} role="alert">
      <span style={{ fontFamily: "var(--mantine-font-family-monospace)", fontSize: "0.85em", whiteSpace: "pre-wrap" }}>
        {error.message}
      </span>
    </Alert>
  );
}
