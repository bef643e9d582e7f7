import t, { type Test } from 'tap'
import { OPERATIONS } from '../../src/engines/operations.ts'
import { rowsOf, verdictOf } from '../../src/engines/table.ts'
import { bodyOf } from '../helpers/flavours/calls.ts'
import { fixturesOf } from '../helpers/flavours/fixtures.ts'
import { FLAVOURS } from '../helpers/flavours/flavour.ts'
import { type Scene, scene } from '../helpers/flavours/scene.ts'
import { type PlainAnswer, plainHttp } from '../helpers/plain-http.ts'
import { rawRequest } from '../helpers/raw.ts'
import { requestLines } from '../helpers/world.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const
/** What would open everything, if there were such a thing. */
const POWERFUL = ['infer:text', 'infer:multimodal', 'model:*:inference', 'task:generate', 'admin', 'root', '*']

interface Attack {
  readonly method: string
  readonly path: string
}

/** A path of a table as one that can be asked for: `{id}` filled in, and something behind a `*`. */
function concrete(path: string): readonly string[] {
  const filled = path.replace(/\{\w+\}/g, 'one')
  return filled.endsWith('*') ? [filled.slice(0, -1), filled.replace('*', '/x')] : [filled]
}

/** Spellings that an ASGI server, or something before it, may read as the same path. */
function spellingsOf(path: string): readonly string[] {
  const at = path.search(/[a-z]/i)
  const escaped = (index: number) => {
    const hex = path.charCodeAt(index).toString(16)
    return `${path.slice(0, index)}%${hex}${path.slice(index + 1)}`
  }
  return [
    ...(at === -1 ? [] : [escaped(at), escaped(path.length - 1), escaped(at).toUpperCase()]),
    escaped(0).replace(/^%/, '/%'),
    `/${path}`,
    path.replace(/\/(?=[^/]*$)/, '//'),
    `/.${path}`,
    `/v1/..${path}`,
    `/v1/chat/completions/../../..${path}`,
    `/v1/chat/completions/%2e%2e/%2e%2e/%2e%2e${path}`,
    `/v1/models/..%2f..${path.replaceAll('/', '%2f')}`,
    path.endsWith('/') ? path.slice(0, -1) : `${path}/`,
    path.toUpperCase(),
    `${path}%00`,
    `${path};x`,
    `${path}?x=1`,
    `${path}%3fx`,
    `${path}#x`,
    `${path}%20`,
    `http://127.0.0.1${path}`
  ].filter(spelling => spelling !== path && spelling !== '')
}

/** Sends every attack with a token for everything. @returns what was answered, in order */
async function attack({ gate, token }: Scene, attacks: readonly Attack[]): Promise<readonly PlainAnswer[]> {
  const client = plainHttp(gate.port)
  try {
    return await Promise.all(
      attacks.map(({ method, path }) => {
        const hasBody = method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS'
        const headers = {
          host: 'localhost',
          authorization: `Bearer ${token}`,
          ...(hasBody ? { 'content-type': 'application/json' } : {})
        }
        return client.ask(method, path, { headers, ...(hasBody ? { body: bodyOf('chat') } : {}) })
      })
    )
  } finally {
    client.close()
  }
}

/** Every attack was refused with a code that the audit log has, and the engine heard none. */
async function assertRefused(t: Test, s: Scene, attacks: readonly Attack[]): Promise<void> {
  const before = (await s.engine.heard()).length
  const written = (await requestLines(s.gate, 0)).length
  const answers = await attack(s, attacks)
  t.equal((await s.engine.heard()).length, before, 'the engine heard nothing')
  t.strictSame(await s.engine.damage(), [])
  const requests = await requestLines(s.gate, written + answers.length)
  const lines = new Map(requests.map(line => [line['http.request.id'], line]))
  const wrong = attacks.flatMap(({ method, path }, index) => {
    const { status, headers, text } = answers[index] ?? { status: 0, headers: {}, text: '' }
    const isRefused = status >= 400 && status < 500 && headers.location === undefined
    const line = lines.get(headers['x-request-id'])
    const isWritten = /^TOLLGATE_/.test(String(line?.['tollgate.code'])) && line?.['user.id'] === 'u-1'
    const isTold = method === 'HEAD' || typeof JSON.parse(text).error.message === 'string'
    return isRefused && isWritten && isTold ? [] : [`${method} ${path}: ${status} ${line?.['tollgate.code']}`]
  })
  t.strictSame(wrong, [], `${attacks.length} attacks`)
}

for (const name of FLAVOURS) {
  t.test(`what may not be asked of ${name} is refused whoever asks, by whatever method and spelling`, async t => {
    const s = await scene(t, name, { scopes: POWERFUL })
    const { harms, tells } = fixturesOf(name).routes
    const rows = rowsOf(name).flatMap(({ route, verdict }) => (verdict.is === 'served' ? [] : [route]))
    const split = (route: string) => {
      const [method = '', path = ''] = route.split(' ')
      return concrete(path).map(path => ({ method, path }))
    }
    const places = [...new Set([...rows, ...harms, ...tells])].flatMap(split)
    const paths = [...new Set(places.map(({ path }) => path))]
    // The gate answers lists of models itself: that is no attack.
    const isOwn = ({ method, path }: Attack) => method === 'GET' && /^\/v1\/models(\/[\w/]+)?$/.test(path)
    const isServed = ({ method, path }: Attack) => verdictOf(name, method, path)?.is === 'served'
    await t.test('every row of its table that is not served, by every method', async t => {
      const attacks = paths.flatMap(path => METHODS.map(method => ({ method, path })))
      await assertRefused(
        t,
        s,
        attacks.filter(one => !isOwn(one) && !isServed(one))
      )
    })
    await t.test('every spelling of them', async t => {
      const attacks = places.flatMap(({ method, path }) => spellingsOf(path).map(path => ({ method, path })))
      await assertRefused(
        t,
        s,
        attacks.filter(one => !isOwn(one) && !isServed(one))
      )
    })
    await t.test('a Host that moves the path is none, and another one does not reach the engine', async t => {
      const before = (await s.engine.heard()).length
      const lines = `Authorization: Bearer ${s.token}\r\nConnection: close\r\n\r\n`
      for (const host of ['x/health?', 'x/health#', 'x/docs', 'x?y', 'x\\health', 'x@y', 'x y', '[::1', 'x:y']) {
        const answer = await rawRequest(s.gate.port, `GET /terminate HTTP/1.1\r\nHost: ${host}\r\n${lines}`)
        t.equal(answer.status, 400, host)
      }
      t.equal((await s.engine.heard()).length, before)
      await s.ask('/v1/chat/completions', bodyOf('chat'))
      t.equal((await s.last()).heard.headers.host, new URL(s.engine.origin).host)
    })
    await t.test('a WebSocket is not opened', async t => {
      const head = `GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n`
      const answer = await rawRequest(s.gate.port, `${head}Authorization: Bearer ${s.token}\r\n\r\n`)
      t.equal(answer.status, 400)
    })
  })

  t.test(`no header and no field that ${name} would obey reaches it`, async t => {
    const s = await scene(t, name)
    const everyHeader = FLAVOURS.flatMap(flavour => Object.keys(fixturesOf(flavour).obeys.headers))
    const headers = Object.fromEntries(everyHeader.map(header => [header, '0']))
    t.equal((await s.ask('/v1/chat/completions', bodyOf('chat'), { headers })).status, 200)
    const { heard } = await s.last()
    t.strictSame(
      everyHeader.filter(header => heard.headers[header] !== undefined),
      []
    )

    const everyField = [...new Set(FLAVOURS.flatMap(flavour => Object.keys(fixturesOf(flavour).obeys.fields)))]
    const client = plainHttp(s.gate.port)
    t.teardown(() => client.close())
    const send = { host: 'x', authorization: `Bearer ${s.token}`, 'content-type': 'application/json' }
    for (const { route, verdict } of rowsOf(name)) {
      if (verdict.is !== 'served' || OPERATIONS[verdict.operation].model === 'form') continue
      const [, path = ''] = route.split(' ')
      const answers = await Promise.all(
        everyField.map(field =>
          client.ask('POST', path, {
            headers: send,
            body: bodyOf(verdict.operation, `"${field}":${takenValue(field)}`)
          })
        )
      )
      const statuses = answers.map(({ status }) => status)
      t.strictSame(
        statuses.filter(status => status !== 200 && status !== 400),
        [],
        path
      )
      t.ok(statuses.includes(200) && statuses.includes(400), 'some are left out, some are refused')
    }
    if (name !== 'swift') {
      const kept = { model: 'm', input: 'x', store: true, background: true }
      t.equal((await s.ask('/v1/responses', kept)).status, 200)
      t.match(JSON.parse((await s.last()).heard.body), { store: false, background: false })
    }
    t.strictSame(await s.engine.damage(), [])
    const salts = (await s.engine.heard()).flatMap(({ body }) => (body === '' ? [] : [JSON.parse(body).cache_salt]))
    t.notOk(salts.includes('x'))
  })
}

/** A value that an engine would take. */
function takenValue(field: string): string {
  if (/rank|room|port|beams|logprobs|tokens|priority|session_id/.test(field)) return '1'
  if (/^(use_|ignore_|return_|log_|no_|with_|preserve_)/.test(field)) return 'true'
  return '"x"'
}
