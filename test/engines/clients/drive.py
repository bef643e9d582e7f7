"""Drives a client library: reads one call a line, prints one outcome a line, until its input ends.

A call: {"library": "openai", "url": …, "token": …, "call": "chat.completions.create", "args": {…} or […],
         "extra": {…}, "as": "value" | "events" | "final", "leaveAfter": 10, "retries": 0}
An outcome: {"value": …, "requestId": …} or {"error": {…}}; whatever the library has by default stays as it is.
"""

import json
import sys
from operator import attrgetter

import anthropic
import openai

LIBRARIES = {"openai": openai.OpenAI, "anthropic": anthropic.Anthropic}
FINAL = {
    "chat.completions.stream": "get_final_completion",
    "responses.stream": "get_final_response",
    "messages.stream": "get_final_message",
}


def plain(value):
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def run(asked: dict) -> dict:
    options = {"max_retries": asked["retries"]} if "retries" in asked else {}
    client = LIBRARIES[asked["library"]](base_url=asked["url"], api_key=asked["token"], timeout=60, **options)
    args = asked["args"]
    positional, named = (args, {}) if isinstance(args, list) else ([], dict(args))
    if "extra" in asked:
        named["extra_body"] = asked["extra"]
    result = attrgetter(asked["call"])(client)(*positional, **named)
    if asked.get("as") == "final":
        with result as stream:
            events = [plain(event) for event in stream]
            return {"value": plain(getattr(stream, FINAL[asked["call"]])()), "events": len(events)}
    if asked.get("as") == "events":
        events = []
        for event in result:
            events.append(plain(event))
            if len(events) == asked.get("leaveAfter"):
                result.close()
                break
        return {"value": events}
    return {"value": plain(result), "requestId": getattr(result, "_request_id", None)}


def told(error: Exception) -> dict:
    names = ("code", "param", "type", "request_id")
    return {
        "name": type(error).__name__,
        "classes": [of.__name__ for of in type(error).__mro__],
        "status": getattr(error, "status_code", None),
        "message": str(error),
        "body": getattr(error, "body", None),
        **{name: getattr(error, name, None) for name in names},
    }


for line in sys.stdin:
    try:
        outcome = run(json.loads(line))
    except Exception as error:
        outcome = {"error": told(error)}
    print(json.dumps(outcome), flush=True)
