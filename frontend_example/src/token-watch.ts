/** Asks the demo API once a second who it sees, and notices when the access token behind the call became a new one. */
import { useEffect, useReducer, useState } from "react";
import { fetchWhoami, type Whoami } from "./api";

export interface TokenWatch {
  whoami: Whoami | null;
  /** When `whoami` arrived, epoch milliseconds. */
  seenAt: number;
  renewals: number;
  /** Epoch milliseconds. */
  lastRenewalAt: number | null;
  /** What the last question met instead of an answer. */
  error: unknown;
}

export type TokenNews = { whoami: Whoami; at: number } | { error: unknown };

export const NOTHING_SEEN: TokenWatch = { whoami: null, seenAt: 0, renewals: 0, lastRenewalAt: null, error: null };

export function nextTokenWatch(watch: TokenWatch, news: TokenNews): TokenWatch {
  if ("error" in news) return { ...watch, error: news.error };
  const { whoami, at } = news;
  const known = watch.whoami?.token;
  // A worker that has not yet heard of the renewal still calls with the old token, for a moment.
  if (known && whoami.token.issued_at < known.issued_at) return { ...watch, error: null };
  const renewed = known !== undefined && known.expires_at !== whoami.token.expires_at;
  return {
    whoami,
    seenAt: at,
    renewals: watch.renewals + (renewed ? 1 : 0),
    lastRenewalAt: renewed ? at : watch.lastRenewalAt,
    error: null,
  };
}

const EVERY = 1_000;
const AFTER_TROUBLE = 3_000;

/** @param active false stops asking, for instance when the session is over. */
export function useTokenWatch(active: boolean): { watch: TokenWatch; retry: () => void } {
  const [watch, tell] = useReducer(nextTokenWatch, NOTHING_SEEN);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    if (!active) return;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;

    async function ask() {
      clearTimeout(timer);
      if (asking || document.hidden) return;
      asking = true;
      let pause = EVERY;
      try {
        const whoami = await fetchWhoami(leaving.signal);
        tell({ whoami, at: Date.now() });
      } catch (error) {
        if (leaving.signal.aborted) return;
        pause = AFTER_TROUBLE;
        tell({ error });
      }
      asking = false;
      timer = setTimeout(ask, pause);
    }

    void ask();
    document.addEventListener("visibilitychange", ask);
    return () => {
      leaving.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, [active, attempt]);

  return { watch, retry: () => setAttempt(attempt + 1) };
}
