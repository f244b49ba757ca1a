/**
 * What can go wrong with a call, as two typed errors.
 *
 * `ProblemError`: somebody answered, with a refusal. `NetworkError`: nobody answered.
 */

/** The codes of bff's own problem documents (RFC 9457). They are stable: branch on these, not on titles. */
export type BffProblemCode =
  | "session_required"
  | "session_expired"
  | "session_elsewhere"
  | "csrf_header_required"
  | "cross_site_request"
  | "access_denied"
  | "route_not_found"
  | "bad_request_target"
  | "body_too_large"
  | "upstream_unreachable"
  | "upstream_timeout"
  | "session_store_unavailable"
  | "session_from_newer_version"
  | "issuer_unavailable"
  | "token_rejected"
  | "step_up_required";

/** What this client itself says about an answer that is neither JSON nor a problem document. */
export type ClientProblemCode = "unexpected_redirect" | "unexpected_answer";

/** APIs behind bff bring codes of their own, hence any string; editors still complete the known ones. */
export type ProblemCode = BffProblemCode | ClientProblemCode | (string & {});

/** A problem document as it came, with whatever members its author added. */
export interface ProblemDocument {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: ProblemCode;
  [member: string]: unknown;
}

/** An answer that is a refusal. `code` is `http_<status>` when the answer named none. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly code: ProblemCode;
  readonly type: string;
  readonly title: string;
  readonly detail: string;

  constructor(
    readonly status: number,
    /** The whole document, for members that only some problems have (`acr_values`, `errors`, …). */
    readonly problem: ProblemDocument,
    /** Seconds after which the server asks to be tried again; null when it did not say. */
    readonly retryAfter: number | null = null,
  ) {
    const title = text(problem.title) || `The server answered ${status}`;
    super(text(problem.detail) || title);
    this.code = text(problem.code) || `http_${status}`;
    this.type = text(problem.type) || "about:blank";
    this.title = title;
    this.detail = text(problem.detail);
  }
}

/** No answer: offline, connection refused or cut, name not found. `cause` is what fetch threw. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";

  constructor(
    readonly method: string,
    readonly path: string,
    cause: unknown,
  ) {
    super(`${method} ${path} got no answer`, { cause });
  }
}

/** Turns a refusal into a `ProblemError`, whoever wrote it: bff, an API, or a gateway that only speaks HTML. */
export async function parseProblem(response: Response): Promise<ProblemError> {
  const retryAfter = parseRetryAfter(response.headers.get("Retry-After"), Date.now());
  const document = isJson(response) ? parseDocument(await response.text()) : {};
  return new ProblemError(response.status, document, retryAfter);
}

/** Seconds to wait, from either form of the header (RFC 9110 §10.2.3); null when absent or unreadable. */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - nowMs) / 1000));
}

/** True for `application/json` and every `application/…+json`. */
export function isJson(response: Response): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(response.headers.get("Content-Type") ?? "");
}

function parseDocument(body: string): ProblemDocument {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === "object" && parsed !== null ? (parsed as ProblemDocument) : {};
  } catch {
    return {}; // Still a refusal, with its status: a broken explanation must not hide it.
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
