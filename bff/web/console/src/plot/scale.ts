/** Where things of a plot go. Pure. */
import { formatDay, formatHour, formatWeekday } from "../format";

/** The smallest round number of steps that holds `most`, as [0, step, …]; never fewer than one step, counts being whole. */
export function countTicks(most: number, wanted = 3): number[] {
  const raw = Math.max(1, most) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power);
  const steps = Math.max(1, Math.ceil(Math.max(1, most) / step));
  return Array.from({ length: steps + 1 }, (_, number) => number * step);
}

const STEPS = [300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400];

/** Round moments of the reader's own clock between two others, no more than `most` of them. */
export function timeTicks(from: number, to: number, most: number): { at: number; label: string }[] {
  const step = STEPS.find((seconds) => (to - from) / seconds <= most) ?? STEPS[STEPS.length - 1]!;
  const offset = new Date(from * 1000).getTimezoneOffset() * 60;
  const first = Math.ceil((from - offset) / step) * step + offset;
  const ticks = [];
  for (let at = first; at <= to; at += step) ticks.push({ at, label: labelOf(at, step) });
  return ticks;
}

function labelOf(at: number, step: number): string {
  if (step >= 86_400) return formatWeekday(at);
  const hour = formatHour(at);
  return step >= 3 * 3600 && new Date(at * 1000).getHours() === 0 ? formatDay(at) : hour;
}

/** The sums of the series' counts, bucket by bucket, as far as they go. */
export function stack(series: readonly (readonly (readonly [number, number])[])[]): { at: number; parts: { from: number; to: number }[]; total: number }[] {
  return (series[0] ?? []).map(([at], position) => {
    let total = 0;
    const parts = series.map((points) => {
      const from = total;
      total += points[position]?.[1] ?? 0;
      return { from, to: total };
    });
    return { at, parts, total };
  });
}

export const sum = (points: readonly (readonly [number, number])[]) => points.reduce((total, [, count]) => total + count, 0);
export const highest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0);
