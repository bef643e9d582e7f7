import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { rawAnswer, startRawEngine } from '../helpers/raw-engine.ts'
import { rested } from '../helpers/rested.ts'
import { lineOf, openGate } from '../helpers/world.ts'

const answerTo = (who: string, headers = '') =>
  rawAnswer(JSON.stringify({ choices: [{ message: { content: `for ${who}` } }] }), '200 OK', headers)
const ERROR = rawAnswer('{"message":"the secret of team-a"}', '400 Bad Request')

/** What an engine says though nobody asked. */
const EXTRAS = {
  'a second answer': answerTo('team-a, again'),
  'the beginning of one': 'HTTP/1.1 20',
  'a refusal': ERROR,
  hints: 'HTTP/1.1 103 Early Hints\r\nlink: </team-a>\r\n\r\n',
  'what is no HTTP': '{"for":"team-a"}',
  'an empty line': '\r\n'
}

/** A gate with two teams before one engine, whose bytes the test writes. */
async function scene(t: Test) {
  const engine = await startRawEngine(t)
  const gate = await openGate(t, engine.origin, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], health: { every: 1h } } }
requests: { body: { text: 64MiB } }
teams: { team-a: { pool: p }, team-b: { pool: p } }`
  })
  const ask = async (team: string, content = 'x') => {
    const answer = await gate.ask('/v1/chat/completions', {
      token: await gate.issuer.sign({ team_id: team }),
      body: { model: 'm', messages: [{ role: 'user', content }] }
    })
    const { choices, error } = await answer.json()
    return { answer, said: [answer.status, choices?.[0].message.content ?? error.message] }
  }
  /** What a caller of a team gets: the status, what was said, and the code of the audit line. */
  const call = async (team: string, content?: string) => {
    const { answer, said } = await ask(team, content)
    const { 'tollgate.code': code } = await lineOf(gate, answer.headers.get('x-request-id'))
    return [...said, code]
  }
  const gone = async (socket: Socket) => {
    if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  }
  /** A caller of team-a is answered, with more right behind. */
  const first = async (extra = '', headers = (_id: string) => '') => {
    const answer = ask('team-a')
    const request = await engine.next()
    const id = /x-request-id: (\S+)/.exec(request.head)?.[1] ?? ''
    request.socket.write(answerTo('team-a', headers(id)) + extra)
    t.strictSame((await answer).said, [200, 'for team-a'])
    return { ...request, id }
  }
  /** A caller of team-a is answered, and one of team-b asks while the connection of the first rests. */
  const neighbours = async () => {
    for (;;) {
      const before = await first()
      const answer = call('team-b')
      const second = await engine.next()
      if (second.connection !== before.connection) return { first: before, answer, second }
      // The machine was slow: it had rested.
      second.socket.write(answerTo('team-b'))
      await answer
    }
  }
  return { neighbours, engine, transport: gate.built.app.transport, call, first, gone }
}

const OWN = [200, 'for team-b', null]

t.test('what comes in one piece with an answer ends the connection, and the next caller gets its own', async t => {
  for (const [name, extra] of Object.entries(EXTRAS)) {
    const s = await scene(t)
    const first = await s.first(extra)
    // The parser passes over empty lines between answers: they are no part of one.
    if (extra.trim() !== '') await s.gone(first.socket)
    const answer = s.call('team-b')
    const { socket } = await s.engine.next()
    socket.write(answerTo('team-b'))
    t.strictSame(await answer, OWN, name)
  }
})

t.test('what comes after an answer, when the next caller has already asked, reaches nobody', async t => {
  for (const [name, extra] of Object.entries(EXTRAS)) {
    const s = await scene(t)
    const { first, answer, second } = await s.neighbours()
    const gone = s.gone(first.socket)
    first.socket.write(extra)
    if (extra.trim() !== '') await gone
    second.socket.write(answerTo('team-b'))
    t.strictSame(await answer, OWN, name)
  }
})

t.test('what comes on an idle connection ends it', async t => {
  for (const [name, extra] of Object.entries(EXTRAS)) {
    const s = await scene(t)
    const first = await s.first()
    await rested(s.transport)
    const gone = s.gone(first.socket)
    first.socket.write(extra)
    if (extra.trim() !== '') await gone
    const answer = s.call('team-b')
    const { socket } = await s.engine.next()
    socket.write(answerTo('team-b'))
    t.strictSame(await answer, OWN, name)
  }
})

t.test('an answer that names the call before it is not passed on, where an engine names calls', async t => {
  const s = await scene(t)
  const first = await s.first('', id => `x-request-id: ${id}\r\n`)
  await rested(s.transport)
  const answer = s.call('team-b')
  const second = await s.engine.next()
  t.equal(second.connection, first.connection)
  const gone = s.gone(second.socket)
  second.socket.write(answerTo('team-a, again', `x-request-id: ${first.id}\r\n`))
  const [status, , code] = await answer
  t.strictSame([status, code], [502, 'TOLLGATE_FORWARD_ANSWER'])
  await gone
})

t.test('an answer that comes before its request was sent is not passed on; a refusal may come so early', async t => {
  // More than the kernel keeps for an engine that does not read.
  const content = 'x'.repeat(16 * 1024 * 1024)
  for (const [early, expected] of [
    [answerTo('another'), [502, 'TOLLGATE_FORWARD_ANSWER']],
    [rawAnswer('{"message":"too long"}', '413 Too Large'), [413, 'TOLLGATE_FORWARD_REJECTED']]
  ] as const) {
    const s = await scene(t)
    const head = s.engine.nextHead()
    const answer = s.call('team-b', content)
    const socket = await head
    const gone = s.gone(socket)
    socket.write(early)
    const [status, , code] = await answer
    t.strictSame([status, code], expected)
    socket.resume()
    await gone
  }
})

t.test('an answer that comes between a call and its own, and names no call, cannot be told apart', async t => {
  // Not what anyone wants, but what is: HTTP/1.1 does not say to which request an answer belongs.
  const s = await scene(t)
  const first = await s.first()
  await rested(s.transport)
  const answer = s.call('team-b')
  const second = await s.engine.next()
  t.equal(second.connection, first.connection)
  const gone = s.gone(second.socket)
  second.socket.write(answerTo('team-a, again'))
  t.strictSame(await answer, [200, 'for team-a, again', null])
  // Its own is then one too many, and the error ends there.
  second.socket.write(answerTo('team-b'))
  await gone
})
