/**
 * The review that is being made. It outlives the view, a reload and a new sign-in: half an hour of looking is not lost to
 * a session that ended. It is kept for one operator and this tab, and holds identifiers and notes, nothing secret.
 */
import type { Decision, ReviewItem } from "./client/shapes";

export interface Decided {
  decision: Decision;
  note: string;
  subject: string;
  issuer: string;
  /** For the summary. */
  name: string;
}
/** By the `id` of the worksheet's line: two issuers may have a subject of one name. */
export type Draft = Readonly<Record<string, Decided>>;

export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const keyOf = (operator: string) => `bff-review:${operator}`;

export function readDraft(store: Store, operator: string): Draft {
  try {
    const parsed: unknown = JSON.parse(store.getItem(keyOf(operator)) ?? "{}");
    return Object.fromEntries(Object.entries(parsed ?? {}).filter((entry): entry is [string, Decided] => isDecided(entry[1])));
  } catch {
    return {}; // another version's, or none: the review begins anew
  }
}

export function writeDraft(store: Store, operator: string, draft: Draft): void {
  try {
    if (Object.keys(draft).length === 0) store.removeItem(keyOf(operator));
    else store.setItem(keyOf(operator), JSON.stringify(draft));
  } catch {
    // A browser that keeps nothing: the draft lives in this page alone.
  }
}

/** Decides on one subject; null takes it back. */
export function decide(draft: Draft, { id, subject, issuer, name }: Pick<ReviewItem, "id" | "subject" | "issuer" | "name">, change: Partial<Pick<Decided, "decision" | "note">> | null): Draft {
  const { [id]: before, ...others } = draft;
  if (change === null) return others;
  const decision = change.decision ?? before?.decision;
  if (decision === undefined) return draft; // a note alone is no decision
  return { ...draft, [id]: { decision, note: change.note ?? before?.note ?? "", subject, issuer, name: name || subject } };
}

export function countDraft(draft: Draft): { kept: number; revoked: number; all: number } {
  const all = Object.values(draft);
  const kept = all.filter(({ decision }) => decision === "keep").length;
  return { kept, revoked: all.length - kept, all: all.length };
}

/** The server takes no more at once; what is left stays in the draft. */
export const MOST_AT_ONCE = 1000;

export const firstOf = (draft: Draft): Draft => Object.fromEntries(Object.entries(draft).slice(0, MOST_AT_ONCE));

export function without(draft: Draft, recorded: Draft): Draft {
  return Object.fromEntries(Object.entries(draft).filter(([id]) => !(id in recorded)));
}

function isDecided(value: unknown): value is Decided {
  if (typeof value !== "object" || value === null) return false;
  const { decision, ...texts } = value as Record<string, unknown>;
  return (decision === "keep" || decision === "revoke") && ["note", "subject", "issuer", "name"].every((name) => typeof texts[name] === "string");
}
