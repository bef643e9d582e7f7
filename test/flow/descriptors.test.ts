import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { open, scene } from '../helpers/two-pools.ts'

t.test('a gate without a descriptor left says whose fault it is, and leaves no engine out for it', async t => {
  const s = await scene(t)
  // As many connections as an operator likes, whatever the process can have.
  const text = s.text('a').replace('server: {', 'clients: { max_connections: 999 }\nserver: { max_connections: 999,')
  writeFileSync(s.file, text.replaceAll('models: [m] }', 'models: [m], health: { every: 1h } }'))
  const gate = await open(t, s, [], 64)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets: Socket[] = []
  t.teardown(() => {
    for (const one of [agent, ...sockets]) one.destroy()
  })
  const headers = { authorization: s.authorization, 'content-type': 'application/json' }
  const ask = (method: 'GET' | 'POST', path: string) =>
    new Promise<number>((resolve, reject) => {
      const asked = request(`http://127.0.0.1:${s.port}${path}`, { agent, method, headers }, answer => {
        answer.resume()
        answer.once('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.once('error', reject)
      asked.end(method === 'POST' ? '{"model":"m","messages":[]}' : '')
    })
  const call = () => ask('POST', '/v1/chat/completions')
  // A connection of a caller, and none to an engine.
  t.equal(await ask('GET', '/v1/models'), 200)

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

  t.equal(await call(), 503)
  await gate.says('TOLLGATE_FORWARD_SOCKETS')
  await gate.says('no file descriptor left: new connections are reset (EMFILE)')
  t.match(gate.stderr(), 'server.max_connections is more than the descriptors of the process allow')
  for (const socket of sockets) socket.destroy()
  while ((await call()) !== 200);
  t.notMatch(gate.stderr(), 'left out')
})
