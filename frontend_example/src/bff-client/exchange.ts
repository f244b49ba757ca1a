/** One call and its answer: the headers bff asks for, JSON both ways, refusals as errors, and one patient repetition. */
import { isJson, NetworkError, parseProblem, ProblemError } from "./problem";

/** A 503 that asks for more patience than this (seconds) is handed to the caller instead of waited for. */
const LONGEST_WAIT = 10;

export interface RequestOptions {
  method?: string;
  /** Sent as JSON. */
  json?: unknown;
  headers?: Record<string, string>;
  /** An abort rejects with the signal's reason, not with a `NetworkError`. */
  signal?: AbortSignal | undefined;
}

/**
 * Sends one call and gives the parsed JSON, or undefined for an answer without a body.
 * A GET that meets 503 with Retry-After is repeated once. A write never is: it may have been done.
 *
 * @throws ProblemError, NetworkError
 */
export async function exchange<T>(fetch: typeof globalThis.fetch, path: string, options: RequestOptions): Promise<T> {
  try {
    return await exchangeOnce<T>(fetch, path, options);
  } catch (error) {
    if (!isWorthRepeating(error, options.method)) throw error;
    await pause(error.retryAfter, options.signal);
    return exchangeOnce<T>(fetch, path, options);
  }
}

async function exchangeOnce<T>(
  fetch: typeof globalThis.fetch,
  path: string,
  { method = "GET", json, headers, signal }: RequestOptions,
): Promise<T> {
  const target = checkOwnPath(path);
  try {
    const response = await fetch(target, {
      method,
      headers: {
        Accept: "application/json",
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
        "X-CSRF": "1",
      },
      body: json === undefined ? null : JSON.stringify(json),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "manual", // bff never redirects a call; following one would carry the call somewhere unasked.
      signal: signal ?? null,
    });
    if (isRedirect(response)) throw new ProblemError(response.status, UNEXPECTED_REDIRECT);
    if (!response.ok) throw await parseProblem(response);
    const body = await response.text();
    return (body === "" ? undefined : parseBody(response, body)) as T;
  } catch (error) {
    if (error instanceof ProblemError || signal?.aborted) throw error;
    throw new NetworkError(method, target, error);
  }
}

/** Lets through only a path on this origin: the cookie and the CSRF header are for nobody else. */
export function checkOwnPath(path: string): string {
  // Resolved as the browser would: `//host`, `/\host` and a tab between the slashes all leave the origin.
  if (path.startsWith("/") && new URL(path, location.origin).origin === location.origin) return path;
  throw new TypeError(`Not a path on this origin: ${path}`);
}

const UNEXPECTED_REDIRECT = {
  code: "unexpected_redirect",
  title: "The call was redirected",
  detail: "bff answers calls and never redirects them; something in front of it does.",
};
const UNEXPECTED_ANSWER = {
  code: "unexpected_answer",
  title: "The answer was not JSON",
  detail: "Is this path routed to an API?",
};

function isRedirect(response: Response): boolean {
  return response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400);
}

function isWorthRepeating(error: unknown, method = "GET"): error is ProblemError & { retryAfter: number } {
  if (!(error instanceof ProblemError) || method !== "GET" || error.status !== 503) return false;
  return error.retryAfter !== null && error.retryAfter <= LONGEST_WAIT;
}

function parseBody(response: Response, body: string): unknown {
  if (!isJson(response)) throw new ProblemError(response.status, UNEXPECTED_ANSWER);
  try {
    return JSON.parse(body);
  } catch {
    throw new ProblemError(response.status, UNEXPECTED_ANSWER);
  }
}

function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(finish, seconds * 1000);
    function finish() {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    }
    function giveUp() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}
