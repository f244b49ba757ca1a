import { asList } from "../parts/words";
import type { Verdict } from "../client/shapes";

/** Every rule in its order: which fits, which decides, what each would have needed. */
export function Steps({ verdict: { steps, rule, needed } }: { verdict: Verdict }) {
  const wanted = asList(needed);
  return (
    <>
      {wanted.length > 0 && (
        <p className="needed">
          <strong>It would take</strong> {wanted.join(", or ")}.
        </p>
      )}
      <ol className="steps">
        {steps.map(({ position, text, fits, needs }) => (
          <li key={position} value={position} className={position === rule ? "step step-decides" : fits ? "step step-fits" : "step"}>
            <span className="step-text">{text}</span>
            <span className="step-needs">
              {position === rule ? "fits, and decides" : fits ? "would fit, but an earlier rule decides" : `needs ${asList(needs).join(", ")}`}
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}
