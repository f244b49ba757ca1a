import { Head, Panel, Refresh } from "../parts/Head";
import { Skeleton } from "../parts/List";
import { Failure } from "../parts/Notice";
import { Prose } from "../parts/words";
import type { Finding, Level } from "../client/shapes";
import { formatNumber } from "../format";
import { useLoad, usePlace } from "../hooks";
import { useConsole } from "../operator";
import { buildPlace } from "../place";

const LEVELS: readonly (readonly [Level, string, string])[] = [
  ["error", "Errors", "to be changed"],
  ["warning", "Warnings", "to be thought about"],
  ["info", "Hints", "good to know"],
];

/** What breaks good practice, in the configuration and in the tokens seen; the same as `bff access lint`. */
export function FindingsView() {
  const { api } = useConsole();
  const { query } = usePlace();
  const { value, error, loading, reload } = useLoad("findings", (signal) => api.findings(signal));
  const of = (level: Level) => value?.items.filter((finding) => finding.level === level) ?? [];
  const shown = LEVELS.filter(([level]) => (query["level"] ?? level) === level);

  return (
    <>
      <Head title="Findings" lead="What in the configuration and in the tokens seen breaks good practice, by whose rule, and what to change.">
        <Refresh loading={loading} onRefresh={reload} />
      </Head>
      <nav className="segments" aria-label="Severity">
        <a href={buildPlace("findings")} aria-current={query["level"] ? undefined : "true"} data-search="">
          All {value && <span className="count">{formatNumber(value.items.length)}</span>}
        </a>
        {LEVELS.map(([level, words]) => (
          <a key={level} href={buildPlace("findings", null, { level })} aria-current={query["level"] === level ? "true" : undefined}>
            {words} {value && <span className="count">{formatNumber(of(level).length)}</span>}
          </a>
        ))}
      </nav>
      <Failure error={error} onRetry={reload} />
      {!value && loading && <Skeleton />}
      {value && shown.every(([level]) => of(level).length === 0) && (
        <Panel>
          <p className="empty">Nothing was found. This looks at every token that comes, and at the configuration.</p>
        </Panel>
      )}
      {shown.map(([level, words, what]) =>
        of(level).length === 0 ? null : (
          <Panel key={level} title={words} aside={<span className="faint">{what}</span>}>
            <ul className="findings">
              {of(level).map((finding) => (
                <Item key={`${finding.rule} ${finding.where}`} finding={finding} />
              ))}
            </ul>
          </Panel>
        ),
      )}
    </>
  );
}

function Item({ finding: { level, rule, where, message, source, change } }: { finding: Finding }) {
  return (
    <li className={`finding finding-${level}`}>
      <h3>
        <Prose text={message} />
      </h3>
      <p className="finding-where">
        <code>{where}</code> <span className="faint">{rule.replaceAll("_", " ")}</span>
      </p>
      <p className="finding-change">
        <strong>Change:</strong> <Prose text={change} />
      </p>
      <p className="faint">{source}</p>
    </li>
  );
}
