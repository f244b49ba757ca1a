import type { ReactNode } from "react";
import type { User } from "../bff-client";
import { formatClock, formatDuration, formatLength } from "../format";
import type { TokenWatch } from "../token-watch";
import { useNow } from "../use-now";

interface Props {
  session: User["session"];
  /** When `session` was told, epoch milliseconds. */
  seenAt: number;
  watch: TokenWatch;
  ended: boolean;
}

/** The session and the access token behind it, running down and being renewed before one's eyes. */
export function SessionPanel({ session, seenAt, watch, ended }: Props) {
  const now = useNow(!ended);
  const sinceSeen = Math.max(0, now - seenAt) / 1000;
  const left = ended ? 0 : Math.max(0, session.expires_in - sinceSeen);
  const idleLeft = ended ? 0 : Math.max(0, session.idle_expires_in - sinceSeen);

  return (
    <section className="panel" aria-labelledby="session-title">
      <header className="panel-head">
        <h2 id="session-title">Your session</h2>
        <p className={ended ? "pulse pulse-off" : "pulse"}>{ended ? "ended" : "live"}</p>
      </header>
      {ended ? <p className="token token-none">No access token any more: bff dropped it with the session.</p> : <Token watch={watch} now={now} />}
      <dl className="figures">
        <Figure term="Session time left" note="of the whole session">
          <span data-testid="session-time-left" data-value={Math.floor(left)}>
            {formatDuration(left)}
          </span>
        </Figure>
        <Figure term="Idle time left" note="restarts with each call">
          <span data-testid="idle-time-left" data-value={Math.floor(idleLeft)}>
            {formatDuration(idleLeft)}
          </span>
        </Figure>
        <Figure term="Renewals seen" note={`in ${formatDuration((now - performance.timeOrigin) / 1000)} on this page`}>
          <span data-testid="renewals" data-value={watch.renewals}>
            {watch.renewals}
          </span>
        </Figure>
        <Figure term="Last renewal" note={watch.lastRenewalAt ? `${formatDuration((now - watch.lastRenewalAt) / 1000)} ago` : "not yet"}>
          {watch.lastRenewalAt ? formatClock(watch.lastRenewalAt) : "–"}
        </Figure>
      </dl>
      {!ended && <p className="remark">{remark(watch.renewals)}</p>}
      <p className="unseen" role="status">
        {watch.lastRenewalAt && `Access token renewed at ${formatClock(watch.lastRenewalAt)}.`}
      </p>
    </section>
  );
}

function remark(renewals: number): string {
  if (renewals === 0) {
    return "Keep watching: before the access token expires, bff fetches a new one in the background, and this page goes on as if nothing had happened.";
  }
  const times = renewals === 1 ? "once" : renewals === 2 ? "twice" : `${renewals} times`;
  return `The access token was renewed ${times} while you were here, and nothing happened to this page: no reload, no redirect, and still no token in it.`;
}

function Token({ watch: { whoami, seenAt, renewals }, now }: { watch: TokenWatch; now: number }) {
  if (whoami === null) return <p className="token token-none">Asking the API about its token…</p>;
  const { issued_at, expires_at } = whoami.token;
  const lifetime = Math.max(1, expires_at - issued_at);
  // Counted by the server's clock: the browser's may be wrong.
  const left = Math.min(lifetime, Math.max(0, expires_at - whoami.server_time - (now - seenAt) / 1000));

  return (
    <div className="token">
      <div className="token-line">
        <label htmlFor="token-left">Access token</label>
        <span>
          <strong>{formatDuration(left)}</strong> of {formatLength(lifetime)}
        </span>
      </div>
      {/* A new element for each token: the bar starts full instead of running backwards. */}
      <progress key={expires_at} id="token-left" className={renewals > 0 ? "fresh" : ""} max={lifetime} value={left} />
      <p className="token-note">
        The API sees it expire at{" "}
        <span data-testid="token-expires-at" data-value={expires_at}>
          {formatClock(expires_at * 1000)}
        </span>
        . It is kept by bff and never sent to this browser.
      </p>
    </div>
  );
}

function Figure({ term, note, children }: { term: string; note: string; children: ReactNode }) {
  return (
    <div className="figure">
      <dt>{term}</dt>
      <dd className="figure-value">{children}</dd>
      <dd className="figure-note">{note}</dd>
    </div>
  );
}
