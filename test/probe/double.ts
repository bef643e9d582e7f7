import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** How the double behaves. */
export interface DoubleInit {
  /** Every `METHOD /path` that it has; `{name}` stands for a segment. */
  readonly routes: readonly string[]
  /** Those that its OpenAPI document names; all of them unless given, null: it shows none. */
  readonly documented?: readonly string[] | null
  readonly models?: readonly string[]
  readonly owner?: string
  readonly version?: string
  /** Its key, and the beginnings of the paths that its middleware guards and leaves open. */
  readonly key?: { readonly value: string; readonly guards: readonly string[]; readonly open?: readonly string[] }
  /** Applications that are mounted: they answer every method. */
  readonly mounts?: readonly string[]
  /** Errors are SGLang's and LMDeploy's flat objects, or OpenAI's nested ones. */
  readonly errors?: 'flat' | 'nested'
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Answers before anything else does. @returns whether it did */
  readonly instead?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** A request as it came. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly key: string | null
}

/** An engine's front door as FastAPI builds it: the key's middleware, then the router, then the code of a route. */
export interface Double {
  readonly origin: string
  /** Every route whose code ran, but for the three that a probe reads. */
  readonly ran: readonly string[]
  readonly seen: readonly Seen[]
}

const READ = new Set(['GET /v1/models', 'GET /openapi.json', 'GET /version'])

/** Starts a double in the test's process; it ends with the test. */
export async function startDouble(t: Test, init: DoubleInit): Promise<Double> {
  const ran: string[] = []
  const seen: Seen[] = []
  const routes = [...new Set([...init.routes, 'GET /v1/models', 'GET /openapi.json', 'HEAD /openapi.json'])].map(
    route => {
      const [method = '', path = ''] = route.split(' ')
      return { route, method, path, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`) }
    }
  )
  const send = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
    response
      .writeHead(status, { 'content-type': 'application/json', server: 'uvicorn', ...headers })
      .end(JSON.stringify(body))
  const refuse = (response: ServerResponse, status: number, words: string, headers?: Record<string, string>) =>
    send(
      response,
      status,
      init.errors === 'nested' ? { error: { message: words, type: words, code: status } } : { detail: words },
      headers
    )

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '', headers } = request
    seen.push({ method, path, key: headers.authorization ?? null })
    if (init.instead?.(request, response)) return
    const begins = (prefix: string) => path.startsWith(prefix)
    const { key } = init
    // As the engines' middleware has it: before the router, whatever the method, but for OPTIONS.
    if (key !== undefined && method !== 'OPTIONS' && key.guards.some(begins) && !key.open?.some(begins)) {
      if (headers.authorization !== `Bearer ${key.value}`) {
        send(response, 401, { error: 'Unauthorized' })
        return
      }
    }
    if (init.mounts?.some(begins)) {
      response.writeHead(200).end('# HELP up\n')
      return
    }
    const ofPath = routes.filter(({ pattern }) => pattern.test(path))
    const found = ofPath.find(route => route.method === method)
    if (found !== undefined) {
      if (!READ.has(found.route)) ran.push(found.route)
      serve(found.route, response)
      return
    }
    const [first] = ofPath
    if (first !== undefined) refuse(response, 405, 'Method Not Allowed', { allow: first.method })
    else if (routes.some(({ pattern }) => pattern.test(`${path}/`)))
      response.writeHead(307, { location: `${path}/` }).end()
    else refuse(response, 404, 'Not Found')
  }

  const serve = (route: string, response: ServerResponse) => {
    if (route === 'GET /v1/models') {
      const data = (init.models ?? ['tiny']).map(id => ({ id, object: 'model', owned_by: init.owner ?? 'vllm' }))
      send(response, 200, { object: 'list', data })
    } else if (route === 'GET /openapi.json') {
      if (init.documented === null) refuse(response, 404, 'Not Found')
      else send(response, 200, openapi(init.documented ?? init.routes))
    } else if (route === 'GET /version') send(response, 200, { version: init.version ?? '0.32.0' })
    else send(response, 200, {})
  }

  return { origin: await listen(t, answer, init.tls), ran, seen }
}

function openapi(routes: readonly string[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ')
    paths[path] = { ...paths[path], [method.toLowerCase()]: { responses: {} } }
  }
  return { openapi: '3.1.0', info: { title: 'FastAPI', version: '0.1.0' }, paths }
}

/** Listens on a free port of the loopback until the test ends. @returns the origin */
export async function listen(
  t: Test,
  listener: RequestListener,
  tls?: { readonly cert: string; readonly key: string }
): Promise<string> {
  const server = tls === undefined ? createServer(listener) : createTls(tls, listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
}
