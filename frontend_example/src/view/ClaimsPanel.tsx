import type { Whoami } from "../api";
import type { User } from "../bff-client";
import { formatMoment } from "../format";

/** Claims whose numbers are epoch seconds (RFC 7519 §4.1, OIDC Core §2 and §5.1). */
const TIMES = new Set(["auth_time", "iat", "exp", "nbf", "updated_at"]);
/** Members of the answer that bff adds and that nobody claimed. */
const NOT_CLAIMS = new Set(["session", "logout_url"]);

/** What the provider says about the user, and what of it reaches the API. */
export function ClaimsPanel({ user, whoami }: { user: User; whoami: Whoami | null }) {
  const claims = Object.entries(user).filter(([name, value]) => !NOT_CLAIMS.has(name) && value !== undefined);
  return (
    <section className="panel panel-side" aria-labelledby="claims-title">
      <header className="panel-head">
        <h2 id="claims-title">Your claims</h2>
      </header>
      <Pairs testId="claims" caption="What this page is told about you" pairs={claims} />
      {whoami && (
        <>
          <h3>What the API sees</h3>
          <Pairs
            testId="api-sees"
            caption="What the API reads from the access token"
            pairs={[
              ["subject", whoami.subject],
              ["roles", whoami.roles],
              ["scope", whoami.scope],
            ]}
          />
        </>
      )}
    </section>
  );
}

function Pairs({ testId, caption, pairs }: { testId: string; caption: string; pairs: [string, unknown][] }) {
  return (
    <table className="pairs" data-testid={testId}>
      <caption className="unseen">{caption}</caption>
      <tbody>
        {pairs.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{inWords(name, value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function inWords(name: string, value: unknown): string {
  if (value === null || value === "") return "–";
  if (typeof value === "number" && TIMES.has(name)) return formatMoment(value * 1000);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ") || "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
