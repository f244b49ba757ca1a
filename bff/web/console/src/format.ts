/** Numbers and times for people. Times: epoch seconds. */
const NUMBER = new Intl.NumberFormat();
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric" });

export const formatNumber = (value: number) => NUMBER.format(value);
export const formatMoment = (at: number) => MOMENT.format(at * 1000);
export const formatExact = (at: number) => EXACT.format(at * 1000);
export const formatClock = (at: number) => CLOCK.format(at * 1000);
export const formatHour = (at: number) => HOUR.format(at * 1000);
export const formatDay = (at: number) => DAY.format(at * 1000);
export const formatWeekday = (at: number) => WEEKDAY.format(at * 1000);

/** `1 session`, `2,400 sessions`. */
export const plural = (count: number, one: string, many = `${one}s`) => `${formatNumber(count)} ${count === 1 ? one : many}`;

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** A length of time, in its largest unit and the next one where it matters: `2 h 30 min`, `5 min`, `1 d`. */
export function formatLength(seconds: number): string {
  let left = Math.max(0, Math.round(seconds));
  const words: string[] = [];
  for (const [size, name] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) words.push(`${count} ${name}`);
    if (words.length === 2 || (words.length === 1 && count === 0)) break;
  }
  return words.join(" ") || "0 s";
}

/** How far a moment is, in one unit: `3 min ago`, `in 12 d`, `now`. */
export function formatDistance(at: number, now: number): string {
  const distance = Math.abs(at - now);
  const [size, name] = UNITS.find(([seconds]) => distance >= seconds) ?? [1, "s"];
  if (distance < 5) return "now";
  // What is past is counted in full units, what is to come to the nearest: a session of 12 h does not begin with 11.
  return at < now ? `${Math.floor(distance / size)} ${name} ago` : `in ${Math.round(distance / size)} ${name}`;
}

/** A value of an audit line or a claim. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(formatValue).join(", ") || "none";
  if (value === null || value === undefined || value === "") return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** For `<input type="datetime-local">`, in the reader's own time zone; empty for nothing. */
export function toLocalInput(at: string | undefined): string {
  const seconds = Number(at);
  if (!at || !Number.isFinite(seconds)) return "";
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Epoch seconds of what such an input holds; null for nothing. */
export function fromLocalInput(value: string): number | null {
  const at = new Date(value).getTime();
  return Number.isNaN(at) ? null : Math.floor(at / 1000);
}

const STAMP = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** For columns of times: always as wide, and to the second. */
export const formatStamp = (at: number) => STAMP.format(at * 1000);
