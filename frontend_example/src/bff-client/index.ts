/**
 * Talks to bff from the browser: JSON with the CSRF header, problem documents as typed errors, the session as a value.
 *
 * Holds no token, because the browser has none: the session is an HttpOnly cookie that this code cannot read.
 * No framework and no dependency.
 */
import { checkOwnPath, exchange, type RequestOptions } from "./exchange";
import { openNews } from "./news";
import { ProblemError } from "./problem";

export type { RequestOptions } from "./exchange";
export { NetworkError, ProblemError } from "./problem";
export type { BffProblemCode, ClientProblemCode, ProblemCode, ProblemDocument } from "./problem";

/** The signed-in user, as `GET /bff/user` tells it. */
export interface User {
  sub: string;
  name?: string | null;
  roles: string[];
  /** `id` is a public handle; the times are seconds from now. */
  session: { id: string; expires_in: number; idle_expires_in: number };
  logout_url: string;
  /** Every further claim that the server's configuration lets through. */
  [claim: string]: unknown;
}

export interface BffClientOptions {
  /** Where bff's own endpoints are. Default `/bff`. */
  prefix?: string;
  /** Default: the page's own. */
  fetch?: typeof globalThis.fetch;
  /** Called once when calls find the session gone, however many fail. Default: sign in and come back to this place. */
  onSignedOut?: (problem: ProblemError) => void;
  /** How the page is left for a login or logout. Default `location.assign`. */
  navigate?: (url: string) => void;
}

/** Wishes to the OpenID provider that `/bff/login` passes on. */
export interface LoginOptions {
  prompt?: string;
  login_hint?: string;
  acr_values?: string;
  /** Seconds since the user last proved who they are. */
  max_age?: number;
  ui_locales?: string;
  /** Ask for a session that outlives the browser, where the server has such. */
  remember?: boolean;
}

export interface WatchOptions {
  /** Milliseconds between two looks at the session while the tab is visible. Default 15 000. */
  interval?: number;
  /** A look that failed. It says nothing about the session, so `callback` is not called and the watch goes on. */
  onError?: (error: unknown) => void;
}

export type BffClient = ReturnType<typeof createBffClient>;

type CallOptions = Omit<RequestOptions, "method" | "json">;

const SIGNED_OUT = "signed-out";
/** After another login of this browser has replaced a session, the new cookie may take so long (milliseconds) to come. */
const COOKIE_ON_THE_WAY = 1_000;
/** Milliseconds after which a page that was to be left, and is still there, has been kept. */
const LEAVING_TAKES = 10_000;

export function createBffClient({
  prefix = "/bff",
  fetch = (...call) => globalThis.fetch(...call),
  navigate = (url) => location.assign(url),
  onSignedOut,
}: BffClientOptions = {}) {
  /** What has already been acted on, so that ten failing calls lead to one reaction. */
  const announced = new Set<"signed-out" | "step-up">();
  /** Each ends one `watchSession`. */
  const watchers = new Set<() => void>();
  /** This tab is signing out: what it is told of that on its way is no news. */
  let leaving = false;
  const channelName = `bff:${prefix}`;
  let channel: BroadcastChannel | null = null; // Open only while somebody watches.

  /**
   * Sends one call and gives the parsed JSON. A lost session or a step-up demanded by the API is acted on, and thrown.
   *
   * @throws ProblemError, NetworkError
   */
  async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    try {
      return await exchange<T>(fetch, path, options);
    } catch (error) {
      if (error instanceof ProblemError) react(error);
      throw error;
    }
  }

  /** The user, or null when signed out. `slide: false` looks without counting as activity. */
  async function user({ slide = true, signal }: { slide?: boolean; signal?: AbortSignal } = {}): Promise<User | null> {
    const begunAfterLoss = announced.size > 0;
    try {
      const found = await exchange<User>(fetch, `${prefix}/user${slide ? "" : "?slide=false"}`, { signal });
      // Only an answer asked for after the loss proves a new session; an older one may just have been slow.
      if (begunAfterLoss) announced.clear();
      return found;
    } catch (error) {
      if (error instanceof ProblemError && error.status === 401) return null;
      throw error;
    }
  }

  /** Leaves for the provider. The user comes back to `returnTo`, a path on this origin; default: where they are now. */
  function login(returnTo: string = here(), options: LoginOptions = {}): void {
    const query = new URLSearchParams({ return_to: returnTo });
    for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value));
    navigate(`${prefix}/login?${query}`);
  }

  /** Ends the session here, at the provider and in every other tab. Leaves the page. */
  async function logout(returnTo?: string): Promise<void> {
    // Asked afresh: after a login in another tab the handle of an earlier session would be refused.
    const found = await user({ slide: false });
    tellOtherTabs();
    leaving = true;
    setTimeout(() => (leaving = false), LEAVING_TAKES);
    if (found === null) return navigate(returnTo ?? "/");
    const suffix = returnTo === undefined ? "" : `&return_to=${encodeURIComponent(returnTo)}`;
    navigate(checkOwnPath(found.logout_url) + suffix);
  }

  /**
   * Calls back with the user now and at every interval, and with null once when the session ends: told by the
   * server's events (then with the reason), or found by looking, by a refused call, or by another tab. Rests while the
   * tab is hidden and, once signed out, until it is shown again.
   *
   * @returns a function that stops the watch.
   */
  function watchSession(
    callback: (user: User | null, reason?: string) => void,
    { interval = 15_000, onError }: WatchOptions = {},
  ): () => void {
    let known: User | null | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let news: EventSource | null = null;
    let round = 0; // The answer to an earlier round is out of date: the session ended or the watch stopped meanwhile.

    async function look(): Promise<void> {
      clearTimeout(timer);
      if (document.hidden) return hush(); // A browser has few connections to spare for tabs that nobody sees.
      const mine = ++round;
      // Two-armed, so that a fault in the caller's own callback is not taken for a failed look.
      await user({ slide: false }).then(
        (found) => goOn(mine, () => report(found)),
        (error: unknown) => goOn(mine, () => onError?.(error)),
      );
    }

    function goOn(mine: number, tell: () => void): void {
      if (mine !== round) return;
      timer = setTimeout(look, interval);
      tell();
    }

    function report(found: User | null): void {
      if (found === null) {
        if (leaving) return;
        if (known) tellOtherTabs();
        return end();
      }
      known = found;
      listen();
      callback(found);
    }

    function listen(): void {
      if (document.hidden || (news !== null && news.readyState !== EventSource.CLOSED)) return;
      news = openNews(`${prefix}/events`, { onEnded: hear, onChanged: () => void look() });
    }

    function hush(): void {
      news?.close();
      news = null;
    }

    function hear(reason: string): void {
      if (leaving) return;
      if (reason === "replaced") {
        round += 1;
        clearTimeout(timer);
        timer = setTimeout(look, COOKIE_ON_THE_WAY);
        return;
      }
      tellOtherTabs();
      end(reason);
    }

    function end(reason?: string): void {
      round += 1;
      clearTimeout(timer);
      hush();
      if (known === null) return;
      known = null;
      callback(null, reason);
    }

    function stop(): void {
      round += 1;
      clearTimeout(timer);
      hush();
      watchers.delete(endUntold);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("pageshow", lookIfRestored);
      if (watchers.size > 0) return;
      channel?.close();
      channel = null;
    }

    // Going back in history can bring the page alive as it was left, its session long gone.
    function lookIfRestored(event: PageTransitionEvent): void {
      if (!event.persisted) return;
      leaving = false;
      void look();
    }

    const endUntold = () => end();
    watchers.add(endUntold);
    channel ??= openChannel();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("pageshow", lookIfRestored);
    void look();
    return stop;
  }

  function react(problem: ProblemError): void {
    switch (problem.code) {
      case "session_required":
      case "session_expired":
      case "session_elsewhere":
        if (problem.status !== 401 || leaving || announced.has("signed-out")) return;
        announced.add("signed-out");
        tellOtherTabs();
        endWatches();
        return onSignedOut ? onSignedOut(problem) : login();
      case "step_up_required":
        if (announced.has("step-up")) return;
        announced.add("step-up");
        return login(here(), stepUpOptions(problem));
    }
  }

  function tellOtherTabs(): void {
    const open = channel ?? new BroadcastChannel(channelName);
    open.postMessage(SIGNED_OUT);
    if (open !== channel) open.close();
  }

  function openChannel(): BroadcastChannel {
    const opened = new BroadcastChannel(channelName);
    opened.onmessage = ({ data }) => {
      if (data === SIGNED_OUT) endWatches();
    };
    return opened;
  }

  function endWatches(): void {
    for (const end of watchers) end();
  }

  return {
    request,
    get: <T>(path: string, options?: CallOptions) => request<T>(path, { ...options, method: "GET" }),
    post: <T>(path: string, json?: unknown, options?: CallOptions) =>
      request<T>(path, { ...options, method: "POST", json }),
    delete: <T = void>(path: string, options?: CallOptions) => request<T>(path, { ...options, method: "DELETE" }),
    user,
    login,
    logout,
    watchSession,
  };
}

function here(): string {
  return location.pathname + location.search + location.hash;
}

function stepUpOptions({ problem }: ProblemError): LoginOptions {
  const options: LoginOptions = {};
  if (typeof problem.acr_values === "string") options.acr_values = problem.acr_values;
  if (typeof problem.max_age === "number") options.max_age = problem.max_age;
  return options;
}
