"""Reads which routes a server has from the source in its wheel, without installing or running it.

Usage: routes-of-wheel.py WHEEL FOLDER-OR-FILE…

Prints {"routes": ["GET /health", …], "unread": ["file:line", …]}: what is said of a path that is no constant.
"""

import ast
import json
import sys
import zipfile

METHODS = {"get", "post", "put", "delete", "patch", "head"}


def owner_of(node: ast.expr) -> str:
    """`app` of `self.app.get`, `router` of `router.post`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def path_of(node: ast.expr) -> str | None:
    """A constant, or the default of `os.environ.get("NAME", "/path")`."""
    if isinstance(node, ast.Call) and len(node.args) == 2 and ast.unparse(node.func) == "os.environ.get":
        node = node.args[1]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def methods_of(call: ast.Call, name: str) -> list[str]:
    if name != "api_route":
        # A WebSocket begins as a GET.
        return ["GET" if name == "websocket" else name.upper()]
    return next((ast.literal_eval(given.value) for given in call.keywords if given.arg == "methods"), ["GET"])


routes, unread = set(), []
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for file in wheel.namelist():
        if not file.endswith(".py") or not any(file.startswith(place) for place in sys.argv[2:]):
            continue
        for call in ast.walk(ast.parse(wheel.read(file))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
                continue
            name, owner = call.func.attr, owner_of(call.func.value)
            if name not in METHODS | {"api_route", "websocket"} or not owner.endswith(("app", "router")):
                continue
            path = path_of(call.args[0])
            if path is None:
                unread.append(f"{file}:{call.lineno}")
            else:
                routes.update(f"{method} {path.replace(':path}', '}')}" for method in methods_of(call, name))

print(json.dumps({"routes": sorted(routes), "unread": unread}))
