import { useQuery } from "@tanstack/react-query";
import { ask, type Labels } from "./client";

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: "up" | "down" | "unknown";
  scrapeInterval: string;
  scrapeTimeout: string;
}

interface Targets {
  activeTargets: Target[];
  droppedTargetCounts?: Record<string, number>;
}

/** The targets hearth scrapes now, fetched again every five seconds. */
export function useTargets() {
  return useQuery({
    queryKey: ["targets"],
    queryFn: async ({ signal }) => (await ask<Targets>("targets?state=active", undefined, signal)).data,
    refetchInterval: 5000,
  });
}
