import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { open, scene } from '../helpers/two-pools.ts'

t.test('a gate without a descriptor left says whose fault it is, and leaves no engine out for it', async t => {
  const s = await scene(t)
  writeFileSync(s.file, s.text('a').replaceAll('models: [m] }', 'models: [m], health: { every: 1h } }'))
  const gate = await open(t, s, [], 64)
  const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
  const sockets: Socket[] = []
  t.teardown(() => {
    for (const one of [...agents, ...sockets]) one.destroy()
  })
  const call = (agent: Agent | undefined) =>
    new Promise<number>((resolve, reject) => {
      const asked = request(
        `http://127.0.0.1:${s.port}/v1/chat/completions`,
        { agent, method: 'POST', headers: { authorization: s.authorization, 'content-type': 'application/json' } },
        answer => {
          answer.resume()
          answer.once('end', () => resolve(answer.statusCode ?? 0))
        }
      )
      asked.once('error', reject)
      asked.end('{"model":"m","messages":[]}')
    })
  // Two connections of callers, and one to the engine that carries one call after the other.
  for (const agent of agents) t.equal(await call(agent), 200)

  /** Whether the gate had to let a connection go as soon as it had taken it. */
  const isLetGo = () =>
    new Promise<boolean>(resolve => {
      const socket = connect(s.port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => {})
      socket.once('close', () => resolve(true))
      socket.once('data', () => resolve(false))
      socket.write(`GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: ${s.authorization}\r\n\r\n`)
    })
  while (!(await isLetGo()));

  await s.a.script({ kind: 'held' })
  const first = call(agents[0])
  await s.a.waitFor('request', 3)
  t.equal(await call(agents[1]), 503)
  await gate.says('TOLLGATE_FORWARD_SOCKETS')
  await s.a.release()
  t.equal(await first, 200)

  for (const socket of sockets) socket.destroy()
  await s.a.script({ kind: 'echo' })
  while ((await call(agents[1])) !== 200);
  t.notMatch(gate.stderr(), 'left out')
})
