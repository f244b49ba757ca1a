import { Head, Panel } from "../parts/Head";
import { Failure } from "../parts/Notice";
import { Skeleton } from "../parts/List";
import { PlaceLink, When } from "../parts/words";
import { Bars, LifetimeBars } from "../plot/Bars";
import { sum } from "../plot/scale";
import { TimePlot } from "../plot/TimePlot";
import type { Overview, Series, SeriesName } from "../client/shapes";
import { formatClock, formatNumber, plural } from "../format";
import { useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";
import { buildPlace } from "../place";

const WINDOWS = [
  [3_600, "Last hour"],
  [86_400, "Last day"],
  [604_800, "Last week"],
] as const;
const REFRESH = 10; // seconds

export function OverviewView() {
  const { api } = useConsole();
  const { query } = usePlace();
  const window = WINDOWS.find(([seconds]) => String(seconds) === query["window"])?.[0] ?? 86_400;
  const loaded = useLoad(`overview ${window}`, (signal) => api.overview(window, signal), REFRESH);
  const { value, error, at, reload } = loaded;

  return (
    <>
      <Head title="Overview" lead={value ? <span className="live">Live, read {formatClock(at)}</span> : "Reading…"}>
        <nav className="segments" aria-label="Time shown">
          {WINDOWS.map(([seconds, words]) => (
            <a key={seconds} href={buildPlace("overview", null, { window: seconds })} aria-current={seconds === window ? "true" : undefined}>
              {words}
            </a>
          ))}
        </nav>
      </Head>
      <Failure error={error} onRetry={reload} />
      {value ? <Picture overview={value} since={value.now - value.window} /> : !error && <Skeleton lines={9} />}
    </>
  );
}

function Picture({ overview, since }: { overview: Overview; since: number }) {
  const { series, bucket, findings, review } = overview;
  const points = (name: SeriesName): Series => series[name] ?? [];
  const total = (name: SeriesName) => sum(points(name));
  const from = String(Math.floor(since));

  return (
    <>
      <ul className="figures">
        <Figure term="Live sessions" value={overview.live_sessions} href={buildPlace("sessions")} />
        <Figure term="Logins" value={total("logins")} note={refused(total("login_failures"))} href={buildPlace("audit", null, { event: "login.done", since: from })} />
        <Figure term="Renewals" value={total("renewals")} note={refused(total("renewal_failures"))} />
        <Figure term="Calls" value={total("calls")} />
        <Figure term="Denied calls" value={total("denials")} href={buildPlace("audit", null, { event: "access.denied", since: from })} tone={total("denials") > 0 ? "danger" : undefined} />
        <Figure term="Revocations" value={total("revocations")} />
      </ul>
      <div className="plots">
        <Panel className="plots-wide">
          <TimePlot title="Live sessions" kind="area" tells="last" bucket={bucket} lines={[{ name: "sessions", tone: "accent", points: points("sessions") }]} />
        </Panel>
        <Panel>
          <TimePlot
            title="Logins"
            kind="bars"
            tells="sum"
            bucket={bucket}
            lines={[
              { name: "done", tone: "accent", points: points("logins") },
              { name: "failed", tone: "danger", points: points("login_failures") },
            ]}
          />
        </Panel>
        <Panel>
          <TimePlot
            title="Token renewals"
            kind="bars"
            tells="sum"
            bucket={bucket}
            lines={[
              { name: "done", tone: "accent", points: points("renewals") },
              { name: "failed", tone: "danger", points: points("renewal_failures") },
            ]}
          />
        </Panel>
        <Panel>
          <TimePlot title="Denied calls" kind="bars" tells="sum" bucket={bucket} lines={[{ name: "denied", tone: "danger", points: points("denials") }]} />
        </Panel>
        <Panel>
          <TimePlot
            title="Ended sessions"
            kind="bars"
            tells="sum"
            bucket={bucket}
            lines={[
              { name: "signed out", tone: "second", points: points("logouts") },
              { name: "revoked", tone: "danger", points: points("revocations") },
            ]}
          />
        </Panel>
        <Panel title="Denied, by route">
          {overview.denials_by_route.length === 0 ? (
            <p className="empty">Every call was allowed.</p>
          ) : (
            <Bars
              tone="danger"
              items={overview.denials_by_route.map(({ route, method, reason, count }) => ({
                key: `${method} ${route} ${reason}`,
                count,
                words: (
                  <PlaceLink view="audit" query={{ event: "access.denied", route, since: from }}>
                    <code>
                      {method} {route}
                    </code>{" "}
                    <span className="faint">{reason.replaceAll("_", " ")}</span>
                  </PlaceLink>
                ),
              }))}
            />
          )}
        </Panel>
        <Panel title="Access-token lifetimes, against the rule">
          <LifetimeBars {...overview.access_token_lifetimes} />
        </Panel>
        <Panel title="Findings" aside={<PlaceLink view="findings">All findings</PlaceLink>}>
          <ul className="levels">
            {(["error", "warning", "info"] as const).map((level) => (
              <li key={level}>
                <PlaceLink view="findings" query={{ level }} className={`level level-${level}`}>
                  <strong>{formatNumber(findings[level] ?? 0)}</strong> {plural(findings[level] ?? 0, level === "info" ? "hint" : level).replace(/^\S+ /, "")}
                </PlaceLink>
              </li>
            ))}
          </ul>
        </Panel>
        <Panel title="Access review" aside={<PlaceLink view="review">Go to the review</PlaceLink>}>
          <dl className="pairs">
            <div>
              <dt>Last recorded</dt>
              <dd>
                <When at={review.last_at} none="never" />
              </dd>
            </div>
            <div>
              <dt>Next due</dt>
              <dd className={review.due_at !== null && review.due_at < overview.now ? "overdue" : undefined}>
                <When at={review.due_at} none="whenever you wish: no interval is set" />
              </dd>
            </div>
          </dl>
        </Panel>
      </div>
    </>
  );
}

const refused = (count: number) => (count > 0 ? `${formatNumber(count)} failed` : "none failed");

function Figure({ term, value, note, href, tone }: { term: string; value: number; note?: string; href?: string; tone?: "danger" | undefined }) {
  const words = (
    <>
      <span className="figure-term">{term}</span>
      <strong className={tone ? `figure-value figure-${tone}` : "figure-value"}>{formatNumber(value)}</strong>
      <span className="figure-note">{note ?? "\u00a0"}</span>
    </>
  );
  return <li>{href ? <a className="figure" href={href}>{words}</a> : <div className="figure">{words}</div>}</li>;
}
