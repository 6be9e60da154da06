import { Table, Text } from "@mantine/core";
import type { QueryResult } from "../../api/query";
import { Empty } from "../../components/Empty";
import { formatSeries, formatTime } from "../../lib/format";

const shownRows = 1000;

/** The result of an instant query: one row a series, values as the server wrote them. */
export function ResultTable({ result }: { result: QueryResult }) {
  const rows = toRows(result);
  if (rows.length === 0) return <Empty>No series at this time. Look at an earlier end, or at the matchers.</Empty>;
  return (
    <>
      <Table striped highlightOnHover aria-label="Query result">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Series</Table.Th>
            <Table.Th ta="right">Value</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.slice(0, shownRows).map((r) => (
            <Table.Tr key={r.name}>
              <Table.Td ff="monospace" fz="sm" style={{ overflowWrap: "anywhere" }}>
                {r.name}
              </Table.Td>
              <Table.Td ff="monospace" fz="sm" ta="right" style={{ whiteSpace: "pre-line" }}>
                {r.value}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {rows.length > shownRows && (
        <Text size="sm" c="dimmed" mt="xs">
          {rows.length} series, the first {shownRows} shown.
        </Text>
      )}
    </>
  );
}

function toRows(r: QueryResult): { name: string; value: string }[] {
  switch (r.resultType) {
    case "vector":
      return r.result.map((e) => ({ name: formatSeries(e.metric), value: e.value[1] }));
    case "matrix":
      return r.result.map((e) => ({
        name: formatSeries(e.metric),
        value: e.values.map(([t, v]) => `${v} @ ${formatTime(t)}`).join("\n"),
      }));
    default:
      return [{ name: r.resultType, value: r.result[1] }];
  }
}
