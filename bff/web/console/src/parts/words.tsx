/** Small things that stand in lines of text. */
import type { ReactNode } from "react";
import { formatDistance, formatExact, formatMoment, formatValue } from "../format";
import { useNow } from "../hooks";
import { buildPlace } from "../place";

/** A moment as people say it, with the exact one to be had. */
export function When({ at, none = "never", as = "distance" }: { at: number | null | undefined; none?: string; as?: "distance" | "moment" }) {
  const now = useNow();
  if (at === null || at === undefined) return <span className="faint">{none}</span>;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={formatExact(at)}>
      {as === "moment" ? formatMoment(at) : formatDistance(at, now)}
    </time>
  );
}

export function Roles({ roles }: { roles: readonly string[] }) {
  if (roles.length === 0) return <span className="faint">none</span>;
  return (
    <span className="chips">
      {roles.map((role) => (
        <span key={role} className="chip">
          {role}
        </span>
      ))}
    </span>
  );
}

/** A person by name, with the identifier that everything else goes by. */
export function Who({ subject, name }: { subject: string; name: string | null }) {
  return (
    <span className="who">
      <strong>{name || subject}</strong>
      {name && name !== subject && <span className="faint mono">{subject}</span>}
    </span>
  );
}

export function Pairs({ of }: { of: readonly (readonly [term: string, value: ReactNode])[] }) {
  return (
    <dl className="pairs">
      {of.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A name and a value of which nothing is known beforehand. */
export const pairsOf = (values: Readonly<Record<string, unknown>>) =>
  Object.entries(values).map(([name, value]) => [name, formatValue(value)] as const);

const FINDINGS: Record<string, string> = {
  unused: "unused",
  role_never_needed: "role never needed",
  role_opens_nothing: "role opens nothing",
  never_used: "never used",
};

/** `unused_90_days` → `unused for 90 days`; `role_never_needed:admin` → `role never needed: admin`. */
export function findingInWords(finding: string): string {
  const [name = "", about] = finding.split(/:(.*)/s);
  const days = /^unused_(\d+)_days$/.exec(name)?.[1];
  const words = days ? `unused for ${days} days` : (FINDINGS[name] ?? name.replaceAll("_", " "));
  return about ? `${words}: ${about}` : words;
}

export function FindingChips({ findings }: { findings: readonly string[] }) {
  if (findings.length === 0) return <span className="faint">–</span>;
  return (
    <span className="chips">
      {findings.map((finding) => (
        <span key={finding} className="chip chip-warn">
          {findingInWords(finding)}
        </span>
      ))}
    </span>
  );
}

export function PlaceLink({ view, item = null, query = {}, children, className }: { view: string; item?: string | null; query?: Record<string, string>; children: ReactNode; className?: string }) {
  return (
    <a className={className} href={buildPlace(view, item, query)}>
      {children}
    </a>
  );
}

/** The same, whether the server says one thing or several. */
export function asList(value: string | readonly string[] | null | undefined): readonly string[] {
  if (value === null || value === undefined || value === "") return [];
  return typeof value === "string" ? [value] : value;
}

/** What begins with a small letter on a terminal begins with a capital on a page. */
export const sentence = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A sentence of the server's, with what stands between backticks as code. */
export function Prose({ text }: { text: string }) {
  return sentence(text)
    .split(/`([^`]*)`/)
    .map((part, position) => (position % 2 === 1 ? <code key={position}>{part}</code> : part));
}
