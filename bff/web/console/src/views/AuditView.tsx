import { Fragment, useState } from "react";
import { Filters } from "../parts/Filters";
import { Head, Panel, Refresh } from "../parts/Head";
import { List } from "../parts/List";
import { Failure, Notice } from "../parts/Notice";
import { PlaceLink } from "../parts/words";
import { EVENTS, eventInWords, fieldsOf, outcomeOf, subjectOf, whatOf } from "../audit";
import type { AuditLine, Verification } from "../client/shapes";
import { formatExact, formatNumber, formatStamp, formatValue } from "../format";
import { useAction, useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";

const FIELDS = [
  { name: "q", label: "Any field", hint: "alice, 203.0.113.7" },
  { name: "event", label: "Event", hint: "login.done", suggest: EVENTS },
  { name: "subject", label: "Subject", hint: "alice" },
  { name: "route", label: "Route", hint: "/api/orders" },
  {
    name: "outcome",
    label: "Outcome",
    options: [
      ["", "any"],
      ["ok", "ok"],
      ["denied", "denied"],
      ["failed", "failed"],
    ],
  },
  { name: "session", label: "Session", hint: "a handle" },
  { name: "since", label: "Since", kind: "time" },
  { name: "until", label: "Until", kind: "time" },
] as const;

/** Who did what. Each line opens to all its fields; the chain over all of them can be verified. */
export function AuditView() {
  const { api } = useConsole();
  const place = usePlace();
  const loaded = useLoad(`audit ${JSON.stringify(place.query)}`, (signal) => api.audit(place.query, signal));

  return (
    <>
      <Head title="Audit log" lead="Who did what, and with which outcome. No line holds a token, a cookie or a full query string.">
        <Refresh loading={loaded.loading} onRefresh={loaded.reload} />
        <Verify />
      </Head>
      <Panel>
        <Filters place={place} fields={FIELDS} />
        <List
          loaded={loaded}
          place={place}
          noun="line"
          empty="No line is like that."
        >
          {(items) => (
            <ol className="lines" aria-label="Audit lines" aria-busy={loaded.loading}>
              {items.map((line, position) => (
                <Line key={`${line.time} ${String(line["seq"] ?? position)}`} line={line} />
              ))}
            </ol>
          )}
        </List>
      </Panel>
    </>
  );
}

function Line({ line }: { line: AuditLine }) {
  const outcome = outcomeOf(line);
  return (
    <li>
      <details className="line">
        <summary>
          <time className="line-time" dateTime={new Date(line.time * 1000).toISOString()}>
            {formatStamp(line.time)}
          </time>
          <span className="line-event">
            {eventInWords(line.event)}
            {outcome !== "ok" && <span className={`chip chip-${outcome === "denied" || outcome === "failed" ? "danger" : "plain"}`}>{outcome}</span>}
          </span>
          <span className="line-who">{subjectOf(line)}</span>
          <span className="line-what">{whatOf(line)}</span>
        </summary>
        <dl className="line-fields">
          <dt>time</dt>
          <dd>{formatExact(line.time)}</dd>
          {fieldsOf(line).map(([name, value]) => (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>{linked(name, value)}</dd>
            </Fragment>
          ))}
        </dl>
      </details>
    </li>
  );
}

/** What other lines may share is a way to them. */
function linked(name: string, value: unknown) {
  const words = formatValue(value);
  if (typeof value === "string" && ["event", "subject", "session", "route"].includes(name)) {
    return (
      <>
        <PlaceLink view="audit" query={{ [name]: value }}>
          {words}
        </PlaceLink>
        {name === "session" && (
          <>
            {" "}
            <PlaceLink view="sessions" item={value} className="faint">
              look at it
            </PlaceLink>
          </>
        )}
      </>
    );
  }
  return words;
}

function Verify() {
  const { api } = useConsole();
  const { running, error, run, forget } = useAction();
  const [result, setResult] = useState<Verification | null>(null);

  return (
    <>
      <button type="button" className="button" disabled={running} onClick={() => void run(async () => setResult(await api.verifyAudit()))} data-testid="verify">
        {running ? "Verifying…" : "Verify the chain"}
      </button>
      {running && <progress className="head-progress" aria-label="Verifying the chain" />}
      <Failure error={error} onDismiss={forget} />
      {result && !running && <Verified result={result} />}
    </>
  );
}

function Verified({ result: { ok, lines, problem } }: { result: Verification }) {
  if (ok) {
    return (
      <Notice tone="good" title="The log is whole" testId="verified">
        <p>{formatNumber(lines)} lines: none was changed, removed or put elsewhere.</p>
      </Notice>
    );
  }
  return (
    <Notice tone="danger" title="The log was tampered with, or damaged" role="alert" testId="verified">
      <p>
        {problem?.line ? `Line ${formatNumber(problem.line)}: ` : ""}
        {problem?.message}
      </p>
      <p>Keep the file as it is, and compare it with your last copy. `bff audit verify` tells more.</p>
    </Notice>
  );
}
