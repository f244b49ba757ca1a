/** Audit lines in words. */
import type { AuditLine } from "./client/shapes";

const WORDS: Readonly<Record<string, string>> = {
  "login.done": "Signed in",
  "login.failed": "Sign-in failed",
  "logout.done": "Signed out",
  "logout.backchannel": "Signed out by the issuer",
  "renewal.done": "Tokens renewed",
  "renewal.refused": "Renewal refused",
  "access.denied": "Call denied",
  "access.allowed": "Call allowed",
  "token_rule_violated": "Token rule violated",
  "tokens.revoked": "Tokens revoked",
  "tokens.revocation_failed": "Token revocation failed",
  "session.revoked": "Session revoked",
  "session.displaced": "Ended by a newer sign-in",
  "session.elsewhere": "Seen in another browser",
  "sessions.revoked": "Sessions revoked",
  "admin.act": "Operator’s act",
  "review.recorded": "Review recorded",
  roles_cut: "Roles cut",
  "assignments.read": "Assignments read",
  "assignments.unreadable": "Assignments unreadable",
  "configuration.loaded": "Configuration loaded",
  "configuration.changed": "Configuration changed",
  "keys.changed": "Keys changed",
  "audit.opened": "Log opened",
};

export const EVENTS: readonly string[] = Object.keys(WORDS);
const CHAIN: ReadonlySet<string> = new Set(["chain", "key", "prev", "mac"]);

/** What is not known here is shown by its own name. */
export const eventInWords = (event: string): string => WORDS[event] ?? event;

export function outcomeOf(line: AuditLine): string {
  return text(line["outcome"]) || "ok";
}

export function subjectOf(line: AuditLine): string {
  return text(line["operator"]) || text(line["subject"]) || "–";
}

/** What it was about, in one line: the call and why, the act and on whom, the reason. */
export function whatOf(line: AuditLine): string {
  const call = [line["method"], line["route"]].map(text).filter(Boolean).join(" ");
  const act = text(line["act"]);
  const target = act ? text(line["target"]) : "";
  const why = ["reason", "rule", "by"].map((name) => text(line[name])).find(Boolean) ?? "";
  return [call, [act, target].filter(Boolean).join(" "), why.replaceAll("_", " ")].filter(Boolean).join(" · ");
}

/** Every field but the time, what makes the chain last. */
export function fieldsOf(line: AuditLine): (readonly [name: string, value: unknown])[] {
  const fields = Object.entries(line).filter(([name]) => name !== "time");
  return [...fields.filter(([name]) => !CHAIN.has(name)), ...fields.filter(([name]) => CHAIN.has(name))];
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  return value === null || value === undefined ? "" : JSON.stringify(value);
}
