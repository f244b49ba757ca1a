import { useEffect, useRef } from "react";
import { bff } from "../api";

/** Why a session ended, for whoever had it. The reasons are those of `session-ended`; any other gets both usual ones. */
const WHY: Record<string, string> = {
  revoked: "An administrator has ended it.",
  logout: "You signed out in another tab.",
  backchannel_logout: "You signed out at the identity provider.",
  expired: "It ran out.",
  renewal_refused: "The identity provider did not renew it.",
};
const UNTOLD = "It ran out, or you signed out in another tab.";

/** The session is over. The page stays as it was, out of reach, and signing in comes back to this very place. */
export function EndedBanner({ reason }: { reason: string | undefined }) {
  const button = useRef<HTMLButtonElement>(null);
  // The rest of the page has just become inert and dropped the focus.
  useEffect(() => button.current?.focus(), []);
  return (
    <section className="banner banner-ended" role="alert" data-testid="session-ended">
      <div className="banner-words">
        <h2>Your session has ended</h2>
        <p>{WHY[reason ?? ""] ?? UNTOLD} Sign in again and you come back to this place.</p>
      </div>
      <div className="banner-actions">
        <button ref={button} type="button" className="button button-primary" onClick={() => bff.login()} data-testid="sign-in">
          Sign in again
        </button>
      </div>
    </section>
  );
}
