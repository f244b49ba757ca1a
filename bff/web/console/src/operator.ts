/** Who is at the page: found out once, and lost whenever a call says so. */
import { createContext, useContext } from "react";
import type { Api } from "./client/api";
import { NetworkError, ProblemError } from "./client/problem";
import type { Me } from "./client/shapes";

export type OperatorState =
  | { kind: "asking" }
  | { kind: "known"; me: Me }
  /** A session or a token was there and is no more: the page stays as it was, and says so. */
  | { kind: "ended"; me: Me }
  | { kind: "sign-in" }
  | { kind: "token"; refused: boolean }
  | { kind: "not-allowed"; problem: ProblemError }
  | { kind: "not-configured" }
  | { kind: "trouble"; error: unknown };

/** What an answer to `GET /me`, or a refusal of any other call, makes of what was known. */
export function nextOperator(before: OperatorState, event: { me: Me } | { error: unknown; hasToken: boolean }): OperatorState {
  if ("me" in event) return { kind: "known", me: event.me };
  const { error, hasToken } = event;
  if (!(error instanceof ProblemError)) return wasKnown(before) && error instanceof NetworkError ? before : { kind: "trouble", error };
  if (error.status === 401 && wasKnown(before)) return { kind: "ended", me: before.me };
  if (error.code === "operator_required") return { kind: "token", refused: hasToken };
  if (error.status === 401) return { kind: "sign-in" };
  if (error.code === "access_denied") return { kind: "not-allowed", problem: error };
  if (error.status === 404) return { kind: "not-configured" };
  return wasKnown(before) ? before : { kind: "trouble", error };
}

function wasKnown(state: OperatorState): state is Extract<OperatorState, { me: Me }> {
  return state.kind === "known" || state.kind === "ended";
}

export interface Console {
  api: Api;
  me: Me;
}

export const ConsoleContext = createContext<Console | null>(null);

export function useConsole(): Console {
  const found = useContext(ConsoleContext);
  if (found === null) throw new Error("useConsole outside the console");
  return found;
}
