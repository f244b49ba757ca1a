/** What the admin API answers. Times: epoch seconds. */

export interface Page<T> {
  items: T[];
  /** For `after`; null on the last page. */
  next: string | null;
}

export interface Me {
  operator: string;
  kind: "session" | "token";
  version: string;
  public_url: string;
  issuer: string;
  client_id: string;
  store: string;
  audit: { sink: string; searchable: boolean };
  claims: Record<string, unknown>;
}

/** Equidistant, oldest first, without gaps: when the bucket begins, and how many. */
export type Series = [at: number, count: number][];

export interface Overview {
  now: number;
  window: number;
  bucket: number;
  live_sessions: number;
  series: Partial<Record<SeriesName, Series>>;
  denials_by_route: { route: string; method: string; reason: string; count: number }[];
  access_token_lifetimes: { rule: number | null; buckets: { le: number | null; count: number }[] };
  findings: Record<Level, number>;
  review: { last_at: number | null; due_at: number | null };
}

export type SeriesName =
  | "sessions"
  | "logins"
  | "login_failures"
  | "logouts"
  | "renewals"
  | "renewal_failures"
  | "denials"
  | "revocations"
  | "calls";

export interface Origin {
  role: string;
  kind: string;
  source: string;
  text: string;
}

export interface Opened {
  route: string;
  methods: string[];
  rule: number | null;
  text: string;
}

export interface SessionItem {
  /** The public handle. */
  session: string;
  subject: string;
  name: string | null;
  roles: string[];
  issuer: string;
  client: string;
  created_at: number;
  idle_expires_at: number | null;
  expires_at: number;
}

export interface SessionDetail extends SessionItem {
  origins: Origin[];
  opens: Opened[];
}

export type RevocationTarget =
  | { session: string }
  | { subject: string }
  | { role: string }
  | { client: string }
  | { issuer: string }
  | { before: number }
  | { all: true };

export interface Revocation {
  matched: number;
  ended: number;
  partial: boolean;
}

export interface Review {
  decision: Decision;
  at: number;
  by: string;
  note: string | null;
}

export interface SubjectItem {
  id: string;
  subject: string;
  name: string | null;
  issuer: string;
  roles: string[];
  origins: Origin[];
  opens: Opened[];
  first_seen_at: number | null;
  last_login_at: number | null;
  last_use_at: number | null;
  live_sessions: number;
  findings: string[];
  review: Review | null;
}

export interface ReviewItem extends SubjectItem {
  /** What is recorded in the review that is open now. */
  decision: Decision | null;
}

export type Decision = "keep" | "revoke";

export interface RouteItem {
  path: string;
  upstream: string;
  token: string;
  csrf: boolean | string;
  websocket: boolean;
  reachable: boolean;
  rules: { position: number; text: string }[];
  findings: (string | Finding)[];
}

export interface Question {
  method: string;
  path: string;
  subject?: string;
  roles?: string[];
  claims?: Record<string, unknown>;
  scope?: string;
  address?: string;
  at?: number;
  session?: string;
}

export interface Verdict {
  outcome: "allow" | "deny" | "step_up" | "no_route";
  route: string | null;
  rule: number | null;
  reason: string | null;
  needed: string | string[] | null;
  roles: string[];
  origins: Origin[];
  steps: { position: number; text: string; fits: boolean; needs: string | string[] | null }[];
  text: string;
}

export type Level = "error" | "warning" | "info";

export interface Finding {
  level: Level;
  rule: string;
  where: string;
  message: string;
  source: string;
  change: string;
}

export interface AuditLine {
  time: number;
  event: string;
  [field: string]: unknown;
}

export interface Verification {
  ok: boolean;
  lines: number;
  problem: { line: number | null; message: string } | null;
}

export interface RecordedReview {
  id: string;
  at: number;
  by: string;
  note: string | null;
  kept: number;
  revoked: number;
  due_at: number | null;
  decisions: { subject: string; issuer: string; decision: Decision; note: string | null }[];
}
