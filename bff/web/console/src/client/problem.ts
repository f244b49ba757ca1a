/** A refusal by the admin API (RFC 9457), or the lack of an answer. */

/** A problem document as it came. */
export interface ProblemDocument {
  title?: unknown;
  detail?: unknown;
  code?: unknown;
  request_id?: unknown;
}

/** An answer that is a refusal. `code` is `http_<status>` when the answer named none. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string;

  constructor(
    readonly status: number,
    problem: ProblemDocument,
    /** Seconds after which the server asks to be tried again; null when it did not say. */
    readonly retryAfter: number | null = null,
  ) {
    const title = text(problem.title) || `The server answered ${status}`;
    super(text(problem.detail) || title);
    this.code = text(problem.code) || `http_${status}`;
    this.title = title;
    this.detail = text(problem.detail);
    this.requestId = text(problem.request_id);
  }
}

/** No answer: offline, connection refused or cut. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";

  constructor(what: string, cause: unknown) {
    super(`${what} got no answer`, { cause });
  }
}

/** Turns a refusal into a `ProblemError`, whoever wrote it. */
export async function parseProblem(response: Response): Promise<ProblemError> {
  const after = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new ProblemError(response.status, await parseDocument(response), Number.isFinite(after) ? after : null);
}

/** True for `application/json` and every `application/…+json`. */
export function isJson(response: Response): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(response.headers.get("Content-Type") ?? "");
}

async function parseDocument(response: Response): Promise<ProblemDocument> {
  if (!isJson(response)) return {};
  try {
    const parsed: unknown = await response.json();
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {}; // Still a refusal, with its status: a broken explanation must not hide it.
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
