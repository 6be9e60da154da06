import type { Target } from "../../api/targets";

/** The targets of one job, failing ones first. */
export interface Pool {
  name: string;
  targets: Target[];
  up: number;
}

const rank = { down: 0, unknown: 1, up: 2 };

/** Groups targets by job; jobs with failing targets first, then by name. */
export function pools(targets: Target[]): Pool[] {
  const byName = new Map<string, Target[]>();
  for (const t of targets) byName.set(t.scrapePool, [...(byName.get(t.scrapePool) ?? []), t]);
  const out = [...byName].map(([name, list]) => ({
    name,
    targets: list.sort((a, b) => rank[a.health] - rank[b.health] || a.scrapeUrl.localeCompare(b.scrapeUrl)),
    up: list.filter((t) => t.health === "up").length,
  }));
  const failing = (p: Pool) => (p.up < p.targets.length ? 0 : 1);
  return out.sort((a, b) => failing(a) - failing(b) || a.name.localeCompare(b.name));
}

/** The targets of a health state ("all" is each) whose labels, address or error contain the text. */
export function matching(targets: Target[], state: string, text: string): Target[] {
  const needle = text.trim().toLowerCase();
  return targets.filter((t) => {
    if (state !== "all" && t.health !== state) return false;
    if (needle === "") return true;
    const labels = Object.entries(t.labels).map(([k, v]) => `${k}=${v}`);
    return [t.scrapeUrl, t.lastError, ...labels].some((s) => s.toLowerCase().includes(needle));
  });
}
