import { useState } from "react";
import type { User } from "../bff-client";
import { useTokenWatch } from "../token-watch";
import { ClaimsPanel } from "./ClaimsPanel";
import { EndedBanner } from "./EndedBanner";
import { ErrorBanner } from "./ErrorBanner";
import { Header } from "./Header";
import { SessionPanel } from "./SessionPanel";
import { TasksPanel } from "./TasksPanel";

/** Something the user did that failed, and how to do it again. */
export interface Failure {
  error: unknown;
  retry?: () => void;
}

interface Props {
  user: User;
  seenAt: number;
  ended: boolean;
  reason: string | undefined;
}

/** The page of a signed-in user. When the session has `ended` it stays readable, but nothing on it can be used. */
export function Home({ user, seenAt, ended, reason }: Props) {
  const { watch, retry: askAgain } = useTokenWatch(!ended);
  const [failure, setFailure] = useState<Failure | null>(null);
  const dismiss = () => setFailure(null);

  // One banner at a time: what the user just did comes before trouble in the background, which goes away by itself.
  const shown = failure ?? (watch.error ? { error: watch.error, retry: askAgain } : null);

  return (
    <div className="page">
      <Header user={user} ended={ended} onFailure={setFailure} />
      <div className="banners">
        {ended && <EndedBanner reason={reason} />}
        {!ended && shown && (
          <ErrorBanner
            error={shown.error}
            roles={user.roles}
            onRetry={shown.retry && (() => (dismiss(), shown.retry?.()))}
            onDismiss={failure ? dismiss : undefined}
          />
        )}
      </div>
      <main className="panels" inert={ended}>
        <SessionPanel session={user.session} seenAt={seenAt} watch={watch} ended={ended} />
        <TasksPanel user={user} onFailure={setFailure} />
        <ClaimsPanel user={user} whoami={watch.whoami} />
      </main>
    </div>
  );
}
