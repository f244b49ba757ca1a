import { useSession } from "./session";
import { Home } from "./view/Home";
import { Starting, Trouble } from "./view/Starting";
import { Welcome } from "./view/Welcome";

export function App() {
  const { session, retry } = useSession();
  switch (session.kind) {
    case "loading":
      return <Starting />;
    case "unknown":
      return <Trouble error={session.error} onRetry={retry} />;
    case "signed-out":
      return <Welcome />;
    case "signed-in":
    case "ended":
      // Another user may sign in in another tab: nothing of the first one's page may stay.
      return (
        <Home
          key={session.user.sub}
          user={session.user}
          seenAt={session.seenAt}
          ended={session.kind === "ended"}
          reason={session.kind === "ended" ? session.reason : undefined}
        />
      );
  }
}
