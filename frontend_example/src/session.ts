/** Whether somebody is signed in, kept true for as long as the page is open. */
import { useEffect, useReducer, useState } from "react";
import { bff } from "./api";
import type { User } from "./bff-client";

/** `seenAt`: when the server told us, in epoch milliseconds; the user's times count from there. */
export type SessionState =
  | { kind: "loading" }
  | { kind: "unknown"; error: unknown }
  | { kind: "signed-out" }
  | { kind: "signed-in"; user: User; seenAt: number }
  | { kind: "ended"; user: User; seenAt: number; reason?: string | undefined };

/** `reason`: why there is no user any more, where the server told. */
export type SessionNews = { user: User | null; at: number; reason?: string | undefined } | { error: unknown };

export function nextSession(state: SessionState, news: SessionNews): SessionState {
  if ("error" in news) {
    // Trouble says nothing about a session that we have seen: only a page that knows nothing yet has to show it.
    return state.kind === "loading" || state.kind === "unknown" ? { kind: "unknown", error: news.error } : state;
  }
  if (news.user) return { kind: "signed-in", user: news.user, seenAt: news.at };
  if (state.kind === "signed-in" || state.kind === "ended") return { ...state, kind: "ended", reason: news.reason };
  return { kind: "signed-out" };
}

export function useSession(): { session: SessionState; retry: () => void } {
  const [session, tell] = useReducer(nextSession, { kind: "loading" });
  const [attempt, setAttempt] = useState(0);

  useEffect(
    () =>
      bff.watchSession((user, reason) => tell({ user, at: Date.now(), reason }), {
        interval: 5_000,
        onError: (error) => tell({ error }),
      }),
    [attempt],
  );
  return { session, retry: () => setAttempt(attempt + 1) };
}
