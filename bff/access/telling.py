"""An answer in the words that the command line prints and the console shows. Pure."""

from collections.abc import Iterator

from bff.access.explain import build_explanation
from bff.access.question import Answer, Question


def tell(question: Question, answer: Answer) -> str:
    """Return the whole answer as lines of text."""
    return "\n".join(_lines(question, answer))


def build_answer(question: Question, answer: Answer) -> dict[str, object]:
    """Return the answer as plain data."""
    explanation = answer.explanation
    return {
        "method": question.method,
        "path": question.path,
        "subject": question.subject,
        "roles": sorted(answer.roles),
        "origins": [{"role": origin.role, "from": str(origin)} for origin in answer.origins],
        **(build_explanation(explanation) if explanation is not None else {"route": None, "decision": "no_route"}),
    }


def _lines(question: Question, answer: Answer) -> Iterator[str]:
    explanation = answer.explanation
    yield f"{question.method} {question.path}"
    if explanation is None:
        yield "  no [[api]] route fits this path: 404"
        return
    yield f"  route   {explanation.route}"
    yield f"  roles   {', '.join(sorted(answer.roles)) or 'none'}"
    for origin in answer.origins:
        yield f"          {origin.role}: {origin}"
    for trace in explanation.rules:
        yield f"  rule    {trace}"
    yield f"  result  {explanation.verdict}"
    for needed in explanation.needed:
        yield f"  needed  {needed}"
