/** One call to the admin API and its answer. */
import { isJson, NetworkError, parseProblem, ProblemError } from "./problem";

export type Query = Record<string, string | number | null | undefined>;

export interface Call {
  method?: "GET" | "POST";
  query?: Query;
  /** Sent as JSON. */
  json?: unknown;
  signal?: AbortSignal | undefined;
}

/** Where the API is and who asks. `token` is empty on the public listener, where the session's cookie speaks. */
export interface Door {
  /** The API's path, with the slash at its end. */
  base: string;
  token: () => string;
  fetch: typeof globalThis.fetch;
}

/**
 * Sends one call and gives the answer.
 * @throws ProblemError, NetworkError; an abort rejects with the signal's reason
 */
export async function send(door: Door, path: string, { method = "GET", query, json, signal }: Call): Promise<Response> {
  const target = door.base + path + buildQuery(query ?? {});
  const token = door.token();
  try {
    const response = await door.fetch(target, {
      method,
      headers: {
        Accept: "application/json",
        "X-CSRF": "1",
        ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: json === undefined ? null : JSON.stringify(json),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error", // the API never redirects; the token must follow nobody who does
      signal: signal ?? null,
    });
    if (!response.ok) throw await parseProblem(response);
    return response;
  } catch (error) {
    if (error instanceof ProblemError || signal?.aborted) throw error;
    throw new NetworkError(`${method} ${path}`, error);
  }
}

/** As `send`, with the answer's JSON. */
export async function exchange<T>(door: Door, path: string, call: Call = {}): Promise<T> {
  const response = await send(door, path, call);
  if (!isJson(response)) throw new ProblemError(response.status, UNEXPECTED);
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw new ProblemError(response.status, UNEXPECTED);
  }
}

/** `?a=1&b=2` without what is empty; nothing at all when everything is. */
export function buildQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, String(value));
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}

const UNEXPECTED = {
  code: "unexpected_answer",
  title: "The answer was not JSON",
  detail: "Something between this page and bff answered in its place.",
};
