import { Tester } from "./Tester";
import { Head, Panel, Refresh } from "../parts/Head";
import { Skeleton } from "../parts/List";
import { Failure } from "../parts/Notice";
import { findingInWords, PlaceLink, sentence } from "../parts/words";
import type { RouteItem } from "../client/shapes";
import { useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";

/** Which routes there are, by which rules they open, and what these rules say to a question. */
export function RoutesView() {
  const { api } = useConsole();
  const { query } = usePlace();
  const { value, error, loading, reload } = useLoad("routes", (signal) => api.routes(signal));

  return (
    <>
      <Head title="Routes and rules" lead="The first rule that fits decides. What no rule allows is denied.">
        <Refresh loading={loading} onRefresh={reload} />
      </Head>
      <div className="halves halves-routes">
        <div className="stack">
          <Failure error={error} onRetry={reload} />
          {!value && loading && <Skeleton />}
          {value?.items.length === 0 && (
            <Panel>
              <p className="empty">No route is configured: there is no [[api]] in the configuration.</p>
            </Panel>
          )}
          {value?.items.map((route) => (
            <Route key={route.path} route={route} />
          ))}
        </div>
        <Tester key={JSON.stringify(query)} asked={query} />
      </div>
    </>
  );
}

function Route({ route }: { route: RouteItem }) {
  const { path, upstream, token, csrf, websocket, reachable, rules, findings } = route;
  return (
    <Panel
      title={<code>{path}</code>}
      className="route"
      aside={
        <PlaceLink view="routes" query={{ method: "GET", path }}>
          Try it
        </PlaceLink>
      }
    >
      <p className="route-upstream">
        <span className="faint">to</span> <code>{upstream}</code>
      </p>
      <p className="chips">
        <span className="chip chip-plain">{TOKENS[token] ?? `token: ${token}`}</span>
        <span className={`chip ${csrf === false || csrf === "off" || csrf === "none" ? "chip-warn" : "chip-plain"}`}>{csrfInWords(csrf)}</span>
        {websocket && <span className="chip chip-plain">WebSocket</span>}
        {!reachable && <span className="chip chip-danger">nobody can reach it</span>}
        {findings.filter((finding) => nameOf(finding) !== "route_unreachable").map((finding) => {
          const words = typeof finding === "string" ? findingInWords(finding) : sentence(finding.message);
          return (
            <span key={words} className="chip chip-warn">
              {words}
            </span>
          );
        })}
      </p>
      {rules.length === 0 ? (
        <p className="faint route-open">{token === "user" ? "No rules: whoever is signed in may use it." : "No rules."}</p>
      ) : (
        <ol className="rules">
          {rules.map(({ position, text }) => (
            <li key={position} value={position}>
              {text}
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

const nameOf = (finding: RouteItem["findings"][number]) => (typeof finding === "string" ? finding : finding.rule);

const TOKENS: Record<string, string> = {
  user: "the user’s token",
  user_optional: "the user’s token, if there is one",
  client: "bff’s own token",
  none: "no token",
};

function csrfInWords(csrf: boolean | string): string {
  if (csrf === true || csrf === "header" || csrf === "true") return "CSRF header";
  if (csrf === "origin") return "CSRF by origin";
  return "no CSRF check";
}
