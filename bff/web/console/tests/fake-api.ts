/** An admin API out of thin air, with the shapes of the real one: for trying the page out, and for its tests. */
import type {
  AuditLine,
  Finding,
  Origin,
  Opened,
  RecordedReview,
  ReviewItem,
  RouteItem,
  Series,
  SessionDetail,
  SubjectItem,
  Verdict,
} from "../src/client/shapes";

export interface Answer {
  status: number;
  body: unknown;
}

const NAMES = "Alice Arden,Bob Birch,Carla Cedar,Dmitri Dogwood,Elif Elm,Femi Fir,Greta Gorse,Hugo Hazel,Ines Ivy,Jonas Juniper,Kira Kapok,Liam Larch,Mona Maple,Nils Nutmeg,Olga Oak,Pia Pine,Quentin Quince,Rosa Rowan,Sami Spruce,Tara Teak".split(",");
const ISSUER = "https://id.example.com";
const HOUR = 3600;
const DAY = 24 * HOUR;

const OPENS: Record<string, Opened[]> = {
  admin: [
    { route: "/api/orders", methods: ["DELETE", "POST"], rule: 2, text: "POST, DELETE /api/orders by rule 2" },
    { route: "/api/reports", methods: ["GET"], rule: 1, text: "GET /api/reports by rule 1" },
  ],
  reader: [{ route: "/api/orders", methods: ["GET", "HEAD"], rule: 1, text: "GET, HEAD /api/orders by rule 1" }],
  billing: [{ route: "/api/invoices", methods: ["GET", "POST"], rule: 1, text: "GET, POST /api/invoices by rule 1" }],
  archivist: [],
};

export class FakeApi {
  readonly subjects: SubjectItem[];
  sessions: SessionDetail[];
  readonly reviews: RecordedReview[] = [];
  readonly audit: AuditLine[];
  readonly calls: { method: string; path: string; body: unknown }[] = [];
  /** What `GET /me` says when it is not yes. */
  refuse: Answer | null = null;

  constructor(readonly now: number) {
    this.subjects = NAMES.map((name, number) => this.makeSubject(name, number));
    this.sessions = this.subjects.flatMap((subject, number) =>
      Array.from({ length: subject.live_sessions }, (_, nth) => this.makeSession(subject, number, nth)),
    );
    this.audit = Array.from({ length: 230 }, (_, number) => this.makeLine(number));
    this.reviews.push({
      id: "r-1",
      at: now - 61 * DAY,
      by: "Alice Arden",
      note: "Third quarter",
      kept: 2,
      revoked: 1,
      due_at: now + 29 * DAY,
      decisions: [
        { subject: "bob.birch", issuer: ISSUER, decision: "keep", note: null },
        { subject: "carla.cedar", issuer: ISSUER, decision: "keep", note: null },
        { subject: "zoe.zelkova", issuer: ISSUER, decision: "revoke", note: "Has left" },
      ],
    });
  }

  answer(method: string, path: string, query: URLSearchParams, body: Record<string, unknown> = {}): Answer {
    this.calls.push({ method, path, body });
    if (this.refuse !== null) return this.refuse;
    const [kind = "", item] = path.split("/").map(decodeURIComponent);
    const filters = Object.fromEntries(query);
    switch (`${method} ${kind}`) {
      case "GET me":
        return ok({
          operator: "Alice Arden", kind: "session", version: "0.1.0", public_url: "https://app.example.com", issuer: ISSUER,
          client_id: "spa", store: "redis", audit: { sink: "file", searchable: true }, claims: { sub: "alice.arden", email: "alice@example.com" },
        });
      case "GET overview":
        return ok(this.overview(Number(query.get("window") ?? DAY)));
      case "GET sessions": {
        if (item !== undefined) return found(this.sessions.find(({ session }) => session === item));
        return ok(pageOf(this.sessions.filter((one) => fits(one, filters)), query));
      }
      case "POST revocations":
        return this.revoke(body);
      case "GET subjects":
        if (item !== undefined) return found(this.subjects.find(({ id }) => id === item));
        return ok(pageOf(this.subjects.filter((one) => fits(one, filters, this.now)), query));
      case "GET review":
        return ok(pageOf(this.subjects.filter((one) => fits(one, filters, this.now)).map((one): ReviewItem => ({ ...one, decision: null })), query));
      case "GET review.csv":
        return { status: 200, body: "subject,roles\r\n" };
      case "GET routes":
        return ok({ items: ROUTES, next: null });
      case "GET findings":
        return ok({ items: FINDINGS, next: null });
      case "GET audit":
        return ok(pageOf(this.audit.filter((line) => fitsLine(line, filters)), query));
      case "POST audit":
        return ok({ ok: true, lines: 48_213, problem: null });
      case "POST decisions":
        return ok(decide(body));
      case "GET reviews":
        return ok(pageOf(this.reviews, query));
      case "POST reviews":
        return this.record(body);
      default:
        return problem(404, "not_found", "Not found", "There is no such thing.");
    }
  }

  private makeSubject(name: string, number: number): SubjectItem {
    const roles = number === 0 ? ["admin", "reader"] : number % 7 === 3 ? ["billing", "reader"] : number === 11 ? ["archivist", "reader"] : ["reader"];
    const idle = number % 6 === 4;
    const used = this.now - (idle ? (92 + number) * DAY : number * 977);
    return {
      id: `s-${number}`,
      subject: name.toLowerCase().replace(" ", "."),
      name,
      issuer: ISSUER,
      roles,
      origins: roles.map(originOf),
      opens: roles.flatMap((role) => OPENS[role] ?? []),
      first_seen_at: this.now - (200 + number) * DAY,
      last_login_at: used - 2 * HOUR,
      last_use_at: used,
      live_sessions: idle ? 0 : 1 + (number % 3),
      findings: [...(idle ? ["unused_90_days"] : []), ...(roles.includes("archivist") ? ["role_opens_nothing:archivist"] : []), ...(number % 7 === 3 ? ["role_never_needed:billing"] : [])],
      review: number < 3 ? { decision: "keep", at: this.now - 61 * DAY, by: "Alice Arden", note: null } : null,
    };
  }

  private makeSession(subject: SubjectItem, number: number, nth: number): SessionDetail {
    const created = this.now - number * 977 - nth * 4321;
    return {
      session: `h${number}-${nth}-Jx7Qm2`,
      subject: subject.subject,
      name: subject.name,
      roles: subject.roles,
      issuer: subject.issuer,
      client: "spa",
      created_at: created,
      idle_expires_at: this.now + 1800 - ((number * 97) % 1500),
      expires_at: created + 12 * HOUR,
      origins: subject.origins,
      opens: subject.opens,
    };
  }

  private makeLine(number: number): AuditLine {
    const who = this.subjects[number % this.subjects.length]!;
    const kinds = ["access.denied", "login.done", "renewal.done", "login.failed", "logout.done", "admin.act", "login.done"];
    const event = kinds[number % kinds.length]!;
    const base = { time: this.now - number * 341 - 12, event, request_id: `01J${(98_765_432 + number * 7).toString(36).toUpperCase()}`, subject: who.subject };
    if (event === "access.denied") return { ...base, session: `h${number % 20}-0-Jx7Qm2`, method: "DELETE", route: "/api/orders", rule: 2, reason: "role_missing", outcome: "denied", client: "203.0.113.7" };
    if (event === "login.failed") return { ...base, subject: null, reason: "provider_access_denied", outcome: "failed", client: "198.51.100.23" };
    if (event === "admin.act") return { ...base, subject: "alice.arden", act: "revocation", matched: 1, outcome: "ok", client: "203.0.113.2" };
    return { ...base, session: `h${number % 20}-0-Jx7Qm2`, outcome: "ok", client: "203.0.113.7" };
  }

  private overview(window: number) {
    const bucket = window <= HOUR ? 60 : window <= DAY ? 900 : 7200;
    const count = Math.floor(window / bucket);
    const start = Math.floor(this.now / bucket) * bucket - (count - 1) * bucket;
    const curve = (scale: number, seed: number, floor = 0): Series =>
      Array.from({ length: count }, (_, at) => {
        const time = start + at * bucket;
        const day = Math.max(0, Math.sin(((time % DAY) / DAY) * 2 * Math.PI - 1.9));
        const noise = Math.abs(Math.sin(time / bucket * 12.9898 + seed * 78.233) * 43758.5453) % 1;
        return [time, Math.round(floor + scale * day * (0.7 + 0.6 * noise) + (noise > 0.93 ? scale * 0.15 : 0))];
      });
    return {
      now: this.now, window, bucket, live_sessions: this.sessions.length,
      series: {
        sessions: [...curve(this.sessions.length * 0.8, 1, 9).slice(0, -1), [start + (count - 1) * bucket, this.sessions.length]],
        logins: curve(14, 2), login_failures: curve(2.2, 3), logouts: curve(7, 4), renewals: curve(60, 5),
        renewal_failures: curve(0.7, 6), denials: curve(5, 7), revocations: curve(0.6, 8), calls: curve(4200, 9, 120),
      },
      denials_by_route: [
        { route: "/api/orders", method: "DELETE", reason: "role_missing", count: 118 },
        { route: "/api/reports", method: "GET", reason: "role_missing", count: 41 },
        { route: "/api/invoices", method: "POST", reason: "scope_missing", count: 17 },
        { route: "/api/users", method: "GET", reason: "not_own", count: 6 },
      ],
      access_token_lifetimes: {
        rule: 3600,
        buckets: [{ le: 60, count: 0 }, { le: 300, count: 214 }, { le: 900, count: 96 }, { le: 1800, count: 12 }, { le: 3600, count: 31 }, { le: 7200, count: 4 }, { le: null, count: 0 }],
      },
      findings: { error: 1, warning: 2, info: 1 },
      review: { last_at: this.now - 61 * DAY, due_at: this.now + 29 * DAY },
    };
  }

  private revoke(body: Record<string, unknown>): Answer {
    const matching = this.sessions.filter((one) => matches(one, body));
    if (body["dry_run"] === true) return ok({ matched: matching.length, ended: 0, partial: false });
    this.sessions = this.sessions.filter((one) => !matching.includes(one));
    return ok({ matched: matching.length, ended: matching.length, partial: false });
  }

  private record(body: Record<string, unknown>): Answer {
    const decisions = body["decisions"] as { subject: string; decision: "keep" | "revoke"; note: string }[];
    const review: RecordedReview = {
      id: `r-${this.reviews.length + 1}`, at: this.now, by: "Alice Arden", note: String(body["note"] ?? ""), due_at: this.now + 90 * DAY,
      kept: decisions.filter(({ decision }) => decision === "keep").length,
      revoked: decisions.filter(({ decision }) => decision === "revoke").length,
      decisions: decisions.map((one) => ({ ...one, issuer: ISSUER })),
    };
    this.reviews.unshift(review);
    return { status: 201, body: review };
  }
}

function originOf(role: string): Origin {
  if (role === "billing") return { role, kind: "assignment", source: "assignments.csv:4", text: "billing: assigned until 31 December by assignments.csv, line 4" };
  return { role, kind: "claim", source: "realm_access.roles", text: `${role}: from the claim realm_access.roles of the ID token` };
}

function pageOf<T>(items: T[], query: URLSearchParams) {
  const [start, limit] = [Number(query.get("after") ?? 0), Number(query.get("limit") ?? 50)];
  return { items: items.slice(start, start + limit), next: start + limit < items.length ? String(start + limit) : null };
}

function fits(one: SessionDetail | SubjectItem, filters: Record<string, string>, now = 0): boolean {
  const unused = "last_use_at" in one && filters["unused_days"] ? (one.last_use_at ?? 0) < now - Number(filters["unused_days"]) * DAY : true;
  const finding = "findings" in one && filters["finding"] ? one.findings.some((name) => name.split(":")[0] === filters["finding"]) : true;
  const named = !filters["q"] || `${one.subject} ${one.name}`.toLowerCase().includes(filters["q"].toLowerCase());
  return (!filters["subject"] || one.subject === filters["subject"]) && (!filters["role"] || one.roles.includes(filters["role"])) && unused && finding && named;
}

function fitsLine(line: AuditLine, filters: Record<string, string>): boolean {
  const same = ["event", "subject", "session", "route", "outcome"].every((field) => !filters[field] || line[field] === filters[field]);
  const since = !filters["since"] || line.time >= Number(filters["since"]);
  return same && since && (!filters["q"] || JSON.stringify(line).toLowerCase().includes(filters["q"].toLowerCase()));
}

function matches(one: SessionDetail, body: Record<string, unknown>): boolean {
  if ("session" in body) return one.session === body["session"];
  if ("subject" in body) return one.subject === body["subject"];
  if ("role" in body) return one.roles.includes(String(body["role"]));
  if ("client" in body) return one.client === body["client"];
  if ("issuer" in body) return one.issuer === body["issuer"];
  if ("before" in body) return one.created_at < Number(body["before"]);
  return body["all"] === true;
}

function decide(body: Record<string, unknown>): Verdict {
  const roles = (body["roles"] as string[] | undefined) ?? [];
  const path = String(body["path"]);
  const write = ["POST", "DELETE"].includes(String(body["method"]));
  if (!path.startsWith("/api/orders")) {
    return { outcome: "no_route", route: null, rule: null, reason: null, needed: null, roles, origins: [], steps: [], text: `${body["method"]} ${path}\nno route: nothing is configured for this path` };
  }
  const allowed = roles.includes("admin") || (!write && roles.includes("reader"));
  return {
    outcome: allowed ? "allow" : "deny", route: "/api/orders", rule: allowed ? (write ? 2 : 1) : null, reason: allowed ? null : "role_missing",
    needed: allowed ? null : "one of the roles admin", roles, origins: roles.map(originOf),
    steps: [
      { position: 1, text: "allow GET, HEAD for reader or admin", fits: allowed && !write, needs: write ? "the method GET or HEAD" : allowed ? null : "one of the roles reader, admin" },
      { position: 2, text: "allow POST, DELETE for admin", fits: allowed && write, needs: write ? (allowed ? null : "one of the roles admin") : "the method DELETE or POST" },
    ],
    text: `${body["method"]} ${path}\nroute /api/orders\n${allowed ? `allowed by rule ${write ? 2 : 1}` : "denied: a role is missing"}\n  1. allow GET, HEAD for reader or admin: ${write ? "needs the method GET or HEAD" : "fits, and decides"}\n  2. allow POST, DELETE for admin: ${write ? (allowed ? "fits, and decides" : "needs one of the roles admin") : "needs the method DELETE or POST"}`,
  };
}

const ROUTES: RouteItem[] = [
  { path: "/api/orders", upstream: "http://orders.internal:9001/v1/orders", token: "user", csrf: "header", websocket: false, reachable: true, findings: [],
    rules: [{ position: 1, text: "allow GET, HEAD for reader or admin" }, { position: 2, text: "allow POST, DELETE for admin" }] },
  { path: "/api/invoices", upstream: "http://billing.internal:9002/invoices", token: "user", csrf: "header", websocket: false, reachable: true, findings: [],
    rules: [{ position: 1, text: "allow GET, POST for billing with scope invoices" }] },
  { path: "/api/reports", upstream: "http://reports.internal:9003/", token: "user", csrf: "origin", websocket: false, reachable: true, findings: ["csrf_weaker"],
    rules: [{ position: 1, text: "allow GET for admin" }] },
  { path: "/api/users/{sub}", upstream: "http://users.internal:9004/users", token: "user", csrf: "header", websocket: true, reachable: false, findings: ["route_unreachable"],
    rules: [{ position: 1, text: "deny all outside 07:00-19:00 Europe/Berlin" }, { position: 2, text: "allow GET for path {sub} == claim sub" }] },
];

const FINDINGS: Finding[] = [
  { level: "error", rule: "jwt_personal_data", where: "access_token: national_id", message: "An access token carries what looks like a national identity number.", source: "RFC 8725 §2.7", change: "Take the claim out of the access token at the issuer, or have the API ask userinfo for it." },
  { level: "warning", rule: "csrf_weaker", where: "api[2].csrf", message: "The route takes calls without the X-CSRF header when their origin vouches for them.", source: "ASVS 5.0 3.5.1", change: "Leave csrf = \"header\" unless it serves downloads or images." },
  { level: "warning", rule: "session_long", where: "session.absolute_timeout", message: "A session may last 12 h.", source: "ASVS 5.0 7.3.2", change: "8h covers a working day." },
  { level: "info", rule: "role_unused", where: "roles: archivist", message: "No rule names the role archivist, which one subject holds.", source: "ASVS 5.0 8.1.1", change: "Name it in a rule, or stop handing it out." },
];

const ok = (body: unknown): Answer => ({ status: 200, body });
const found = (body: unknown): Answer => (body === undefined ? problem(404, "not_found", "Not found", "There is no such thing.") : ok(body));
export const problem = (status: number, code: string, title: string, detail: string): Answer => ({
  status,
  body: { type: `urn:bff:problem:${code}`, title, status, detail, code, request_id: "req-1" },
});
