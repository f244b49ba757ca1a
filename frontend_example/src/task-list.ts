/**
 * The list with its changes under way: what the user did shows at once, and is undone when the server refuses.
 * Pure, so that each way it can go is a line in a test.
 */
import type { Task } from "./api";

export interface Row extends Task {
  /** `saving`: shown but not yet known to the server. `deleting`: hidden but not yet gone. */
  state: "kept" | "saving" | "deleting";
}

export type TaskEvent =
  | { kind: "loaded"; items: Task[] }
  | { kind: "creating"; draft: Task }
  | { kind: "created"; draftId: string; task: Task }
  | { kind: "create-failed"; draftId: string }
  | { kind: "deleting"; id: string }
  | { kind: "deleted"; id: string }
  | { kind: "delete-failed"; id: string };

/** null until the list has been loaded once. */
export type TaskList = readonly Row[] | null;

export function nextTaskList(list: TaskList, event: TaskEvent): TaskList {
  const rows = list ?? [];
  switch (event.kind) {
    case "loaded": {
      // A list read while a change is under way must not undo what the user sees of it.
      const deleting = new Set(rows.filter((row) => row.state === "deleting").map((row) => row.id));
      const saving = rows.filter((row) => row.state === "saving");
      const kept = event.items.map((task) => row(task, deleting.has(task.id) ? "deleting" : "kept"));
      return [...kept, ...saving];
    }
    case "creating":
      return [...rows, row(event.draft, "saving")];
    case "created":
      // The list may have been read in between, and then has the task already.
      return rows
        .filter(({ id }) => id !== event.task.id)
        .map((old) => (old.id === event.draftId ? row(event.task, "kept") : old));
    case "create-failed":
      return rows.filter(({ id }) => id !== event.draftId);
    case "deleting":
      return rows.map((old) => (old.id === event.id ? { ...old, state: "deleting" } : old));
    case "deleted":
      return rows.filter(({ id }) => id !== event.id);
    case "delete-failed":
      return rows.map((old) => (old.id === event.id ? { ...old, state: "kept" } : old));
  }
}

function row(task: Task, state: Row["state"]): Row {
  return { ...task, state };
}
