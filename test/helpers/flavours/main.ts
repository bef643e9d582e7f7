import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { damageOf } from './damage.ts'
import { fixturesOf, type Said } from './fixtures.ts'
import type { Call, Flavour, FlavourName, FlavourOptions, Head } from './flavour.ts'
import { eventsOf, type Hold, Work } from './generation.ts'
import { LMDEPLOY } from './lmdeploy.ts'
import { createRouter, type Match } from './router.ts'
import { SGLANG } from './sglang.ts'
import type { FlavourEvent, Heard } from './start.ts'
import { SWIFT } from './swift.ts'
import { asgiPath, createUvicorn } from './uvicorn.ts'
import { VLLM } from './vllm.ts'

const ALL: Readonly<Record<FlavourName, Flavour>> = { vllm: VLLM, sglang: SGLANG, lmdeploy: LMDEPLOY, swift: SWIFT }

const options = JSON.parse(process.env.FLAVOUR ?? '{}') as FlavourOptions
const flavour = ALL[options.name]
const fixtures = fixturesOf(options.name)
const route = createRouter(fixtures.routes)
const heard: Heard[] = []
const damage: string[] = []
const sent: string[] = []
/** Which of `sent` a response writes to. */
const written = new WeakMap<ServerResponse, number>()
const failing: { as: string | null; isBroken: boolean } = { as: null, isBroken: false }

// The tests' process may have gone in the meantime: with a callback, that is no uncaught error.
const report = (message: object) => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
const tell = (event: FlavourEvent) => report(event)
const work = new Work(running => tell({ kind: 'running', running }))

function say(response: ServerResponse, { status, headers = {}, body, text }: Said): void {
  const isJson = body !== null
  const type = isJson ? 'application/json' : 'text/plain; charset=utf-8'
  end(response, status, { ...headers, 'content-type': type }, isJson ? JSON.stringify(body) : (text ?? ''))
}

/** An answer that is whole at once has its length in its head, as Starlette's have. */
function end(response: ServerResponse, status: number, headers: OutgoingHttpHeaders, text: string): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) })
  write(response, text)
  response.end()
}

function write(response: ServerResponse, piece: string): void {
  const index = written.get(response)
  if (index !== undefined) sent[index] += piece
  response.write(piece)
}

const server = createUvicorn(
  (request, response) => {
    const head: Head = { method: request.method ?? '', path: asgiPath(request.url ?? ''), headers: request.headers }
    const pieces: Buffer[] = []
    request.on('data', piece => pieces.push(piece))
    request.once('end', () => {
      const body = Buffer.concat(pieces)
      if (isOfTheGate(head)) {
        answer(request, response, head, body)
        return
      }
      heard.push({ ...head, url: request.url ?? '', rawHeaders: request.rawHeaders, body: body.toString('latin1') })
      written.set(response, sent.push('') - 1)
      tell({ kind: 'request' })
      response.once('close', () => tell({ kind: response.writableFinished ? 'end' : 'abort' }))
      answer(request, response, head, body)
    })
  },
  () => tell({ kind: 'idle' })
)

const OWN = new Set(['/health', '/ping', '/metrics', '/v1/loads', '/v1/models'])

/** A question of the gate's own: a call always has the gate's id. */
function isOfTheGate({ method, path, headers }: Head): boolean {
  return method === 'GET' && OWN.has(path) && headers['x-request-id'] === undefined
}

function answer(request: IncomingMessage, response: ServerResponse, head: Head, body: Buffer): void {
  const refused = options.key === null ? null : flavour.checkKey(head, options.key)
  const match = route(head.method, head.path)
  if (refused !== null) say(response, refused)
  else if (match.is === 'serves') serve(request, response, head, match.operation, body)
  else say(response, aside(head, match))
}

/** What it says where it does not generate. */
function aside(head: Head, match: Exclude<Match, { readonly is: 'serves' }>): Said {
  switch (match.is) {
    case 'nothing':
      return { status: 404, body: { detail: 'Not Found' } }
    case 'method':
      return { status: 405, headers: { allow: match.allow }, body: { detail: 'Method Not Allowed' } }
    case 'redirect':
      // Starlette builds the address from the Host header.
      return { status: 307, headers: { location: `http://${head.headers.host}${match.path}` }, body: null }
    case 'harms':
      damage.push(`${head.method} ${head.path}`)
      return { status: 200, body: { success: true } }
    case 'tells':
      return { status: 200, body: head.path === '/v1/models' ? modelCards() : { status: 'healthy' } }
  }
}

/** What it says of its models: with paths of its disk. */
function modelCards(): unknown {
  const card = (id: string) => ({ id, object: 'model', created: 1, owned_by: options.name, root: `/weights/${id}` })
  return { object: 'list', data: options.models.map(card) }
}

function fieldsOf({ headers }: Head, body: Buffer): Readonly<Record<string, unknown>> | null {
  if (headers['content-type']?.startsWith('multipart/form-data')) {
    const parts = body.toString('latin1').matchAll(/name="([^"]+)"\r\n\r\n([^\r]*)\r\n/g)
    return Object.fromEntries([...parts].map(([, name, value]) => [name, value]))
  }
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
}

function serve(request: IncomingMessage, response: ServerResponse, head: Head, operation: string, body: Buffer): void {
  const fields = fieldsOf(head, body)
  const call: Call = { ...head, operation, fields: fields ?? {} }
  const refused =
    fields === null ? { status: 422, body: { detail: [{ loc: ['body'], msg: 'JSON' }] } } : flavour.judge(call, options)
  if (refused !== null) {
    say(response, refused)
    return
  }
  damage.push(...damageOf(call.fields, call.headers, fixtures.obeys), ...flavour.obeyed(call, options))
  work
    .run(() => generate(request, response, call))
    .catch(error => say(response, { status: 500, body: null, text: String(error) }))
}

async function generate(request: IncomingMessage, response: ServerResponse, call: Call): Promise<void> {
  const isStream = call.fields.stream === true || call.fields.stream === 'true'
  const isNoticed = flavour.notices(isStream)
  await work.at('queue', response, isNoticed)
  if (response.destroyed) return
  const error = failing.as === null ? undefined : fixtures.errors[failing.as]
  if (error !== undefined) say(response, error)
  else if (isStream) await stream(request, response, call)
  else end(response, 200, { 'content-type': 'application/json' }, filled(`${call.operation}.json`, call))
}

async function stream(request: IncomingMessage, response: ServerResponse, call: Call): Promise<void> {
  const habit = failing.isBroken ? 'broken' : flavour.habit(call)
  const events = eventsOf(filled(`${call.operation}.${habit === 'plain' ? '' : `${habit}.`}sse`, call))
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  if (flavour.isEarly) response.flushHeaders()
  await work.at('head', response, true)
  for (const [index, event] of events.entries()) {
    if (response.destroyed) return
    write(response, event)
    // One at a time, as tokens come.
    await new Promise(resolve => setImmediate(resolve))
    await work.at(index + 1, response, true)
  }
  if (failing.isBroken && !flavour.saysWhenBroken) request.socket.destroy()
  else response.end()
}

function filled(file: string, call: Call): string {
  const text = fixtures.reply(file)
  if (text === null) throw new Error(`no fixture ${options.name}/${file}`)
  // vLLM alone takes the caller's id for its own.
  const id = call.headers['x-request-id']
  return text
    .replaceAll('{{model}}', flavour.modelOf(call, options))
    .replaceAll('{{id}}', typeof id === 'string' ? id : 'a1b2c3d4')
}

server.listen(0, '127.0.0.1', () => report({ hello: (server.address() as AddressInfo).port }))

const verbs: Readonly<Record<string, (argument: unknown) => unknown>> = {
  heard: () => heard,
  sent: () => sent,
  damage: () => damage,
  hold: place => {
    work.hold = place as Hold
  },
  release: () => work.release(),
  fail: name => {
    failing.as = name as string | null
  },
  break: isBroken => {
    failing.isBroken = isBroken === true
  }
}
process.on('message', ({ id, verb, argument }: { id: number; verb: string; argument: unknown }) =>
  report({ id, value: verbs[verb]?.(argument) ?? null })
)
process.on('disconnect', () => process.exit(0))
