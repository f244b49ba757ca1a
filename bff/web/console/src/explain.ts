/** What to tell an operator about an error: what happened, why, and what to do next. */
import { NetworkError, ProblemError } from "./client/problem";

export interface Explanation {
  title: string;
  advice: string;
  /** For whoever looks it up: status, code and request. */
  reference: string;
  /** The same call may succeed later. */
  retryable: boolean;
}

export function explain(error: unknown): Explanation {
  if (error instanceof NetworkError) {
    return {
      title: "bff cannot be reached",
      advice: "No answer came: the connection is down, or the server is restarting. Nothing was changed by the last answer you saw.",
      reference: error.message,
      retryable: true,
    };
  }
  if (!(error instanceof ProblemError)) {
    return {
      title: "This page has a fault",
      advice: "It could not make sense of something. Reload it; the server is not affected.",
      reference: String(error),
      retryable: false,
    };
  }
  const request = error.requestId ? ` · request ${error.requestId}` : "";
  return { ...inWords(error), reference: `${error.status} ${error.code}${request}` };
}

function inWords(error: ProblemError): Omit<Explanation, "reference"> {
  switch (error.code) {
    case "session_required":
    case "session_expired":
      return { title: "Your session has ended", advice: "Sign in again to go on.", retryable: false };
    case "operator_required":
      return { title: "The token was not accepted", advice: "Paste a token that is configured now; it may have been replaced.", retryable: false };
    case "access_denied":
      return {
        title: "You are not allowed to do that",
        advice: error.detail || "Your roles do not include it, so nothing was changed.",
        retryable: false,
      };
    case "invalid_request":
      return { title: "The server could not take that", advice: error.detail || "Change what you entered and try again.", retryable: false };
    case "not_found":
      return { title: "It is not there any more", advice: "It may have ended since this list was read. Go back and refresh.", retryable: false };
    case "audit_not_searchable":
      return {
        title: "The audit log cannot be searched here",
        advice: "Its lines go to standard output, where your log system has them. To search them here, set [audit] sink to a file or to the session store.",
        retryable: false,
      };
    case "session_store_unavailable":
      return { title: "The session store is away", advice: `Nobody has been signed out. ${later(error)}`, retryable: true };
    case "csrf_header_required":
    case "cross_site_request":
      return { title: "The call was refused for safety", advice: "It did not look like it came from this page. Reload it and try again.", retryable: false };
  }
  if (error.status === 429 || error.status >= 500) {
    return { title: error.title, advice: [error.detail, later(error)].filter(Boolean).join(" "), retryable: true };
  }
  return { title: error.title, advice: error.detail || "Change what you entered and try again.", retryable: false };
}

function later({ retryAfter }: ProblemError): string {
  return retryAfter ? `Try again in ${retryAfter} seconds.` : "Wait a moment, then try again.";
}

/** Whether an error means that nobody is signed in any more. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ProblemError && error.status === 401;
}
