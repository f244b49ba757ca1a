/** What to tell a person about an error: what happened, in their words, and what they can do. */
import { NetworkError, ProblemError } from "./bff-client";

export interface Explanation {
  title: string;
  advice: string;
  /** For whoever they ask for help: status and code. */
  reference: string;
  /** The same call may succeed later. */
  retryable: boolean;
}

/** null for what the page already answers in another way: a lost session has its own banner, a step-up leaves the page. */
export function explain(error: unknown, roles: readonly string[]): Explanation | null {
  if (error instanceof NetworkError) {
    return {
      title: "The server cannot be reached",
      advice: "Check your connection. You are still signed in, and nothing on this page is lost.",
      reference: "no answer",
      retryable: true,
    };
  }
  if (!(error instanceof ProblemError)) {
    return {
      title: "Something went wrong on this page",
      advice: "Reload the page. If it happens again, tell whoever runs it.",
      reference: String(error),
      retryable: false,
    };
  }
  const words = inWords(error, roles);
  return words && { ...words, reference: `${error.status} ${error.code}` };
}

function inWords(error: ProblemError, roles: readonly string[]): Omit<Explanation, "reference"> | null {
  switch (error.code) {
    case "session_required":
    case "session_expired":
    case "session_elsewhere":
    case "step_up_required":
      return null;
    case "access_denied":
      return {
        title: "You are not allowed to do that",
        advice: `Your roles (${roles.join(", ") || "none"}) do not include it, so nothing was changed. An administrator can do it, or give you a role that may.`,
        retryable: false,
      };
    case "upstream_unreachable":
    case "upstream_timeout":
      return {
        title: "The service behind this page is not answering",
        advice: `You are still signed in. ${later(error)}`,
        retryable: true,
      };
    case "session_store_unavailable":
    case "issuer_unavailable":
      return {
        title: "Sign-in is briefly unavailable",
        advice: `You have not been signed out. ${later(error)}`,
        retryable: true,
      };
    case "token_rejected":
      return {
        title: "The service did not accept your sign-in",
        advice: "Sign out and in again. If it happens again, tell whoever runs this page.",
        retryable: false,
      };
    case "csrf_header_required":
    case "cross_site_request":
      return {
        title: "The request was refused for safety",
        advice: "It did not look like it came from this page. Reload the page and try again.",
        retryable: false,
      };
    case "body_too_large":
      return { title: "That is too much at once", advice: "Make it shorter and try again.", retryable: false };
  }
  if (error.status === 404) {
    return { title: "It is not there any more", advice: "Somebody else may have removed it. Refresh the list.", retryable: false };
  }
  if (error.status === 429 || error.status >= 500) {
    return { title: "The service is in trouble", advice: `You are still signed in. ${later(error)}`, retryable: true };
  }
  return { title: error.title, advice: error.detail || "Change what you entered and try again.", retryable: false };
}

function later({ retryAfter }: ProblemError): string {
  return retryAfter ? `Try again in ${retryAfter} seconds.` : "Wait a moment, then try again.";
}
