/** Numbers and times for people. */
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param ms epoch milliseconds */
export const formatClock = (ms: number) => CLOCK.format(ms);
/** @param ms epoch milliseconds */
export const formatMoment = (ms: number) => MOMENT.format(ms);

/** `11 h 59 min`, `4 min 07 s`, `42 s`: never more than two units. */
export function formatDuration(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(left / 86_400), Math.floor(left / 3_600) % 24, Math.floor(left / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  if (minutes > 0) return `${minutes} min ${two(left % 60)} s`;
  return `${left} s`;
}

/** A fixed length of time, without the empty unit that keeps a countdown from jumping: `1 min`, not `1 min 00 s`. */
export const formatLength = (seconds: number) => formatDuration(seconds).replace(/ 0+ \w+$/, "");

export const plural = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

function two(value: number): string {
  return String(value).padStart(2, "0");
}
