/**
 * The review that is being made. It outlives the view, a reload and a new sign-in: half an hour of looking is not lost to
 * a session that ended. It is kept for one operator and this tab, and holds identifiers and notes, nothing secret.
 */
import type { Decision, ReviewItem } from "./client/shapes";

export interface Decided {
  decision: Decision;
  note: string;
  /** For the summary. */
  name: string;
}
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
export function decide(draft: Draft, { subject, name }: Pick<ReviewItem, "subject" | "name">, change: Partial<Pick<Decided, "decision" | "note">> | null): Draft {
  const { [subject]: before, ...others } = draft;
  if (change === null) return others;
  const decision = change.decision ?? before?.decision;
  if (decision === undefined) return draft; // a note alone is no decision
  return { ...draft, [subject]: { decision, note: change.note ?? before?.note ?? "", name: name || subject } };
}

export function countDraft(draft: Draft): { kept: number; revoked: number; all: number } {
  const all = Object.values(draft);
  const kept = all.filter(({ decision }) => decision === "keep").length;
  return { kept, revoked: all.length - kept, all: all.length };
}

function isDecided(value: unknown): value is Decided {
  if (typeof value !== "object" || value === null) return false;
  const { decision, note, name } = value as Record<string, unknown>;
  return (decision === "keep" || decision === "revoke") && typeof note === "string" && typeof name === "string";
}
