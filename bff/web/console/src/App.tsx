import { useCallback, useEffect, useMemo, useReducer, useRef } from "react";
import { createApi } from "./client/api";
import { ConsoleContext, nextOperator, type OperatorState } from "./operator";
import { apiBase } from "./place";
import { Entrance } from "./Entrance";
import { Shell } from "./Shell";

export function App() {
  const [operator, tell] = useReducer(nextOperator, { kind: "asking" } as OperatorState);
  const token = useRef(""); // here and nowhere else: gone with the page

  const api = useMemo(() => {
    const watched: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      // Whoever was let in and is no more, or may no more, is told at once, whichever call found it out.
      if (response.status === 401 || response.status === 403) void look();
      return response;
    };
    return createApi({ base: apiBase(location.pathname), token: () => token.current, fetch: watched });
  }, []);
  const quiet = useMemo(() => createApi({ base: apiBase(location.pathname), token: () => token.current, fetch: (input, init) => fetch(input, init) }), []);

  const look = useCallback(async () => {
    try {
      tell({ me: await quiet.me() });
    } catch (error) {
      tell({ error, hasToken: token.current !== "" });
    }
  }, [quiet]);

  useEffect(() => void look(), [look]);

  if (operator.kind === "known" || operator.kind === "ended") {
    return (
      <ConsoleContext.Provider value={{ api, me: operator.me }}>
        {/* Somebody else may sign in meanwhile: nothing of the first one's page may stay. */}
        <Shell
          key={operator.me.operator}
          ended={operator.kind === "ended"}
          onToken={(given) => {
            token.current = given;
            void look();
          }}
          onForget={() => {
            token.current = "";
            location.reload();
          }}
        />
      </ConsoleContext.Provider>
    );
  }
  return (
    <Entrance
      operator={operator}
      onRetry={() => void look()}
      onToken={(given) => {
        token.current = given;
        void look();
      }}
    />
  );
}
