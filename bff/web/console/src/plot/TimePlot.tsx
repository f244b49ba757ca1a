import { type KeyboardEvent, type PointerEvent, useId, useState } from "react";
import type { Series } from "../client/shapes";
import { formatDay, formatHour, formatNumber } from "../format";
import { useWidth } from "../hooks";
import { countTicks, highest, stack, sum, timeTicks } from "./scale";

const HEIGHT = 168;
const ROOM = { top: 10, right: 4, bottom: 24, left: 40 };

export interface Line {
  name: string;
  tone: "accent" | "danger" | "second";
  points: Series;
}

interface Props {
  title: string;
  kind: "area" | "bars";
  lines: readonly Line[];
  /** Seconds that one point stands for. */
  bucket: number;
  /** What the number beside the name says while nothing is pointed at: the last count, or the sum of all. */
  tells: "last" | "sum";
}

/**
 * Counts over time. The legend is the read-out: pointing at a moment, or going there with the arrow keys, shows its
 * counts. The same numbers stand in a table for those who do not see the picture.
 */
export function TimePlot({ title, kind, lines, bucket, tells }: Props) {
  const [follow, width] = useWidth<HTMLDivElement>();
  const [picked, setPicked] = useState<number | null>(null);
  const caption = useId();
  const count = lines[0]?.points.length ?? 0;
  const last = count - 1;
  const at = picked === null ? null : Math.min(picked, last);

  const stacks = stack(lines.map(({ points }) => points));
  const ticks = countTicks(highest(stacks.map(({ total }) => total)));
  const most = ticks[ticks.length - 1]!;
  const inner = { width: Math.max(0, width - ROOM.left - ROOM.right), height: HEIGHT - ROOM.top - ROOM.bottom };
  const slot = inner.width / Math.max(1, count);
  const first = stacks[0]?.at ?? 0;
  const x = (time: number) => ROOM.left + ((time - first) / bucket) * slot;
  const y = (value: number) => ROOM.top + inner.height * (1 - value / most);

  function point(event: PointerEvent<SVGSVGElement>): void {
    const left = event.clientX - event.currentTarget.getBoundingClientRect().left - ROOM.left;
    setPicked(Math.max(0, Math.min(last, Math.floor(left / slot))));
  }

  function step(event: KeyboardEvent): void {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    setPicked((before) => Math.max(0, Math.min(last, (before ?? last + (move < 0 ? 1 : 0)) + move)));
  }

  return (
    <figure className="plot" aria-labelledby={caption}>
      <figcaption className="plot-head">
        <h2 id={caption}>{title}</h2>
        <p className="legend" aria-live="polite">
          {at !== null && <span className="legend-when">{momentOf(stacks[at]?.at ?? 0, bucket, count * bucket)}</span>}
          {lines.map(({ name, tone, points }) => (
            <span key={name} className={`legend-item legend-${tone}`}>
              {name} <strong>{formatNumber(at === null ? (tells === "sum" ? sum(points) : (points[last]?.[1] ?? 0)) : (points[at]?.[1] ?? 0))}</strong>
            </span>
          ))}
        </p>
      </figcaption>
      <div ref={follow} className="plot-frame">
        {width > 0 && (
          <svg
            width={width}
            height={HEIGHT}
            role="img"
            aria-label={`${title}: ${summary(lines, tells)}. Arrow keys go from moment to moment.`}
            tabIndex={0}
            onPointerMove={point}
            onPointerLeave={() => setPicked(null)}
            onKeyDown={step}
            onBlur={() => setPicked(null)}
          >
            {ticks.map((tick) => (
              <g key={tick}>
                <line className="grid" x1={ROOM.left} x2={width - ROOM.right} y1={y(tick)} y2={y(tick)} />
                <text className="tick" x={ROOM.left - 8} y={y(tick)} dy="0.32em" textAnchor="end">
                  {formatNumber(tick)}
                </text>
              </g>
            ))}
            {timeTicks(first, first + count * bucket, Math.max(2, Math.floor(inner.width / 70))).map(({ at: time, label }) => (
              <text key={time} className="tick" x={clamp(x(time), ROOM.left + 14, width - 18)} y={HEIGHT - 6} textAnchor="middle">
                {label}
              </text>
            ))}
            {stacks.every(({ total }) => total === 0) && (
              <text className="plot-none" x={ROOM.left + inner.width / 2} y={ROOM.top + inner.height / 2} textAnchor="middle">
                None in this time
              </text>
            )}
            {at !== null && <rect className="picked" x={ROOM.left + at * slot} y={ROOM.top} width={slot} height={inner.height} />}
            {kind === "bars"
              ? stacks.map(({ at: time, parts }) =>
                  parts.map(({ from, to }, part) =>
                    to > from ? (
                      <rect
                        key={`${time}-${lines[part]!.name}`}
                        className={`bar bar-${lines[part]!.tone}`}
                        x={x(time) + Math.min(1.5, slot * 0.15)}
                        width={Math.max(1, slot - 2 * Math.min(1.5, slot * 0.15))}
                        y={y(to)}
                        height={Math.max(1.5, y(from) - y(to))}
                        rx={Math.min(2, slot / 5)}
                      />
                    ) : null,
                  ),
                )
              : lines.map(({ name, tone, points }) => {
                  const path = points.map(([time, value]) => `${(x(time) + slot / 2).toFixed(1)},${y(value).toFixed(1)}`);
                  const [left, right] = [ROOM.left + slot / 2, ROOM.left + (count - 0.5) * slot];
                  return (
                    <g key={name} className={`area-${tone}`}>
                      <polygon className="area" points={`${left},${y(0)} ${path.join(" ")} ${right},${y(0)}`} />
                      <polyline className="area-line" points={path.join(" ")} />
                      {at !== null && <circle className="area-dot" cx={ROOM.left + (at + 0.5) * slot} cy={y(points[at]?.[1] ?? 0)} r={4} />}
                    </g>
                  );
                })}
          </svg>
        )}
      </div>
      <div className="unseen">
        <table>
          <caption>{title}</caption>
          <thead>
            <tr>
              <th scope="col">From</th>
              {lines.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {stacks
              .filter(({ total }) => total > 0)
              .map(({ at: time, parts }) => (
                <tr key={time}>
                  <th scope="row">{momentOf(time, bucket, count * bucket)}</th>
                  {parts.map(({ from, to }, part) => (
                    <td key={lines[part]!.name}>{to - from}</td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

function momentOf(at: number, bucket: number, window: number): string {
  const hours = `${formatHour(at)}–${formatHour(at + bucket)}`;
  return window > 86_400 ? `${formatDay(at)}, ${hours}` : hours;
}

function summary(lines: readonly Line[], tells: Props["tells"]): string {
  return lines
    .map(({ name, points }) => {
      const counts = points.map(([, value]) => value);
      const most = `at most ${formatNumber(highest(counts))} at once`;
      return tells === "sum" ? `${name} ${formatNumber(sum(points))} in all` : `${name} ${formatNumber(counts[counts.length - 1] ?? 0)} now, ${most}`;
    })
    .join(", ");
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
