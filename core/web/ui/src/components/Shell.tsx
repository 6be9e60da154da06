import { ActionIcon, AppShell, Group, Text, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { basePath } from "../api/client";
import classes from "./Shell.module.css";

const pages = [
  { path: "/query", title: "Query" },
  { path: "/targets", title: "Targets" },
];

/** The frame around every page: the name, the pages, light or dark. */
export function Shell({ children }: { children: ReactNode }) {
  const [location] = useLocation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = colorScheme === "auto" ? "dark" : colorScheme === "dark" ? "light" : "auto";
  return (
    <AppShell header={{ height: 52 }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" gap="lg" wrap="nowrap">
          <Group gap={8} wrap="nowrap">
            <img src={`${basePath}/hearth.svg`} width={26} height={26} alt="" />
            <Text fw={700} size="lg">
              hearth
            </Text>
          </Group>
          <Group component="nav" gap={4} style={{ flex: 1 }} aria-label="Pages">
            {pages.map((p) => (
              <UnstyledButton
                key={p.path}
                component={Link}
                href={p.path}
                className={classes.link}
                aria-current={location.startsWith(p.path) ? "page" : undefined}
              >
                {p.title}
              </UnstyledButton>
            ))}
          </Group>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            onClick={() => setColorScheme(next)}
            aria-label={`Colours: ${colorScheme}. Change to ${next}`}
          >
            {colorScheme === "auto" ? "◐" : colorScheme === "dark" ? "●" : "○"}
          </ActionIcon>
        </Group>
      </AppShell.Header>
      <AppShell.Main>{children}</AppShell.Main>
    </AppShell>
  );
}
