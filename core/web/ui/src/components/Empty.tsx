import { Center, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** Said where there is nothing to show, with what to do about it. */
export function Empty({ children }: { children: ReactNode }) {
  return (
    <Center mih={140}>
      <Text c="dimmed" ta="center" maw={520}>
        {children}
      </Text>
    </Center>
  );
}
