/**
 * The list with its changes under way: what the user did shows at once, and is undone when the server refuses.
 * Pure, so that each way it can go is a line in a test.
 */
import type { Task } from "./api";

export interface Row extends Task {
  /** `saving`: shown but not yet known to the server. `deleting`: hidden but not yet gone. */
  state: "kept" | "saving" | "deleting";
}

export interface TaskList {
  /** null until the list has been loaded once. */
  rows: readonly Row[] | null;
  /** What the server was asked and has not answered, oldest first. */
  questions: readonly Question[];
}

/** One reading of the list. Its answer may be from before or after each change that was done while it was open. */
interface Question {
  id: number;
  changes: readonly Change[];
}

type Change = { created: Task } | { deleted: string };

export type TaskEvent =
  | { kind: "asked"; question: number }
  | { kind: "loaded"; question: number; items: readonly Task[] }
  | { kind: "load-failed"; question: number }
  | { kind: "creating"; draft: Task }
  | { kind: "created"; draftId: string; task: Task }
  | { kind: "create-failed"; draftId: string }
  | { kind: "deleting"; id: string }
  | { kind: "deleted"; id: string }
  | { kind: "delete-failed"; id: string };

export const UNKNOWN_LIST: TaskList = { rows: null, questions: [] };

/** @param event question numbers grow, so that an answer can be told from one that has overtaken it. */
export function nextTaskList(list: TaskList, event: TaskEvent): TaskList {
  const rows = list.rows ?? [];
  switch (event.kind) {
    case "asked":
      return { ...list, questions: [...list.questions, { id: event.question, changes: [] }] };
    case "loaded": {
      const question = list.questions.find(({ id }) => id === event.question);
      if (!question) return list; // A later question has been answered already.
      return {
        rows: merge(question.changes.reduce(apply, event.items), rows),
        questions: list.questions.filter(({ id }) => id > event.question),
      };
    }
    case "load-failed":
      return { ...list, questions: list.questions.filter(({ id }) => id !== event.question) };
    case "creating":
      return { ...list, rows: [...rows, row(event.draft, "saving")] };
    case "created": {
      // The list may have been read in between, and then has the task already.
      const others = rows.filter(({ id }) => id !== event.task.id);
      const kept = others.map((old) => (old.id === event.draftId ? row(event.task, "kept") : old));
      return { rows: kept, questions: noted(list.questions, { created: event.task }) };
    }
    case "create-failed":
      return { ...list, rows: without(rows, event.draftId) };
    case "deleting":
      return { ...list, rows: marked(rows, event.id, "deleting") };
    case "deleted":
      return { rows: without(rows, event.id), questions: noted(list.questions, { deleted: event.id }) };
    case "delete-failed":
      return { ...list, rows: marked(rows, event.id, "kept") };
  }
}

/** What the server said, with what the user sees of the changes under way. */
function merge(items: readonly Task[], rows: readonly Row[]): Row[] {
  const deleting = new Set(rows.filter(({ state }) => state === "deleting").map(({ id }) => id));
  const saving = rows.filter(({ state }) => state === "saving");
  return [...items.map((task) => row(task, deleting.has(task.id) ? "deleting" : "kept")), ...saving];
}

function apply(items: readonly Task[], change: Change): readonly Task[] {
  if ("deleted" in change) return without(items, change.deleted);
  return items.some(({ id }) => id === change.created.id) ? items : [...items, change.created];
}

function noted(questions: readonly Question[], change: Change): Question[] {
  return questions.map(({ id, changes }) => ({ id, changes: [...changes, change] }));
}

function without<T extends Task>(rows: readonly T[], id: string): T[] {
  return rows.filter((row) => row.id !== id);
}

function marked(rows: readonly Row[], id: string, state: Row["state"]): Row[] {
  return rows.map((old) => (old.id === id ? { ...old, state } : old));
}

function row(task: Task, state: Row["state"]): Row {
  return { ...task, state };
}
