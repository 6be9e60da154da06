import { Anchor, Badge, Card, Group, Stack, Table, Text, Title } from "@mantine/core";
import type { Target } from "../../api/targets";
import { formatAgo, formatSpan } from "../../lib/format";
import type { Pool } from "./pools";

const colors = { up: "teal", down: "red", unknown: "gray" };

/** One job: how many of its targets are up, and a row for each. */
export function PoolCard({ pool }: { pool: Pool }) {
  const well = pool.up === pool.targets.length;
  return (
    <Card withBorder padding="md" component="section" aria-label={`Job ${pool.name}`}>
      <Group mb="xs">
        <Title order={4}>{pool.name}</Title>
        <Badge color={well ? "teal" : "red"} variant="light">
          {pool.up} of {pool.targets.length} up
        </Badge>
      </Group>
      <Table.ScrollContainer minWidth={760}>
        <Table aria-label={`Targets of ${pool.name}`} verticalSpacing="xs" layout="fixed">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Endpoint</Table.Th>
              <Table.Th w={115}>Health</Table.Th>
              <Table.Th w="28%">Labels</Table.Th>
              <Table.Th w={120}>Last scrape</Table.Th>
              <Table.Th w={95}>Took</Table.Th>
              <Table.Th w={80}>Every</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {pool.targets.map((t) => (
              <TargetRow key={JSON.stringify([t.scrapeUrl, t.labels])} target={t} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function TargetRow({ target: t }: { target: Target }) {
  return (
    <Table.Tr>
      <Table.Td ff="monospace" fz="sm">
        {/^https?:/.test(t.scrapeUrl) ? (
          <Anchor href={t.scrapeUrl} inherit style={{ overflowWrap: "anywhere" }}>
            {t.scrapeUrl}
          </Anchor>
        ) : (
          t.scrapeUrl
        )}
        {t.lastError && (
          <Text size="sm" c="red" style={{ overflowWrap: "anywhere" }}>
            {t.lastError}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Badge color={colors[t.health]}>{t.health}</Badge>
      </Table.Td>
      <Table.Td>
        <Stack gap={2}>
          {Object.entries(t.labels)
            .sort(([a], [b]) => a.localeCompare(b))
            .map(([k, v]) => (
              <Text key={k} ff="monospace" fz="xs">
                {k}="{v}"
              </Text>
            ))}
        </Stack>
      </Table.Td>
      <Table.Td fz="sm">{formatAgo(Date.parse(t.lastScrape), Date.now())}</Table.Td>
      <Table.Td fz="sm">{formatSpan(t.lastScrapeDuration)}</Table.Td>
      <Table.Td fz="sm">{t.scrapeInterval}</Table.Td>
    </Table.Tr>
  );
}
