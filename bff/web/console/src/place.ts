/** Where this page is: the API beside it, the way to sign in, and the view that the part behind the `#` names. */
import { buildQuery, type Query } from "./client/exchange";

/** `/bff/console/` becomes `/bff/admin/`. */
export const apiBase = (pathname: string) => pathname.replace(/console\/[^/]*$/, "admin/");

/** Where a session is begun, with the way back to this very view; null on the management listener, which has none. */
export function signInUrl(pathname: string, hash: string): string | null {
  const base = endpointsBase(pathname);
  return base === null ? null : `${base}login?return_to=${encodeURIComponent(pathname + hash)}`;
}

/** Where `user` and its kin are: `/bff/`; null on the management listener, which has none. */
export function endpointsBase(pathname: string): string | null {
  const prefix = pathname.replace(/\/console\/[^/]*$/, "");
  return prefix === "" ? null : `${prefix}/`;
}

export interface Place {
  /** `sessions`, … */
  view: string;
  /** What follows: a session's handle, a subject's id. */
  item: string | null;
  query: Readonly<Record<string, string>>;
}

/** `#/sessions/abc?role=x` in parts. */
export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  return {
    view: view || "overview",
    item: rest.length > 0 && rest[0] !== "" ? decode(rest.join("/")) : null,
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The other way round; what is empty is left out. */
export function buildPlace(view: string, item: string | null = null, query: Query = {}): string {
  return `#/${view}${item === null ? "" : `/${encodeURIComponent(item)}`}${buildQuery(query)}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % that somebody typed
  }
}
