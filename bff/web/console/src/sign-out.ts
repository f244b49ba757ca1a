/** Ends the operator's own session, here and at the issuer, which sends the browser on; without it, to the console's door. */
import { type Door, exchange } from "./client/exchange";
import { ProblemError } from "./client/problem";

/** Gives where to go. @throws ProblemError, NetworkError */
export async function signOutUrl(door: Door, pathname: string): Promise<string> {
  try {
    // Asked for now: after a sign-in in another tab the link of an earlier session would be refused.
    const { logout_url } = await exchange<{ logout_url: string }>(door, "user", { query: { slide: "false" } });
    return `${logout_url}&return_to=${encodeURIComponent(pathname)}`;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return pathname; // it is over already
    throw error;
  }
}
