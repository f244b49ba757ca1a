/** The admin API as this page uses it: one function a call. */
import { type Door, exchange, type Query, send } from "./exchange";
import type * as shapes from "./shapes";

export const PAGE_SIZE = 50;
/** A search through very much answers with few items, even none, and a cursor to go on from. */
const ENOUGH = 20;
const MOST_ROUNDS = 20;

export type Api = ReturnType<typeof createApi>;

export function createApi(door: Door) {
  const get = <T>(path: string, query: Query, signal?: AbortSignal) => exchange<T>(door, path, { query, signal });
  const page = async <T>(path: string, query: Query, signal?: AbortSignal): Promise<shapes.Page<T>> => {
    let { items, next } = await get<shapes.Page<T>>(path, { limit: PAGE_SIZE, ...query }, signal);
    for (let round = 1; round < MOST_ROUNDS && next !== null && items.length < ENOUGH; round++) {
      const more: shapes.Page<T> = await get(path, { limit: PAGE_SIZE, ...query, after: next }, signal);
      items = [...items, ...more.items];
      next = more.next;
    }
    return { items, next };
  };
  const post = <T>(path: string, json: unknown) => exchange<T>(door, path, { method: "POST", json });

  return {
    me: (signal?: AbortSignal) => get<shapes.Me>("me", {}, signal),
    // It refreshes itself, and must not keep the session of a page that nobody looks at from ending.
    overview: (window: number, signal?: AbortSignal) => get<shapes.Overview>("overview", { window, slide: "false" }, signal),
    sessions: (query: Query, signal?: AbortSignal) => page<shapes.SessionItem>("sessions", query, signal),
    session: (handle: string, signal?: AbortSignal) =>
      get<shapes.SessionDetail>(`sessions/${encodeURIComponent(handle)}`, {}, signal),
    countRevocation: (target: shapes.RevocationTarget, signal?: AbortSignal) =>
      exchange<shapes.Revocation>(door, "revocations", { method: "POST", json: { ...target, dry_run: true }, signal }),
    revoke: (target: shapes.RevocationTarget, note: string) =>
      post<shapes.Revocation>("revocations", { ...target, ...(note === "" ? {} : { note }) }),
    subjects: (query: Query, signal?: AbortSignal) => page<shapes.SubjectItem>("subjects", query, signal),
    subject: (id: string, signal?: AbortSignal) =>
      get<shapes.SubjectItem>(`subjects/${encodeURIComponent(id)}`, {}, signal),
    routes: (signal?: AbortSignal) => get<shapes.Page<shapes.RouteItem>>("routes", {}, signal),
    decide: (question: shapes.Question) => post<shapes.Verdict>("decisions", question),
    findings: (signal?: AbortSignal) => get<shapes.Page<shapes.Finding>>("findings", {}, signal),
    audit: (query: Query, signal?: AbortSignal) => page<shapes.AuditLine>("audit", query, signal),
    verifyAudit: () => post<shapes.Verification>("audit/verification", {}),
    review: (query: Query, signal?: AbortSignal) => page<shapes.ReviewItem>("review", query, signal),
    reviewCsv: async (query: Query) => (await send(door, "review.csv", { query })).blob(),
    reviews: (query: Query, signal?: AbortSignal) => page<shapes.RecordedReview>("reviews", query, signal),
    recordReview: (note: string, decisions: { subject: string; issuer: string; decision: shapes.Decision; note: string }[]) =>
      post<shapes.RecordedReview>("reviews", { note, decisions }),
  };
}
