import { Panel } from "../parts/Head";
import { Failure } from "../parts/Notice";
import { When } from "../parts/words";
import type { Page, RecordedReview } from "../client/shapes";
import { formatMoment, plural } from "../format";
import type { Loaded } from "../hooks";

/** The reviews that were recorded, newest first; each opens to its decisions. */
export function Past({ past }: { past: Loaded<Page<RecordedReview>> }) {
  const { value, error, reload } = past;
  return (
    <Panel title="Recorded reviews">
      <Failure error={error} onRetry={reload} />
      {value?.items.length === 0 && <p className="empty">None yet. The first one that is recorded here begins the history.</p>}
      <ol className="lines" aria-label="Recorded reviews">
        {value?.items.map((review) => (
          <li key={review.id}>
            <details className="line">
              <summary className="past">
                <span className="line-time">{formatMoment(review.at)}</span>
                <span className="line-event">{review.note || "Without a note"}</span>
                <span className="line-who">{review.by}</span>
                <span className="line-what">
                  {plural(review.kept, "subject")} kept, {review.revoked} revoked
                </span>
              </summary>
              <ul className="past-decisions">
                {review.decisions.map(({ subject, decision, note }) => (
                  <li key={subject}>
                    <span className={`chip ${decision === "keep" ? "" : "chip-danger"}`}>{decision}</span> <span className="mono">{subject}</span>
                    {note && <span className="faint"> {note}</span>}
                  </li>
                ))}
              </ul>
              <p className="faint">
                The next one {review.due_at === null ? "was not set." : <>was due <When at={review.due_at} />.</>}
              </p>
            </details>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
