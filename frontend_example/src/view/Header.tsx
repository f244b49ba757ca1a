import { useEffect, useState } from "react";
import { bff } from "../api";
import type { User } from "../bff-client";
import { Brand } from "./Brand";
import type { Failure } from "./Home";

/** bff's own page for administrators, where `[admin] roles` of its configuration opens it to some. */
const CONSOLE = "/bff/console/";

interface Props {
  user: User;
  ended: boolean;
  onFailure: (failure: Failure | null) => void;
}

export function Header({ user, ended, onFailure }: Props) {
  const [leaving, setLeaving] = useState(false);

  // Going back in history can bring the page alive as it was left: on its way out.
  useEffect(() => {
    const stay = () => setLeaving(false);
    window.addEventListener("pageshow", stay);
    return () => window.removeEventListener("pageshow", stay);
  }, []);

  async function signOut() {
    onFailure(null);
    setLeaving(true);
    try {
      await bff.logout();
    } catch (error) {
      setLeaving(false);
      onFailure({ error, retry: signOut });
    }
  }

  return (
    <header className="top">
      <Brand />
      <div className="who">
        <span className="who-name" data-testid="user-name">
          {user.name || user.sub}
        </span>
        <ul className="chips" aria-label="Your roles">
          {user.roles.map((role) => (
            <li key={role} className="chip" data-testid="role-chip">
              {role}
            </li>
          ))}
        </ul>
      </div>
      {!ended && user.roles.includes("admin") && (
        <a className="button" href={CONSOLE} target="_blank" rel="noopener" data-testid="console-link">
          Console
        </a>
      )}
      {!ended && (
        <button type="button" className="button" onClick={signOut} disabled={leaving} data-testid="sign-out">
          {leaving ? "Signing out…" : "Sign out"}
        </button>
      )}
    </header>
  );
}
