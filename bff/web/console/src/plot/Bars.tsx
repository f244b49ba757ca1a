import type { ReactNode } from "react";
import { formatLength, formatNumber, plural } from "../format";
import { highest } from "./scale";

interface BarItem {
  key: string;
  words: ReactNode;
  count: number;
  tone?: "accent" | "danger";
}

/** Counts side by side: a name, a bar, a number. A list for those who do not see the bars. */
export function Bars({ items, tone = "accent" }: { items: readonly BarItem[]; tone?: "accent" | "danger" }) {
  const most = Math.max(1, highest(items.map(({ count }) => count)));
  return (
    <ul className="bars">
      {items.map(({ key, words, count, tone: own }) => (
        <li key={key}>
          <span className="bars-words">{words}</span>
          <span className="bars-count">{formatNumber(count)}</span>
          <svg className="bars-line" aria-hidden="true" width="100%" height="8">
            <rect className="bar-ground" width="100%" height="8" rx="4" />
            {count > 0 && <rect className={`bar bar-${own ?? tone}`} width={`${Math.max(1, (100 * count) / most)}%`} height="8" rx="4" />}
          </svg>
        </li>
      ))}
    </ul>
  );
}

interface Lifetimes {
  rule: number | null;
  buckets: readonly { le: number | null; count: number }[];
}

/** How long the issuer's access tokens live, beside how long they may: what is beyond the rule is in the alarm's colour. */
export function LifetimeBars({ rule, buckets }: Lifetimes) {
  const total = buckets.reduce((all, { count }) => all + count, 0);
  const beyond = buckets.filter((bucket) => isBeyond(bucket, rule)).reduce((all, { count }) => all + count, 0);
  const longest = [...buckets].reverse().find(({ le }) => le !== null)?.le ?? 0;
  if (total === 0) return <p className="empty">No token has come in this time.</p>;
  return (
    <>
      <p className={beyond > 0 ? "verdict-line verdict-bad" : "verdict-line"}>
        {rule === null ? "No rule limits them." : beyond > 0 ? `${plural(beyond, "token")} of ${formatNumber(total)} beyond the rule of ${formatLength(rule)}.` : `All ${formatNumber(total)} within the rule of ${formatLength(rule)}.`}
      </p>
      <Bars
        items={buckets
          .filter((bucket) => bucket.count > 0 || !isBeyond(bucket, rule))
          .map((bucket) => ({
            key: String(bucket.le),
            words: (
              <>
                {bucket.le === null ? `more than ${formatLength(longest)}` : `up to ${formatLength(bucket.le)}`}
                {bucket.le === rule && <span className="faint"> · the rule</span>}
              </>
            ),
            count: bucket.count,
            tone: isBeyond(bucket, rule) ? ("danger" as const) : ("accent" as const),
          }))}
      />
    </>
  );
}

export function isBeyond({ le }: { le: number | null }, rule: number | null): boolean {
  return rule !== null && (le === null || le > rule);
}
